/** The chart, rendered by Helm itself with values of a test, and what came out, object by object. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { CHART } from '../../dev/tools/chart-files.ts'
import { openHelm } from '../../dev/tools/helm.ts'
import type { Answer, Helm } from '../../dev/tools/rendering.ts'

/** `helm/sluice/ci/NAME-values.yaml`. */
export const PRESETS = ['minimal', 'full', 'keda', 'hpa'] as const

export type Preset = (typeof PRESETS)[number]

/** The first time, Helm is fetched. A guess with room. */
export const OPEN_WITHIN_MS = 3 * 60 * 1_000

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly [field: string]: unknown
}

export interface Rendered {
  readonly objects: readonly Manifest[]
  readonly text: string
  /** The only one of its kind. */
  readonly the: (kind: string) => Manifest
}

export interface Question {
  readonly release?: string
  /** Another chart than ours, made by `copy`. */
  readonly chart?: string
}

export class Chart {
  readonly from: string
  readonly #helm: Helm
  readonly #scratch: string
  #files = 0

  private constructor(helm: Helm, scratch: string) {
    this.#helm = helm
    this.#scratch = scratch
    this.from = helm.from
  }

  static async open(): Promise<Chart> {
    return new Chart(await openHelm(), mkdtempSync(join(tmpdir(), 'sluice-chart-')))
  }

  async close(): Promise<void> {
    rmSync(this.#scratch, { recursive: true })
    await this.#helm.close()
  }

  /** A preset with values over it. Rejects with Helm's words where it refuses. */
  async render(preset: Preset, over: object = {}, question: Question = {}): Promise<Rendered> {
    const { ok, text } = await this.#ask([presetFile(preset), this.#written(over)], question)
    if (!ok) throw new Error(text)
    return rendered(text)
  }

  /** Why Helm refuses it. Rejects where it does not. */
  async refusal(preset: Preset | null, over: object): Promise<string> {
    const values = [...(preset === null ? [] : [presetFile(preset)]), this.#written(over)]
    const { ok, text } = await this.#ask(values, {})
    if (ok) throw new Error(`Helm refuses nothing in ${JSON.stringify(over)}`)
    return text
  }

  /** What a person reads after the installation. */
  async notes(preset: Preset, over: object = {}): Promise<string> {
    const rendered = await this.render(preset, over, { chart: this.#withNotes() })
    // Boundary: NOTES_MANIFEST, below, has it.
    return rendered.the('Notes')['notes'] as string
  }

  lint(chart = CHART): Promise<Answer> {
    return this.#helm.lint(chart)
  }

  /** Our chart with other files, by their paths in it. */
  copy(files: Readonly<Record<string, string>>): string {
    const folder = join(this.#scratch, String(this.#files++), 'sluice')
    cpSync(CHART, folder, { recursive: true })
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    return folder
  }

  #ask(values: readonly string[], { release = 'trial', chart = CHART }: Question): Promise<Answer> {
    return this.#helm.template({ chart, values, release, namespace: 'streams' })
  }

  /** JSON is YAML. */
  #written(values: object): string {
    const file = join(this.#scratch, `${this.#files++}.yaml`)
    writeFileSync(file, JSON.stringify(values))
    return file
  }

  /** Helm shows them after an installation only, and never without a cluster: so they are rendered as part of an object. */
  #withNotes(): string {
    const notes = '{{ define "notes" }}{{ tpl (.Files.Get "notes.txt") . }}{{ end }}'
    const folder = this.copy({ 'templates/_notes.tpl': notes, 'templates/notes.yaml': NOTES_MANIFEST })
    // `.Files` has nothing from templates/.
    cpSync(join(CHART, 'templates', 'NOTES.txt'), join(folder, 'notes.txt'))
    return folder
  }
}

const NOTES_MANIFEST = `apiVersion: test/v1
kind: Notes
metadata: {name: notes}
notes: {{ include "notes" . | toJson }}
`

export function presetFile(preset: Preset): string {
  return join(CHART, 'ci', `${preset}-values.yaml`)
}

function rendered(text: string): Rendered {
  // As Kubernetes reads it: YAML 1.1, in which `on` is true and 0440 is octal.
  const objects = parseAllDocuments(text, { version: '1.1' })
    .map((document): unknown => document.toJS())
    .filter(document => document !== null)
  for (const object of objects)
    if (!isManifest(object)) throw new Error(`no object of Kubernetes: ${JSON.stringify(object)}`)
  const all = objects.filter(isManifest)
  const the = (kind: string): Manifest => {
    const [found, ...more] = all.filter(object => object.kind === kind)
    if (found === undefined || more.length > 0)
      throw new Error(`not one ${kind} among ${all.map(({ kind }) => kind).join(', ')}`)
    return found
  }
  return { objects: all, text, the }
}

function isManifest(value: unknown): value is Manifest {
  return typeof value === 'object' && value !== null && 'apiVersion' in value && 'kind' in value && 'metadata' in value
}
