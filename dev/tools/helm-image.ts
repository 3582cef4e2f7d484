/** Helm from its image: a container for every question, which is slow, and all that some machines have. */
import { tmpdir } from 'node:os'

import { root } from '../root.ts'
import { output, wordsOf } from '../stack/command.ts'
import { helmBy } from './helm-program.ts'
import type { Helm } from './rendering.ts'

const IMAGE = 'alpine/helm:3.19.0'

export async function helmFromImage(say: (line: string) => void): Promise<Helm | string> {
  try {
    await output('docker', ['image', 'inspect', IMAGE]).catch(() => {
      say(`fetching the image ${IMAGE} (once)`)
      return output('docker', ['pull', '--quiet', IMAGE])
    })
  } catch (error) {
    return `no image ${IMAGE}: ${wordsOf(error).split('\n')[0]}`
  }
  const mounts = [root, tmpdir()].flatMap(path => ['--volume', `${path}:${path}:ro`])
  return helmBy(IMAGE, ['docker', 'run', '--rm', ...mounts, IMAGE])
}
