/** Helm as a library for Java: its own engine, compiled for this platform, from a Maven package. One JVM answers all questions. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { cached, cacheRoot } from '../stack/cache.ts'
import { runs, wordsOf } from '../stack/command.ts'
import { javaCommand } from '../stack/maven.ts'
import { copyPackages } from '../stack/packages.ts'
import { type Answer, type Helm, KUBERNETES_VERSION } from './rendering.ts'

const VERSION = '0.0.21'

export async function helmLibrary(say: (line: string) => void): Promise<Helm | string> {
  const java = javaCommand()
  if (!(await runs(java, ['-version']))) return 'no Java'
  try {
    return helmOf(new Lines(java, await jars(say)))
  } catch (error) {
    return `no Helm by Maven: ${wordsOf(error).split('\n')[0]}`
  }
}

function jars(say: (line: string) => void): Promise<string> {
  return cached(join(cacheRoot(), `helm-java-${VERSION}`), async into => {
    say(`fetching Helm as a library (helm-java ${VERSION}) with Maven (31 MB, once)`)
    await copyPackages([{ group: 'com.marcnuri.helm-java', artifact: 'helm-java', version: VERSION }], into)
  })
}

function helmOf(lines: Lines): Helm {
  return {
    from: `helm-java ${VERSION}`,
    template: ({ chart, values, release, namespace }) =>
      lines.ask(['template', KUBERNETES_VERSION, chart, release, namespace, ...values]),
    lint: chart => lines.ask(['lint', chart]),
    close: () => lines.close(),
  }
}

/** A process that answers line by line, in order. */
class Lines {
  readonly #process: ChildProcess
  readonly #ended: Promise<void>
  readonly #waiting: ((answer: Answer) => void)[] = []
  #said = ''

  constructor(java: string, jars: string) {
    const program = fileURLToPath(new URL('HelmLines.java', import.meta.url))
    // Helm speaks UTF-8, whatever the locale; JNA takes its texts for the locale's unless told.
    const jvm = ['-XX:TieredStopAtLevel=1', '-XX:-UsePerfData', '-Dfile.encoding=UTF-8', '-Djna.encoding=UTF-8']
    this.#process = spawn(java, [...jvm, '-cp', `${jars}/*`, program], { stdio: ['pipe', 'pipe', 'pipe'] })
    const { stdout, stderr } = this.#process
    if (stdout !== null) createInterface({ input: stdout }).on('line', line => this.#answer(line))
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = `${this.#said}${text}`.slice(-4_096)
    })
    this.#ended = new Promise(ended => {
      const end = (why: string) => {
        for (const answer of this.#waiting.splice(0)) answer({ ok: false, text: `${why}: ${this.#said}` })
        ended()
      }
      this.#process.on('error', error => end(error.message))
      this.#process.on('close', () => end('the JVM ended'))
    })
  }

  ask(words: readonly string[]): Promise<Answer> {
    return new Promise(answered => {
      this.#waiting.push(answered)
      this.#process.stdin?.write(`${words.join('\t')}\n`)
    })
  }

  async close(): Promise<void> {
    this.#process.stdin?.end()
    await this.#ended
  }

  #answer(line: string): void {
    const [outcome, text = ''] = line.split(' ')
    this.#waiting.shift()?.({ ok: outcome === 'ok', text: Buffer.from(text, 'base64').toString() })
  }
}
