import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Environment } from '../src/config.ts'
import { version } from '../src/version.ts'
import { cli, serve } from './cli/terminal.ts'

const REQUIRED = { KAFKA_BROKERS: 'a:9092', KAFKA_GROUP_ID: 'g', SCHEMA_REGISTRY_URL: 'http://registry:8081' }

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

test('version says the version of the package, alone on its line', async () => {
  for (const asked of ['version', '--version'])
    expect(await cli([asked])).toEqual({ code: 0, out: `${version()}\n`, err: '' })
})

test('help and --help say what there is, and of a command each of its options; no line is longer than a terminal', async () => {
  const { out } = await cli(['help'])
  for (const asked of ['--help', '-h']) expect(await cli([asked])).toEqual({ code: 0, out, err: '' })
  const names = ['lag', 'healthcheck', 'config', 'types', 'version']
  for (const name of names) {
    expect(out).toContain(`\n  ${name} `)
    const { code, out: own, err } = await cli([name, '--help'])
    expect([code, err]).toEqual([0, ''])
    expect(own).toMatch(new RegExp(`^usage: node dist/cli.js ${name}`))
    for (const [option] of own.split('options:')[0]?.matchAll(/--[a-z-]+/g) ?? [])
      expect(own.split('options:')[1]).toMatch(new RegExp(`^  ${option}`, 'm'))
    for (const asked of [
      ['help', name],
      ['--help', name],
      [name, '-h'],
    ])
      expect((await cli(asked)).out).toBe(own)
    for (const line of [...own.split('\n'), ...out.split('\n')]) expect(line.length).toBeLessThanOrEqual(120)
  }
})

test.each([
  [[]],
  [['nope']],
  [['toString']],
  [['help', 'nope']],
  [['lag', '--nope']],
  [['lag', 'orders']],
  [['lag', '--watch', '--max-lag', '5']],
  [['lag', '--every', '2']],
  [['lag', '--watch', '--every', '0']],
  [['lag', '--max-lag', 'many']],
  [['lag', '--max-lag', '-1']],
  [['lag', '--url', 'http://a', '--group', 'g']],
  [['lag', '--url', 'http://a', '--topic', 't']],
  [['lag', '--topic']],
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
