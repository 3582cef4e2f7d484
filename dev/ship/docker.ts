/** Docker's command line: commands run to their end, told to end when we are. */
import { type ChildProcess, spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

interface RunOptions {
  /** For its standard input. */
  readonly input?: string
  readonly cwd?: string
}

/** The last lines say what went wrong; BuildKit's log has hundreds before them. */
const WORDS_LINES_MAX = 15

export class Docker {
  readonly #env: NodeJS.ProcessEnv
  readonly #children = new Set<ChildProcess>()
  #isStopped = false

  /** The environment of every command: that is where compose finds what its file leaves open. */
  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env
  }

  /** Resolves however it ends; rejects where there is no such program. */
  async run(args: readonly string[], { input = '', cwd }: RunOptions = {}): Promise<Ran> {
    if (this.#isStopped) throw new Error('stopped')
    // In a session of its own: a Ctrl-C in the terminal reaches us alone, and we still need it for cleaning up.
    const child = spawn('docker', args, { env: this.#env, cwd, detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#children.add(child)
    // A program that reads nothing closes its end; that is no failure.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    const code = new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', ended => resolve(ended ?? -1))
    })
    try {
      const [ended, out, err] = await Promise.all([code, text(child.stdout), text(child.stderr)])
      // How a command ends that we have ended ourselves proves nothing.
      if (this.#isStopped) throw new Error('stopped')
      return { code: ended, out: out.trimEnd(), err: err.trimEnd() }
    } finally {
      this.#children.delete(child)
    }
  }

  /** What it prints; rejects with its last words when it fails. */
  async must(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, out, err } = await this.run(args, options)
    if (code === 0) return out
    const words = `${out}\n${err}`.trim().split('\n').slice(-WORDS_LINES_MAX).join('\n  ')
    throw new Error(`docker ${args.join(' ')} ended with exit code ${code}:\n  ${words}`)
  }

  /** Ends every command that still runs; there will be no other. */
  stop(): void {
    this.#isStopped = true
    for (const child of this.#children) child.kill('SIGTERM')
  }
}

/** Resolves to what `look` gives as soon as it is not undefined. Rejects with `what` when that takes too long. */
export async function until<Found>(
  what: string,
  withinMs: number,
  look: () => Promise<Found | undefined>,
): Promise<Found> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs / 1_000} s`)
    await new Promise(resolve => setTimeout(resolve, 250))
  }
}
