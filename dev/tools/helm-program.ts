/** Helm by its command line. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { runs, wordsOf } from '../stack/command.ts'
import { type Answer, type Helm, KUBERNETES_VERSION } from './rendering.ts'

const execute = promisify(execFile)

export async function helmCommand(): Promise<Helm | string> {
  return (await runs('helm', ['version'])) ? helmBy('helm on the PATH', ['helm']) : 'no helm on the PATH'
}

/** `command`: what stands before Helm's own arguments; it must see the same files under the same paths. */
export function helmBy(from: string, command: readonly string[]): Helm {
  return {
    from,
    template: ({ chart, values, release, namespace }) => {
      const files = values.flatMap(file => ['--values', file])
      const cluster = ['--namespace', namespace, '--kube-version', KUBERNETES_VERSION]
      return answerOf([...command, 'template', release, chart, ...cluster, ...files])
    },
    lint: chart => answerOf([...command, 'lint', '--strict', chart]),
    close: async () => {},
  }
}

/** What stands on stderr beside an answer (a remark on the machine's kubeconfig, a pull) is no part of it. */
async function answerOf([program = '', ...args]: readonly string[]): Promise<Answer> {
  try {
    const { stdout } = await execute(program, args, { maxBuffer: 16 * 1024 * 1024 })
    return { ok: true, text: stdout }
  } catch (error) {
    return { ok: false, text: wordsOf(error) }
  }
}
