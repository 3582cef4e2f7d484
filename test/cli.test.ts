import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { run } from '../src/cli/run.ts'
import { definition, type Environment } from '../src/config.ts'
import { version } from '../src/version.ts'

const REQUIRED = { KAFKA_BROKERS: 'a:9092', KAFKA_GROUP_ID: 'g', SCHEMA_REGISTRY_URL: 'http://registry:8081' }

async function cli(
  args: readonly string[],
  env: Environment = {},
): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' }
  const code = await run(args, { env, out: text => void (said.out += text), err: text => void (said.err += text) })
  return { code, ...said }
}

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

/** A service that answers these paths and nothing else. */
async function serve(answers: Readonly<Record<string, readonly [code: number, body: string]>>): Promise<Environment> {
  const server = createServer(({ url = '' }, response) => {
    const [code, body] = answers[url] ?? [404, 'nothing here']
    response.writeHead(code).end(body)
  })
  servers.push(server)
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return { HTTP_PORT: String(typeof address === 'object' ? address?.port : 0) }
}

describe('healthcheck', () => {
  const alive = {
    '/livez': [200, '{"ok":true,"reasons":[]}'],
    '/readyz': [503, '{"ok":false,"reasons":["starting"]}'],
  } as const

  test('asks whether the service is alive, where the environment says that it listens', async () => {
    expect(await cli(['healthcheck'], await serve(alive))).toEqual({
      code: 0,
      out: '{"ok":true,"reasons":[]}\n',
      err: '',
    })
  })

  test('asks with --ready whether it is ready, and shows the reasons', async () => {
    expect(await cli(['healthcheck', '--ready'], await serve(alive))).toEqual({
      code: 1,
      out: '',
      err: '{"ok":false,"reasons":["starting"]}\n',
    })
  })

  test('takes --url in place of the environment', async () => {
    const { HTTP_PORT } = await serve(alive)
    expect((await cli(['healthcheck', '--url', `http://127.0.0.1:${HTTP_PORT}/`])).code).toBe(0)
  })

  test.each<readonly [string, Environment]>([
    ['nobody listens', { HTTP_PORT: '2' }],
    ['the port is not known', { HTTP_PORT: '0' }],
    ['the environment is wrong', { HTTP_PORT: 'x' }],
  ])('fails with 1 and a word when %s', async (_, env) => {
    const { code, out, err } = await cli(['healthcheck'], env)
    expect([code, out]).toEqual([1, ''])
    expect(err).toMatch(/ECONNREFUSED|--url|HTTP_PORT must be/)
  })
})

describe('config', () => {
  test('prints the values in force without secrets, and hints to the side', async () => {
    const { code, out, err } = await cli(['config'], {
      ...REQUIRED,
      DATABASE_URL: 'postgres://u:hunter2@db/x',
      KAFKA_BROKER: 'x',
    })
    expect(code).toBe(0)
    expect(out).toMatch(/^DATABASE_URL +\[hidden\]$/m)
    expect(err).toContain('did you mean KAFKA_BROKERS?')
    expect(out + err).not.toContain('hunter2')
  })

  test('prints every problem and ends with 78', async () => {
    const { code, out, err } = await cli(['config'], { HTTP_PORT: 'x' })
    expect([code, out]).toEqual([78, ''])
    for (const name of ['KAFKA_BROKERS', 'KAFKA_GROUP_ID', 'SCHEMA_REGISTRY_URL', 'HTTP_PORT'])
      expect(err).toContain(`  - ${name} `)
  })

  test('prints the example and the table without an environment', async () => {
    expect(await cli(['config', '--example'])).toEqual({ code: 0, out: definition.example(), err: '' })
    expect(await cli(['config', '--table'])).toEqual({ code: 0, out: `${definition.table()}\n`, err: '' })
  })
})

describe('lag', () => {
  const partition = {
    topic: 'orders',
    partition: 1,
    epoch: 1,
    committed: null,
    position: 20,
    highWatermark: 1_000_000,
    lagRecords: null,
    lagSeconds: 0,
    buffered: 0,
    bufferedBytes: 0,
    inFlight: 0,
    oldestUnsettled: null,
    paused: null,
    blockedBy: null,
  }
  const status = {
    group: 'g',
    state: 'running',
    standingStill: null,
    dependencies: [{ name: 'database', up: false, error: 'connection refused' }],
    partitions: [
      partition,
      {
        ...partition,
        partition: 0,
        committed: 10,
        lagRecords: 15,
        lagSeconds: 2.54,
        blockedBy: 'held by the breaker of database',
      },
    ],
  }

  test('shows a table in the order of the log', async () => {
    const { code, out } = await cli(['lag'], await serve({ '/status': [200, JSON.stringify(status)] }))
    expect(code).toBe(0)
    expect(out).toBe(
      [
        'group g, running: 2 partitions, lag 15 records',
        'database is down: connection refused',
        '',
        'topic   partition  committed  position      end  lag  seconds  buffered  in flight  blocked by',
        'orders          0         10        20  1000000   15      2.5         0          0  held by the breaker of database',
        'orders          1          –        20  1000000    –      0.0         0          0',
        '',
      ].join('\n'),
    )
  })

  test('gives the partitions as JSON for a script', async () => {
    const { out } = await cli(['lag', '--json'], await serve({ '/status': [200, JSON.stringify(status)] }))
    expect(JSON.parse(out)).toEqual(status.partitions)
  })

  test('says so when nobody answers, or somebody else', async () => {
    expect(await cli(['lag'], { HTTP_PORT: '2' })).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('ECONNREFUSED'),
    })
    for (const body of ['<html>', '[]', '{"partitions":3}']) {
      expect(await cli(['lag'], await serve({ '/status': [200, body] }))).toMatchObject({
        code: 1,
        out: '',
        err: expect.stringContaining('does not answer with a status'),
      })
    }
  })
})

test('types writes the types of each schema, and says which', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-types-'))
  const { code, out } = await cli(['types', 'schemas', '--out', folder])
  expect(code).toBe(0)
  expect(out.trim().split('\n')).toEqual([join(folder, 'orders.ts'), join(folder, 'user-activity.ts')])
  expect(readFileSync(join(folder, 'orders.ts'), 'utf8')).toContain('export const OrderEvent')
  rmSync(folder, { recursive: true })
  expect(await cli(['types', folder, '--out', folder])).toMatchObject({
    code: 1,
    err: expect.stringContaining('ENOENT'),
  })
})

test('version says the version of the package, help and --help what there is', async () => {
  expect(await cli(['version'])).toEqual({ code: 0, out: `${version()}\n`, err: '' })
  const { out } = await cli(['help'])
  expect(await cli(['--help'])).toEqual({ code: 0, out, err: '' })
  for (const name of ['healthcheck', 'config', 'lag', 'types', 'version']) expect(out).toContain(`\n  ${name}`)
})

test.each([
  [[]],
  [['nope']],
  [['toString']],
  [['lag', '--nope']],
  [['version', 'x']],
  [['types', 'schemas']],
  [['types', 'a', 'b', '--out', 'c']],
  [['config', 'x']],
])('%j is refused with the usage and 64', async args => {
  const { code, out, err } = await cli(args)
  expect([code, out]).toEqual([64, ''])
  expect(err).toContain('usage: ')
})

test('the program itself reads its environment and ends with the code', () => {
  const program = new URL('../src/cli.ts', import.meta.url).pathname
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'config'], {
    env: { ...REQUIRED, HTTP_PORT: 'x' },
    encoding: 'utf8',
  })
  expect([status, stdout]).toEqual([78, ''])
  expect(stderr).toContain('HTTP_PORT must be a whole number')
})
