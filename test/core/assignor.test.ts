/** Partitions move only where balance needs it, and never to another member while somebody still claims them. */
import { describe, expect, test } from 'vitest'
import { assign, decodeOwned, encodeOwned, type GroupMember } from '../../src/core/assignor.ts'
import type { TopicPartition } from '../../src/core/record.ts'

const PARTITIONS: Readonly<Record<string, number>> = { orders: 6, payments: 3, audit: 2 }

function partitionsOf(topic: string): number[] {
  return [...Array(PARTITIONS[topic] ?? 0).keys()]
}

/** `orders 0 2` is two partitions of one topic. */
function placesOf(...shares: readonly string[]): TopicPartition[] {
  return shares.flatMap(share => {
    const [topic = '', ...partitions] = share.split(' ')
    return partitions.map(partition => ({ topic, partition: Number(partition) }))
  })
}

function reader(id: string, topics: string, ...owned: readonly string[]): GroupMember {
  return { id, topics: topics.split(' '), owned: owned.length === 0 ? null : placesOf(...owned) }
}

/** What each member is given, spelled as above. */
function shares(...members: readonly GroupMember[]): Record<string, string[]> {
  return Object.fromEntries(
    [...assign({ members, partitionsOf })].map(([id, places]) => [
      id,
      [...Map.groupBy(places, ({ topic }) => topic)].map(([topic, places]) =>
        [topic, ...places.map(({ partition }) => partition)].join(' '),
      ),
    ]),
  )
}

describe('a new group', () => {
  test('is given everything at once, each topic spread', () => {
    expect(
      shares(reader('a', 'orders payments'), reader('b', 'orders payments'), reader('c', 'orders payments')),
    ).toEqual({ a: ['orders 0 3', 'payments 0'], b: ['orders 1 4', 'payments 1'], c: ['orders 2 5', 'payments 2'] })
  })

  test('members beyond the partitions are given nothing, and a group without members neither', () => {
    expect(shares(reader('a', 'audit'), reader('b', 'audit'), reader('c', 'audit'))).toEqual({
      a: ['audit 0'],
      b: ['audit 1'],
      c: [],
    })
    expect(shares()).toEqual({})
  })

  test('a topic that does not exist is nobody’s', () => {
    expect(shares(reader('a', 'nowhere audit'))).toEqual({ a: ['audit 0 1'] })
  })
})

describe('who joins', () => {
  test('waits one round for what it will get, while the others keep the rest', () => {
    const first = shares(
      reader('a', 'orders', 'orders 0 1 2'),
      reader('b', 'orders', 'orders 3 4 5'),
      reader('c', 'orders'),
    )
    expect(first).toEqual({ a: ['orders 0 1'], b: ['orders 3 4'], c: [] })
    const second = shares(
      reader('a', 'orders', 'orders 0 1'),
      reader('b', 'orders', 'orders 3 4'),
      reader('c', 'orders'),
    )
    expect(second).toEqual({ a: ['orders 0 1'], b: ['orders 3 4'], c: ['orders 2 5'] })
  })

  test('in between does not get what is still being handed over', () => {
    const between = shares(
      reader('a', 'orders', 'orders 0 1 2'),
      reader('b', 'orders', 'orders 3 4'),
      reader('c', 'orders'),
      reader('d', 'orders'),
    )
    // Only partition 5 is claimed by nobody.
    expect(between).toEqual({ a: ['orders 0 1'], b: ['orders 3 4'], c: ['orders 5'], d: [] })
  })

  test('takes from the topic of which the others have most, so that its share is mixed', () => {
    const first = shares(
      reader('a', 'orders payments', 'orders 0 1 2 3 4 5', 'payments 0 1 2'),
      reader('b', 'orders payments'),
    )
    expect(first).toEqual({ a: ['orders 0 1 2', 'payments 0 1'], b: [] })
  })
})

describe('who leaves', () => {
  test('leaves only its own behind, and it is given out at once', () => {
    expect(shares(reader('a', 'orders', 'orders 1 5'), reader('c', 'orders', 'orders 0 2'))).toEqual({
      a: ['orders 1 3 5'],
      c: ['orders 0 2 4'],
    })
  })

  test('a topic but not the group loses its partitions of it, once it has handed them over', () => {
    const a = reader('a', 'payments', 'orders 0 1 2', 'payments 0')
    const b = reader('b', 'orders payments', 'orders 3 4 5', 'payments 1 2')
    expect(shares(a, b)).toEqual({ a: ['payments 0'], b: ['orders 3 4 5'] })
    expect(shares(reader('a', 'payments', 'payments 0'), reader('b', 'orders payments', 'orders 3 4 5'))).toEqual({
      a: ['payments 0 1 2'],
      b: ['orders 0 1 2 3 4 5'],
    })
  })
})

describe('claims', () => {
  test('of two members on one partition keep it from both', () => {
    const zombie = reader('z', 'orders', 'orders 0 1 2')
    expect(shares(zombie, reader('a', 'orders', 'orders 2 3 4 5'))).toEqual({ a: ['orders 3 4 5'], z: ['orders 0 1'] })
    const cleared = shares(reader('z', 'orders', 'orders 0 1'), reader('a', 'orders', 'orders 3 4 5'))
    expect(cleared).toEqual({ a: ['orders 3 4 5'], z: ['orders 0 1 2'] })
  })

  test('on what does not exist are void', () => {
    expect(shares(reader('a', 'audit', 'audit 0 7', 'gone 1'), reader('b', 'audit', 'audit 7'))).toEqual({
      a: ['audit 0'],
      b: ['audit 1'],
    })
  })

  test('said twice by one member count once', () => {
    expect(shares(reader('a', 'orders orders', 'orders 5 5'), reader('b', 'orders'))).toEqual({
      a: ['orders 1 3 5'],
      b: ['orders 0 2 4'],
    })
  })
})

describe('members that read different topics', () => {
  test('leave no partition unread', () => {
    expect(shares(reader('a', 'orders'), reader('b', 'orders audit'))).toEqual({
      a: ['orders 0 1 3 5'],
      b: ['audit 0 1', 'orders 2 4'],
    })
  })

  test('are balanced by way of a third, where there is no direct way', () => {
    const a = reader('a', 'orders', 'orders 0 1 2 3 4 5')
    const b = reader('b', 'orders payments', 'payments 0 1 2')
    const c = reader('c', 'payments audit', 'audit 0 1')
    expect(shares(a, b, c)).toEqual({ a: ['orders 0 1 2 3'], b: ['payments 0 1'], c: ['audit 0 1'] })
  })
})

describe('what a member says that it owns', () => {
  test('comes back as it was', () => {
    const owned = placesOf('orders 3 0', '__proto__ 1', 'constructor 2', 'a.b_c-d 2147483647')
    expect(decodeOwned(encodeOwned(owned))).toEqual(owned)
    expect(decodeOwned(encodeOwned([]))).toEqual([])
    expect(encodeOwned(placesOf('orders 3 0', 'audit 1'))).toBe(
      '{"version":1,"owned":[["orders",[3,0]],["audit",[1]]]}',
    )
  })

  test.each([
    '',
    'null',
    '7',
    '"owned"',
    '[]',
    '{}',
    '{"version":1}',
    '{"owned":[]}',
    '{"version":2,"owned":[]}',
    '{"version":"1","owned":[]}',
    '{"version":1,"owned":{}}',
    '{"version":1,"owned":{"orders":[0]}}',
    '{"version":1,"owned":[null]}',
    '{"version":1,"owned":[["orders"]]}',
    '{"version":1,"owned":[["orders",0]]}',
    '{"version":1,"owned":[["orders",[0],1]]}',
    '{"version":1,"owned":[[1,[0]]]}',
    '{"version":1,"owned":[["orders",[-1]]]}',
    '{"version":1,"owned":[["orders",[0.5]]]}',
    '{"version":1,"owned":[["orders",["0"]]]}',
    '{"version":1,"owned":[["orders",[2147483648]]]}',
    '{"version":1,"owned":[["orders",[0]]',
  ])('%j claims nothing', text => {
    expect(decodeOwned(text)).toBeNull()
  })
})
