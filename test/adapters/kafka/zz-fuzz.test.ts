import { expect, test } from 'vitest'
import type { Assignment } from '../../../src/consumer/ports.ts'
import { turn } from '../../support/floor.ts'
import { KafkaBench } from '../../support/kafka-bench.ts'
import { damaged, numbers } from '../../support/record-batch.ts'

function rng(seed: number) {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = a
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
const FROM = Number(process.env['FUZZ_FROM'] ?? 1)
const N = Number(process.env['FUZZ_N'] ?? 200)
test('fuzz', async () => {
  for (let seed = FROM; seed < FROM + N; seed++) await one(seed)
}, 600_000)

async function one(seed: number) {
  const random = rng(seed)
  const int = (n: number) => Math.floor(random() * n)
  const bench = new KafkaBench()
  const { listening, consuming } = bench
  if (process.env['FUZZ_STACK']) {
    const push = listening.violations.push.bind(listening.violations)
    listening.violations.push = (...texts: string[]) => { console.log(new Error(texts[0]).stack, JSON.stringify(listening.holds.at(-1)), trace.length); return push(...texts) }
  }
  const trace: string[] = []
  const paused = new Map<number, Assignment>()
  const PARTS = [0, 1, 2]
  const epochs = new Map<number, number>(PARTS.map(p => [p, 0]))
  const whole = new Map<number, Buffer[]>(PARTS.map(p => [p, []]))
  let member = 0
  let joinedOnce = false
  const latches: (() => void)[] = []
  listening.onRevoking = () => {
    if (random() < 0.3) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    latches.push(resolve)
    return promise
  }
  listening.onAnswered = ({ assignment }) => {
    if (random() < 0.2) {
      consuming.pause([assignment])
      paused.set(assignment.epoch, assignment)
    }
  }
  const positions = new Map<number, number>()
  const append = (p: number) => {
    const log = bench.at(p)
    const end = log.end
    const count = 1 + int(4)
    const batch = numbers(end, count, { leaderEpoch: epochs.get(p) ?? 0 })
    whole.get(p)?.push(batch)
    log.batches = [...log.batches, batch]
  }
  const heal = (p: number) => {
    bench.at(p).batches = (whole.get(p) ?? []).slice()
  }
  const ops: [number, string, () => unknown][] = [
    [6, 'append', () => { for (let i = int(12); i >= 0; i--) append(int(3)) }],
    [10, 'fetch', async () => { for (const p of PARTS) if (random() < 0.7 && bench.positionOf(p) >= 0) await bench.fetch(p) }],
    [2, 'stale', async () => { const p = int(3); const log = bench.at(p); await bench.answer({ from: log.logStart + int(log.end - log.logStart + 1), partition: p }) }],
    [1, 'damage', () => { const p = int(3); const b = whole.get(p) ?? []; if (b.length === 0) return; const i = int(b.length); bench.at(p).batches = b.map((x, j) => (i === j ? damaged(Buffer.from(x)) : x)) }],
    [2, 'heal', () => heal(int(3))],
    [2, 'error', () => { bench.at(int(3)).errorCode = [1, 3, 6, 29, -1][int(5)] ?? 6 }],
    [3, 'ok', () => { for (const p of PARTS) bench.at(p).errorCode = 0 }],
    [2, 'questions', () => { bench.answersQuestions = !bench.answersQuestions }],
    [3, 'join', () => { joinedOnce = true; bench.join(PARTS.filter(() => random() < 0.7), { memberId: `m${member}`, protocol: random() < 0.8 ? 'cooperative' : 'eager' }) }],
    [1, 'claim', () => { bench.claim() }],
    [1, 'beforeJoin', () => { void consuming.events.beforeJoin() }],
    [0.5, 'expelled', () => { consuming.events.sign({ kind: 'expelled' }); member++ }],
    [0.5, 'newmember', () => { member++; bench.join(PARTS.filter(() => random() < 0.7), { memberId: `m${member}` }) }],
    [1, 'unlatch', () => { latches.shift()?.() }],
    [4, 'resume', () => { const e = [...paused.keys()][int(paused.size)]; const a = e === undefined ? undefined : paused.get(e); if (a) { consuming.resume([a]); paused.delete(a.epoch) } }],
    [2, 'pause', () => { const a = listening.assignments[int(listening.assignments.length)]; if (a) { consuming.pause([a]); paused.set(a.epoch, a) } }],
    [6, 'pass', async () => { await bench.pass([0, 50, 200, 1000, 6000][int(5)] ?? 0) }],
    [2, 'turn', async () => { await turn() }],
    [2, 'ask', async () => { await bench.ask() }],
    [3, 'commit', async () => {
      const offsets = listening.everything().filter(({ assignment }) => paused.size >= 0 && assignment)
      if (offsets.length === 0) return
      const before = bench.commits.length
      await consuming.commit(offsets)
      for (const request of bench.commits.slice(before) as { topics: { partitions: { partition: number; offset: string; metadata: string }[] }[] }[])
        for (const { partitions } of request.topics) for (const { partition, offset, metadata } of partitions) bench.at(partition).committed = { offset, metadata }
    }],
    [0.7, 'retention', () => { const p = int(3); const b = whole.get(p) ?? []; if (b.length < 2) return; const cut = 1 + int(b.length - 1); const log = bench.at(p); const rest = b.slice(cut); whole.set(p, rest); const first = rest[0]; log.logStart = first ? Number(first.readBigInt64BE(0)) : log.end; log.batches = rest.slice() }],
    [0.3, 'recreate', () => { const p = int(3); const log = bench.at(p); log.batches = []; log.logStart = 0; log.committed = null; whole.set(p, []); epochs.set(p, 0) }],
    [0.5, 'leader', () => { const p = int(3); epochs.set(p, (epochs.get(p) ?? 0) + 1) }],
    [0.5, 'missing', async () => { bench.missing.add('orders'); await bench.ask(); bench.missing.clear(); await bench.ask() }],
  ]
  const total = ops.reduce((s, [w]) => s + w, 0)
  bench.join(PARTS)
  for (let i = 0; i < 120; i++) {
    let r = random() * total
    const op = ops.find(([w]) => (r -= w) < 0) ?? ops[0]
    if (!op) continue
    trace.push(op[1])
    await op[2]()
  }
  // calm
  trace.push('calm')
  bench.answersQuestions = true
  for (const p of PARTS) { bench.at(p).errorCode = 0; heal(p) }
  listening.onRevoking = async () => {}
  listening.onAnswered = () => {}
  for (const l of latches) l()
  await turn()
  bench.join(PARTS, { memberId: `m${member}` })
  for (let i = 0; i < 3; i++) append(0), append(1), append(2)
  for (const a of paused.values()) consuming.resume([a])
  for (let s = 0; s < 400; s++) {
    await bench.pass(250)
    for (const p of PARTS) await bench.fetch(p)
  }
  const bad: string[] = []
  for (const p of PARTS) {
    const a = listening.assignments.find(({ partition }) => partition === p)
    const last = listening.answers.findLast(({ assignment }) => assignment.epoch === a?.epoch)
    if (a === undefined) bad.push(`${p} not assigned`)
    else if (last?.positionAfter !== bench.at(p).end) bad.push(`${p} stands at ${last?.positionAfter} of ${bench.at(p).end}, kafkajs ${bench.positionOf(p)}, paused ${bench.isPaused(p)}`)
    // first answers begin where restored
    const byEpoch = Map.groupBy(listening.answers.filter(({ assignment }) => assignment.partition === p), ({ assignment }) => assignment.epoch)
    for (const [epoch, answers] of byEpoch) {
      const restored = listening.restores.find(({ assignment }) => assignment.epoch === epoch)
      const missed = listening.misses.filter(({ assignment }) => assignment.epoch === epoch)
      const first = answers[0]
      if (restored?.committed != null && first && first.positionBefore !== restored.committed && !missed.some(({ to }) => to === first.positionBefore))
        bad.push(`${p} epoch ${epoch} begins at ${first.positionBefore}, stored ${restored.committed}`)
    }
  }
  if (listening.violations.length > 0) bad.push(...listening.violations)
  listening.violations.length = 0
  void positions; void joinedOnce
  expect(bad, `seed ${seed}: ${trace.join(' ')}`).toEqual([])
}
