/** The sample traffic is what the README's account rests on: its plan must be repeatable, and hold what it says. */
import { expect, test } from 'vitest'

import { type Encoders, frame, planTraffic, SAMPLE_SIZE, type SampleRecord } from '../dev/traffic.ts'

const encode: Encoders = {
  activity: event => frame(1, Buffer.from(JSON.stringify(event))),
  order: step => frame(2, Buffer.from(JSON.stringify(step))),
  stranger: () => frame(3, Buffer.from('stranger')),
}

const planned = (seed: number, run = 'run') => planTraffic({ seed, run, startMs: 1_000_000, encode })
const recordsOf = (plan: ReturnType<typeof planned>): SampleRecord[] => plan.phases.flatMap(({ records }) => records)

test('the same seed and run give the same traffic, another seed another', () => {
  expect(planned(7)).toEqual(planned(7))
  expect(recordsOf(planned(7))).not.toEqual(recordsOf(planned(8)))
})

test('runs do not meet: no event id, user or order of one is in the other', () => {
  const [one, two] = [planned(7, 'one'), planned(7, 'two')]
  const idsOf = (plan: typeof one) =>
    recordsOf(plan).flatMap(record => (record.kind === 'bad' ? [] : [record.eventId, record.key]))
  expect(new Set(idsOf(one)).isDisjointFrom(new Set(idsOf(two)))).toBe(true)
})

test('it begins with 1,000 logins of 100 users, and has the repeats that it says', () => {
  const plan = planned(7)
  const burst = plan.phases[0]?.records ?? []
  expect(burst).toHaveLength(1_000)
  expect(new Set(burst.map(({ key }) => key)).size).toBe(100)
  const sums = [...plan.users.values()].reduce((sum, one) => sum + one.logins + one.logouts, 0)
  expect(sums).toBe(SAMPLE_SIZE.logins + SAMPLE_SIZE.logouts)
  expect(recordsOf(plan).filter(({ kind }) => kind === 'repeat')).toHaveLength(SAMPLE_SIZE.repeats)
})

test('every event has an id of its own', () => {
  const ids = recordsOf(planned(7)).flatMap(record => (record.kind === 'event' ? [record.eventId] : []))
  expect(new Set(ids).size).toBe(ids.length)
})

test('a repeat comes after its event, with the same topic, key and bytes', () => {
  const records = recordsOf(planned(7))
  const faults = records.filter((record, at) => {
    if (record.kind !== 'repeat') return false
    const event = records.slice(0, at).find(one => one.kind === 'event' && one.eventId === record.eventId)
    return event?.topic !== record.topic || event.key !== record.key || event.value !== record.value
  })
  expect(faults).toEqual([])
})

test('the steps of an order are sent in its order', () => {
  const plan = planned(7)
  for (const [order, { steps }] of plan.orders) {
    const sent = recordsOf(plan).filter(record => record.kind === 'event' && record.key === order)
    const types = sent.map(({ value }) => (value === null ? null : JSON.parse(value.subarray(5).toString()).type))
    expect(types).toEqual(steps)
  }
})

test('every reason for a dead letter that the sample can show is there', () => {
  const bad = recordsOf(planned(7)).flatMap(record => (record.kind === 'bad' ? [record.reason] : []))
  expect(new Set(bad)).toEqual(
    new Set(['framing', 'undecodable', 'unexpected-tombstone', 'unmatched', 'invalid-data', 'unknown-schema']),
  )
})
