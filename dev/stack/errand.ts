/** What the starter and a keeper say to each other, a JSON object a line. */

export type Step = { command: string; args: string[]; env?: Record<string, string> }

export type Errand = {
  name: string
  /** The keeper makes a folder below this one; everything runs in it, and it is removed at the end. */
  folderBase: string
  /** Instead of one made below `folderBase`: the folder of another keeper, which removes it. */
  folder?: string | undefined
  /** Written into the folder before anything runs. */
  files: Record<string, string>
  /** Run in order to their end; one that fails ends the errand. */
  before: Step[]
  main: Step
  /** Root's choice for programs that refuse to run as root. */
  runAs?: { uid: number; gid: number } | undefined
  stopSignal: NodeJS.Signals
  /** From the stop signal to SIGKILL, when the starter asks for the stop and waits for it. */
  graceMs: number
  /** The same when the starter is gone. */
  orphanGraceMs: number
}

/** Lines that the starter sends after the errand. The end of its pipe alone also stops the part, with less patience. */
export type Order = 'stop' | 'keep-folder'

export type Report =
  | { kind: 'started'; pid: number; folder: string }
  | { kind: 'failed'; reason: string; folder: string | undefined }
  | { kind: 'ended'; code: number | null; signal: string | null }
