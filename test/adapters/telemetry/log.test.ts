import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { pinoLog } from '../../../src/adapters/telemetry/log.ts'

function capture(level: 'debug' | 'info' | 'warn' = 'info') {
  const lines: string[] = []
  const log = pinoLog({ level, stream: { write: line => void lines.push(line) } })
  return { log, lines, entries: () => lines.map(line => JSON.parse(line)) }
}

describe('the log', () => {
  test('writes one line of JSON a call, fields first, with the level by name and an ISO time', () => {
    const { log, lines, entries } = capture()
    log.info({ topic: 'orders', partition: 3 }, 'two\nlines')
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^\{.*\}\n$/)
    expect(entries()[0]).toMatchObject({ level: 'info', topic: 'orders', partition: 3, msg: 'two\nlines' })
    expect(entries()[0].time).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/)
  })

  test('says nothing below its level', () => {
    const { log, entries } = capture('warn')
    log.debug({}, 'a')
    log.info({}, 'b')
    log.warn({}, 'c')
    log.error({}, 'd')
    expect(entries().map(({ msg }) => msg)).toEqual(['c', 'd'])
  })

  test('hides fields that are secrets by their names, nested too', () => {
    const { log, lines } = capture()
    log.info(
      { password: 'hunter2', sasl: { password: 'hunter2', username: 'app' }, a: { b: { token: 'hunter2' } } },
      'x',
    )
    expect(lines.join('')).not.toContain('hunter2')
    expect(lines.join('')).toContain('app')
  })

  test('hides the credentials of a URL wherever it stands', () => {
    const { log, lines } = capture()
    log.error(
      { error: new Error('connect postgres://app:hunter2@db:5432/x failed') },
      'http://u:hunter2@registry is down',
    )
    expect(lines.join('')).not.toContain('hunter2')
    expect(lines.join('')).toContain('db:5432/x')
  })

  test('logs of an error its class, message, code, stack and causes; nothing else that it carries', () => {
    const { log, lines, entries } = capture()
    const cause = Object.assign(new TypeError('duplicate key'), { code: '23505', detail: 'Key (email)=(a@b.c) exists' })
    log.error({ error: new Error('could not settle', { cause }) }, 'x')
    expect(lines.join('')).not.toContain('a@b.c')
    expect(entries()[0].error).toMatchObject({
      name: 'Error',
      message: 'could not settle',
      cause: { name: 'TypeError', message: 'duplicate key', code: '23505' },
    })
    expect(entries()[0].error.stack[0]).toMatch(/^at /)
  })

  test('hides the value that Postgres quotes when it cannot take it, in the stack too', () => {
    const { log, lines } = capture()
    const error = Object.assign(new Error('invalid input syntax for type uuid: "4711-secret"'), {
      code: '22P02',
      severity: 'ERROR',
    })
    log.error({ error }, 'x')
    expect(lines.join('')).not.toContain('4711-secret')
    expect(lines.join('')).toContain('22P02')
  })

  test('takes what is thrown for an error and is none, a chain of causes in a circle, and a bigint', () => {
    const { log, entries } = capture()
    const circle = new Error('a')
    circle.cause = circle
    log.error({ error: 'just text' }, 'x')
    log.error({ error: null }, 'x')
    log.error({ error: circle, count: 5n }, 'x')
    expect(entries()).toHaveLength(3)
    expect(entries()[0].error).toBe('just text')
  })

  test('goes to stdout, errors too, and a process that ends at once loses no line', () => {
    const module = new URL('../../../src/adapters/telemetry/log.ts', import.meta.url).href
    const script = `import { pinoLog } from '${module}'
      const log = pinoLog({ level: 'info' })
      for (let i = 0; i < 500; i++) log.error({ i }, 'x')
      process.exit(0)`
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect(run.stderr).toBe('')
    expect(run.stdout.trim().split('\n')).toHaveLength(500)
  })
})
