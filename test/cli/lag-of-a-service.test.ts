/** `lag --url` asks a running service, which knows why a partition does not move. */
import { expect, test } from 'vitest'
import { cli, serve } from './terminal.ts'

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
const behind = {
  ...partition,
  partition: 0,
  committed: 10,
  lagRecords: 15,
  lagSeconds: 2.54,
  blockedBy: 'offset 10 is held by the breaker of database for 12 s: connection refused',
}
const status = {
  group: 'g',
  state: 'running',
  standingStill: null,
  dependencies: [{ name: 'database', up: false, error: 'connection refused' }],
  partitions: [partition, behind],
}

async function lag(args: readonly string[], body: string = JSON.stringify(status)) {
  const { HTTP_PORT } = await serve({ '/status': [200, body] })
  return await cli(['lag', '--url', `http://127.0.0.1:${HTTP_PORT}/`, ...args])
}

test('shows a table in the order of the log, and below it what blocks', async () => {
  expect(await lag([])).toEqual({
    code: 0,
    err: '',
    out: [
      'group g, running: 2 partitions, lag 15 records',
      'database is down: connection refused',
      '',
      'partition  committed  position      end  lag  seconds  buffered  in flight',
      'orders/0          10        20  1000000   15      2.5         0          0',
      'orders/1           –        20  1000000    –      0.0         0          0',
      '',
      'orders/0: offset 10 is held by the breaker of database for 12 s: connection refused',
      '',
    ].join('\n'),
  })
})

test('what blocks many partitions is said once, and never longer than a terminal is wide', async () => {
  const blockedBy = Array.from({ length: 40 }, () => 'word').join(' ')
  const partitions = Array.from({ length: 10 }, (_, at) => ({ ...behind, partition: at, blockedBy }))
  const { out } = await lag([], JSON.stringify({ ...status, partitions }))
  expect(out).toContain('\norders/0, 1, 2, 3, 4, 5, 6, 7 and 2 more: word word')
  expect(out.match(/word/g)?.length).toBe(40)
  for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(120)
})

test('gives the partitions as JSON for a script', async () => {
  expect(JSON.parse((await lag(['--json'])).out)).toEqual(status.partitions)
})

test('--max-lag judges by the exit code: 2 above it, 1 where it is not known', async () => {
  const known = JSON.stringify({ ...status, partitions: [behind, { ...behind, partition: 1 }] })
  expect((await lag(['--max-lag', '30'], known)).code).toBe(0)
  const above = await lag(['--max-lag', '29'], known)
  expect([above.code, above.err]).toEqual([2, ''])
  const unknown = await lag(['--max-lag', '1000000'])
  expect([unknown.code, unknown.err]).toEqual([1, 'the lag of a partition is not known yet\n'])
})

test('says so when nobody answers, or somebody else', async () => {
  expect(await cli(['lag', '--url', 'http://127.0.0.1:2'])).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringContaining('ECONNREFUSED'),
  })
  for (const body of ['<html>', '[]', '{"partitions":3}']) {
    expect(await lag([], body)).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('does not answer with a status'),
    })
  }
})
