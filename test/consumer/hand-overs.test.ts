import { describe, expect, test } from 'vitest'
import { HandOvers } from '../../src/consumer/hand-overs.ts'
import type { Assignment } from '../../src/consumer/ports.ts'
import { turn } from '../support/floor.ts'

const assignmentOf = (epoch: number): Assignment => ({ topic: 'things', partition: epoch, epoch })
const assignments = (...epochs: number[]) => epochs.map(assignmentOf)

/** Whether it has resolved, asked after a turn. */
function watch(promise: Promise<void>): () => Promise<boolean> {
  let done = false
  void promise.finally(() => {
    done = true
  })
  return async () => {
    await turn()
    return done
  }
}

describe('a hand-over', () => {
  test('is done with the last of its assignments, in whatever order and company', async () => {
    const handOvers = new HandOvers()
    const first = watch(handOvers.begin(assignments(1, 2, 3)))
    const second = watch(handOvers.begin(assignments(4)))
    handOvers.end(assignments(3, 4))
    expect([await first(), await second()]).toEqual([false, true])
    handOvers.end(assignments(1))
    expect(await first()).toBe(false)
    handOvers.end(assignments(2))
    expect(await first()).toBe(true)
  })

  test('of nothing is done at once', async () => {
    expect(await watch(new HandOvers().begin([]))()).toBe(true)
  })

  test('that was asked for twice ends for both who wait', async () => {
    const handOvers = new HandOvers()
    const impatient = watch(handOvers.begin(assignments(1, 2)))
    const again = watch(handOvers.begin(assignments(1)))
    handOvers.end(assignments(1))
    expect([await impatient(), await again()]).toEqual([false, true])
    handOvers.end(assignments(2))
    expect(await impatient()).toBe(true)
  })

  test('of an epoch says nothing of another one, nor of what nobody waits for', async () => {
    const handOvers = new HandOvers()
    const waiting = watch(handOvers.begin([{ topic: 'things', partition: 0, epoch: 2 }]))
    handOvers.end([{ topic: 'things', partition: 0, epoch: 1 }])
    expect(await waiting()).toBe(false)
  })

  test('ends when nothing will be handed over any more', async () => {
    const handOvers = new HandOvers()
    const [first, second] = [watch(handOvers.begin(assignments(1))), watch(handOvers.begin(assignments(2, 3)))]
    handOvers.endAll()
    expect([await first(), await second()]).toEqual([true, true])
    handOvers.end(assignments(1, 2, 3))
  })
})
