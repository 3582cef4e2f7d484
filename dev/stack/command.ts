/** A program run to its end, its output in the error when it fails. When we exit, it is told to. */
import { type ExecFileOptions, execFile } from 'node:child_process'
import { promisify } from 'node:util'

const execute = promisify(execFile)

export async function output(command: string, args: string[], options: ExecFileOptions = {}): Promise<string> {
  const running = execute(command, args, { maxBuffer: 16 * 1024 * 1024, ...options, encoding: 'utf8' })
  const stop = () => running.child.kill()
  process.once('exit', stop)
  const { stdout, stderr } = await running.finally(() => process.off('exit', stop))
  return `${stdout}${stderr}`
}

export async function runs(command: string, args: string[]): Promise<boolean> {
  return output(command, args).then(
    () => true,
    () => false,
  )
}

/** What an error says, with what caused it; `fetch failed` alone helps nobody. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const words = error.message || error.name
  return error.cause instanceof Error && !words.includes(error.cause.message)
    ? `${words}: ${wordsOf(error.cause)}`
    : words
}
