/** A process of ours that may hang, crash or fill the memory: it is watched, and ended with all that it started. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface Watched {
  readonly args: readonly string[]
  readonly cwd: string
  /** So long it may say nothing. */
  readonly silenceMsMax: number
  readonly onLine?: (line: string) => void
}

export type Ending =
  | { readonly kind: 'exited'; readonly code: number; readonly lastWords: string }
  /** It said nothing for too long. */
  | { readonly kind: 'hung' }

/** What a bug may fill before it counts as a crash. */
const HEAP_MIB_MAX = 1_024
/** Enough to find the line that says what went wrong. */
const LAST_WORDS_MAX = 4_096

const running = new Set<ChildProcess>()

/** Runs Node in `cwd` to its end. */
export async function watch({ args, cwd, silenceMsMax, onLine }: Watched): Promise<Ending> {
  const child = spawn(process.execPath, [`--max-old-space-size=${HEAP_MIB_MAX}`, ...args], {
    cwd,
    // A group of its own: what it has started ends with it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Properties draw the same cases each time: what is found once is found again.
    env: { ...process.env, NO_COLOR: '1', SLUICE_SEED: '1' },
  })
  running.add(child)
  let lastWords = ''
  let heardAtMs = performance.now()
  let hung = false
  const listen = () => {
    if (!running.has(child)) return
    const silentMs = performance.now() - heardAtMs
    hung = silentMs >= silenceMsMax
    if (hung) end(child)
    else AbortSignal.timeout(Math.ceil(silenceMsMax - silentMs)).addEventListener('abort', listen)
  }
  listen()
  createInterface(child.stdout).on('line', line => {
    heardAtMs = performance.now()
    onLine?.(line)
  })
  child.stderr.on('data', (bytes: Buffer) => {
    lastWords = (lastWords + bytes.toString()).slice(-LAST_WORDS_MAX)
  })
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', code => resolve(code ?? 1))
    })
    return hung ? { kind: 'hung' } : { kind: 'exited', code, lastWords }
  } finally {
    running.delete(child)
  }
}

export function endAll(): void {
  for (const child of running) end(child)
}

function end({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}
