/** Helm, wherever it can be had: the program on the PATH, the same engine as a Java library, or its image; in this order. */
import { engineInSight } from '../stack/containers.ts'
import { helmFromImage } from './helm-image.ts'
import { helmLibrary } from './helm-java.ts'
import { helmCommand } from './helm-program.ts'
import type { Helm } from './rendering.ts'

type Way = (say: (line: string) => void) => Promise<Helm | string>

/** Each answers what it lacks where it cannot. */
const WAYS: readonly Way[] = [
  () => helmCommand(),
  helmLibrary,
  async say => ((await engineInSight()) ? helmFromImage(say) : 'no container engine in sight'),
]

/** Rejects with one message that says what to install. */
export async function openHelm(say: (line: string) => void = console.error): Promise<Helm> {
  const lacking: string[] = []
  for (const way of WAYS) {
    const found = await way(say)
    if (typeof found !== 'string') return found
    lacking.push(found)
  }
  throw new Error(`the chart cannot be tried without Helm:
${lacking.map(each => `  - ${each}`).join('\n')}
Any one of these will do: Helm 3 or 4 on the PATH; Java 17 and Maven (Debian: apt install openjdk-17-jre-headless maven); a container engine, running`)
}
