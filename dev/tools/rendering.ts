/** What is asked of Helm, whichever way it is had, and what it answers. */

export interface Answer {
  readonly ok: boolean
  /** The manifests, or what is wrong. */
  readonly text: string
}

export interface Rendering {
  /** The folder of the chart. */
  readonly chart: string
  /** Files of values, the last one winning. */
  readonly values: readonly string[]
  readonly release: string
  readonly namespace: string
}

export interface Helm {
  /** Where it comes from, in words. */
  readonly from: string
  /** As for a cluster of `KUBERNETES_VERSION`, without asking one. */
  template(rendering: Rendering): Promise<Answer>
  /** Strictly, with the chart's own values. */
  lint(chart: string): Promise<Answer>
  close(): Promise<void>
}

/** What Helm is told to render for, since without a cluster each way assumes another one. */
export const KUBERNETES_VERSION = '1.33.0'
