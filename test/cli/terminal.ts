/** A terminal that keeps what a command says, and services that it may ask. */
import { createServer } from 'node:http'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../src/adapters/clock/clock.ts'
import type { Terminal } from '../../src/cli/command.ts'
import { run } from '../../src/cli/run.ts'
import type { Environment } from '../../src/config.ts'

export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

export async function cli(
  args: readonly string[],
  env: Environment = {},
  terminal: Partial<Terminal> = {},
): Promise<Said> {
  const said = { out: '', err: '' }
  const code = await run(args, {
    env,
    out: text => void (said.out += text),
    err: text => void (said.err += text),
    isTty: false,
    clock: systemClock(),
    interrupted: () => new AbortController().signal,
    ...terminal,
  })
  return { code, ...said }
}

/** For the test that calls it: a service that answers these paths and nothing else. Where it is, as the environment says it. */
export async function serve(
  answers: Readonly<Record<string, readonly [code: number, body: string]>>,
): Promise<{ HTTP_PORT: string }> {
  const server = createServer(({ url = '' }, response) => {
    const [code, body] = answers[url] ?? [404, 'nothing here']
    response.writeHead(code).end(body)
  })
  onTestFinished(() => void server.close())
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return { HTTP_PORT: String(typeof address === 'object' ? address?.port : 0) }
}
