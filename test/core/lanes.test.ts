import { equal } from 'node:assert/strict'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BrokenInvariant } from '../../src/core/assert.ts'
import { Lanes } from '../../src/core/lanes.ts'
import { collect } from './memory.ts'
import { seedOf } from './seed.ts'

const seed = seedOf('lanes.test.ts')

interface Member {
  readonly id: number
  readonly lane: string | null
  line: string
}

let ids = 0
const member = (lane: string | null, line = 'h'): Member => ({ id: ids++, lane, line })

function lanesOf(...members: Member[]): Lanes<Member> {
  const lanes = new Lanes<Member>()
  for (const each of members) lanes.add(each)
  return lanes
}

const linesOf = (lanes: Lanes<Member>) => [...lanes.lines()]

describe('one lane', () => {
  test('gives out one member at a time, in the order they were added', () => {
    const [a, b, c] = [member('k'), member('k'), member('k')]
    const lanes = lanesOf(a, b, c)
    expect(lanes.take('h')).toBe(a)
    expect(lanes.take('h')).toBeUndefined()
    expect([lanes.ready, lanes.out]).toEqual([0, 1])
    lanes.done(a)
    expect(lanes.take('h')).toBe(b)
    lanes.done(b)
    expect(lanes.take('h')).toBe(c)
  })

  test('gives a member that came back before those that follow it', () => {
    const [a, b] = [member('k'), member('k')]
    const lanes = lanesOf(a, b)
    lanes.take('h')
    lanes.again(a)
    expect(lanes.take('h')).toBe(a)
    lanes.done(a)
    expect(lanes.take('h')).toBe(b)
  })

  test('a member that came back may stand in another line', () => {
    const [a, b] = [member('k'), member('k')]
    const lanes = lanesOf(a, b)
    lanes.take('h')
    a.line = 'condemned'
    lanes.again(a)
    expect(linesOf(lanes)).toEqual(['condemned'])
    expect(lanes.take('h')).toBeUndefined()
    expect(lanes.take('condemned')).toBe(a)
  })

  test('stands in the line of its first member only', () => {
    const [a, b] = [member('k', 'one'), member('k', 'other')]
    const lanes = lanesOf(a, b)
    expect(linesOf(lanes)).toEqual(['one'])
    lanes.take('one')
    expect(linesOf(lanes)).toEqual([])
    lanes.done(a)
    expect(linesOf(lanes)).toEqual(['other'])
  })
})

describe('lanes beside each other', () => {
  test('are served in turn, a lane that was served going to the end', () => {
    const members = ['k', 'k', 'k', 'm', 'n', 'n'].map(lane => member(lane))
    const lanes = lanesOf(...members)
    const served: (string | null)[] = []
    for (let next = lanes.take('h'); next !== undefined; next = lanes.take('h')) {
      served.push(next.lane)
      lanes.done(next)
    }
    expect(served).toEqual(['k', 'm', 'n', 'k', 'n', 'k'])
  })

  test('members without a key are each a lane of their own', () => {
    const members = [member(null), member(null), member(null)]
    const lanes = lanesOf(...members)
    expect(lanes.ready).toBe(3)
    expect([lanes.take('h'), lanes.take('h'), lanes.take('h')]).toEqual(members)
  })

  test('an empty key is a key', () => {
    const lanes = lanesOf(member(''), member(''))
    expect(lanes.ready).toBe(1)
  })

  test('a line that was served stands behind the others', () => {
    const lanes = lanesOf(member('a', 'one'), member('b', 'one'), member('c', 'two'), member('d', 'two'))
    expect(linesOf(lanes)).toEqual(['one', 'two'])
    lanes.take('one')
    expect(linesOf(lanes)).toEqual(['two', 'one'])
    lanes.take('two')
    expect(linesOf(lanes)).toEqual(['one', 'two'])
  })
})

describe('clear', () => {
  test('forgets what waits, and keeps the lane of what is out closed', () => {
    const [old, behind, other] = [member('k'), member('k'), member('m')]
    const lanes = lanesOf(old, behind, other)
    lanes.take('h')
    lanes.clear()
    expect([lanes.ready, lanes.out, linesOf(lanes)]).toEqual([0, 1, []])
    const fresh = [member('k'), member('m')]
    for (const each of fresh) lanes.add(each)
    expect(lanes.take('h')).toBe(fresh[1])
    expect(lanes.take('h')).toBeUndefined()
    lanes.done(old)
    expect(lanes.take('h')).toBe(fresh[0])
  })
})

test('a lane that has nothing left costs nothing', async () => {
  const lanes = new Lanes<Member>()
  const through = (count: number) => {
    for (let index = 0; index < count; index++) {
      const each = member(`key ${ids}`)
      lanes.add(each)
      lanes.take('h')
      lanes.done(each)
    }
  }
  through(1_000)
  const before = await collect()
  through(50_000)
  expect((await collect()) - before).toBeLessThan(2_000_000)
  expect([lanes.ready, lanes.out]).toEqual([0, 0])
})

test('only a member that is out can be done or come back', () => {
  const [a, b] = [member('k'), member('k')]
  const lanes = lanesOf(a, b)
  expect(() => lanes.done(a)).toThrow(BrokenInvariant)
  lanes.take('h')
  lanes.done(a)
  expect(() => lanes.done(a)).toThrow(BrokenInvariant)
  expect(() => lanes.again(b)).toThrow(BrokenInvariant)
})

// ── Against a naive model ───────────────────────────────────────────────────────────────────────────────────────────────

/** Every lane an array, the ready lanes of all lines one array in the order they became ready. */
class NaiveLanes {
  readonly waiting: Member[][] = []
  readonly out: { member: Member; lane: Member[] }[] = []
  readonly ready: Member[][] = []
  readonly byKey = new Map<string, Member[]>()

  add(member: Member): void {
    const known = member.lane === null ? undefined : this.byKey.get(member.lane)
    const lane = known ?? []
    if (member.lane !== null) this.byKey.set(member.lane, lane)
    lane.push(member)
    if (lane.length === 1 && !this.out.some(out => out.lane === lane)) this.ready.push(lane)
  }

  take(line: string): Member | undefined {
    const at = this.ready.findIndex(lane => lane[0]?.line === line)
    const lane = this.ready[at]
    const member = lane?.shift()
    if (lane === undefined || member === undefined) return undefined
    this.ready.splice(at, 1)
    this.out.push({ member, lane })
    return member
  }

  back(member: Member, again: boolean): void {
    const at = this.out.findIndex(out => out.member === member)
    const lane = this.out.splice(at, 1)[0]?.lane ?? []
    if (again) lane.unshift(member)
    if (lane.length > 0) this.ready.push(lane)
  }

  clear(): void {
    this.ready.length = 0
    for (const lane of this.byKey.values()) lane.length = 0
  }

  get lines(): Set<string | undefined> {
    return new Set(this.ready.map(lane => lane[0]?.line))
  }
}

const LINES = ['', 'h1', 'h2'] as const
const line = fc.constantFrom(...LINES)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('add' as const), lane: fc.constantFrom('a', 'b', 'c', '', null), line }),
  },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('take' as const), line }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('done' as const), which: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('again' as const), which: fc.nat(20), line }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('clear' as const) }) },
)

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

function play(lanes: Lanes<Member>, model: NaiveLanes, step: Step): void {
  switch (step.type) {
    case 'add': {
      const added = member(step.lane, step.line)
      lanes.add(added)
      return model.add(added)
    }
    case 'take':
      return equal(lanes.take(step.line), model.take(step.line))
    case 'done':
    case 'again': {
      const out = model.out[step.which % Math.max(1, model.out.length)]
      if (out === undefined) return
      if (step.type === 'again') {
        out.member.line = step.line
        lanes.again(out.member)
      } else lanes.done(out.member)
      return model.back(out.member, step.type === 'again')
    }
    case 'clear':
      lanes.clear()
      return model.clear()
    default:
      step satisfies never
  }
}

test('any adds, takes, returns and clears: lanes give what plain arrays give, and never two of one lane', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), steps => {
      const lanes = new Lanes<Member>()
      const model = new NaiveLanes()
      for (const step of steps) {
        play(lanes, model, step)
        expect(lanes.ready).toBe(model.ready.length)
        expect(lanes.out).toBe(model.out.length)
        expect(new Set(lanes.lines())).toEqual(model.lines)
        const keys = model.out.flatMap(({ member }) => member.lane ?? [])
        expect(keys).toHaveLength(new Set(keys).size)
      }
      while (model.out.length > 0 || model.ready.length > 0) {
        while (model.out.length > 0) play(lanes, model, { type: 'done', which: 0 })
        for (const line of LINES) play(lanes, model, { type: 'take', line })
      }
      expect([lanes.ready, lanes.out, linesOf(lanes)]).toEqual([0, 0, []])
    }),
    { seed, numRuns: 400 },
  )
})
