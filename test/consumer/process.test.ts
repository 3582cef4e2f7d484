/** What the service does to the process that it owns, on real processes and with real signals. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'

const MAIN = fileURLToPath(new URL('../support/process-main.ts', import.meta.url))

const children: ChildProcess[] = []

interface End {
  readonly code: number | null
  readonly lines: readonly Record<string, unknown>[]
}

/** Runs a scenario; sends each signal when the process says that it has come to the one before. */
async function run(
  scenario: string,
  { signals = [], drainTimeoutMs = 60_000 }: { signals?: NodeJS.Signals[]; drainTimeoutMs?: number } = {},
): Promise<End> {
  const child = spawn(process.execPath, [MAIN, scenario, String(drainTimeoutMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  const closed = once(child, 'close')
  const lines: Record<string, unknown>[] = []
  const left = [...signals]
  for await (const line of createInterface({ input: child.stdout })) {
    if (line !== 'ready') lines.push(JSON.parse(line))
    const next = left.shift()
    if (next !== undefined) child.kill(next)
  }
  const [code] = await closed
  return { code, lines }
}

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
})

describe.concurrent('the exit code', () => {
  test.each<NodeJS.Signals>(['SIGTERM', 'SIGINT'])('is 0 when %s ended in a clean stop', async signal => {
    const { code, lines } = await run('clean', { signals: [signal] })
    expect(code).toBe(0)
    expect(lines).toEqual([
      expect.objectContaining({ level: 'info', signal, message: expect.stringMatching(/^stopping/) }),
    ])
  })

  test.each(['unfinished', 'uncommitted'])('is 2 when the stop left something %s', async scenario => {
    expect(await run(scenario, { signals: ['SIGTERM'] })).toMatchObject({ code: 2 })
  })

  test.each(['stop hangs', 'stop hangs with nothing open'])(
    'is 2, and it is said, when the time is up: %s',
    async scenario => {
      const { code, lines } = await run(scenario, { signals: ['SIGTERM'], drainTimeoutMs: 50 })
      expect(code).toBe(2)
      expect(lines.at(-1)).toMatchObject({ level: 'error', message: expect.stringMatching(/time is up/) })
    },
  )

  test.each<NodeJS.Signals>(['SIGTERM', 'SIGINT'])(
    'is 130 at a second signal, though the stop is under way',
    async second => {
      // Whether the one between counts as an echo depends on how quick this machine is; the last one does not.
      const { code, lines } = await run('stop hangs and says so', { signals: ['SIGTERM', second, second] })
      expect(code).toBe(130)
      expect(lines.map(({ level }) => level)).toEqual(['info', 'warn'])
    },
  )

  test('is 0 when one signal came twice: it is repeated by npm, nobody was impatient', async () => {
    const { code, lines } = await run('signalled twice at once')
    expect(code).toBe(0)
    expect(lines.filter(({ level }) => level === 'warn')).toEqual([])
  })

  test('is 78 for a wrong configuration, with every problem in one line', async () => {
    const { code, lines } = await run('misconfigured')
    expect(code).toBe(78)
    expect(lines).toEqual([
      {
        level: 'error',
        problems: ['KAFKA_BROKERS is missing', 'HTTP_PORT is no port'],
        message: 'the configuration is wrong; nothing was started',
      },
    ])
  })

  test.each([
    ['cannot start', 'Misconfigured: no such mechanism', /^the service did not start; ending without a commit/],
    ['nobody catches', 'TypeError: nobody catches me', /^an exception that nobody caught/],
    ['nobody handles', 'TypeError: nobody handles me', /^a rejection that nobody handled/],
    ['failed', 'the client is dead', /^the consumer cannot go on/],
  ])('is 1 when only a restart helps: %s', async (scenario, error, message) => {
    const { code, lines } = await run(scenario)
    expect(code).toBe(1)
    expect(lines).toMatchObject([{ level: 'error', error, message: expect.stringMatching(message) }])
  })

  test('is 1, and it is said, when something ended the process with 0 without a stop', async () => {
    const { code, lines } = await run('exits with 0')
    expect(code).toBe(1)
    expect(lines).toMatchObject([{ level: 'error', message: expect.stringMatching(/without a stop/) }])
    expect(await run('exits with 3')).toMatchObject({ code: 3 })
  })

  test('is 1 when the stop itself is broken', async () => {
    const { code, lines } = await run('stop rejects', { signals: ['SIGTERM'] })
    expect(code).toBe(1)
    expect(lines.at(-1)).toMatchObject({ level: 'error', error: 'TypeError: the stop is broken' })
  })
})
