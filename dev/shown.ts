/** Programs whose output is shown as it comes. */
import { type ChildProcess, spawn } from 'node:child_process'

import { root } from './root.ts'

const running = new Set<ChildProcess>()

/** Resolves to the exit code; a signal counts as a failure. */
export async function runShown(program: string, args: string[]): Promise<number> {
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  running.add(child)
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', code => resolve(code ?? 1))
    })
  } finally {
    running.delete(child)
  }
}

export function stopShown(signal: NodeJS.Signals): void {
  for (const child of running) child.kill(signal)
}
