/** Whether everything has come to rest, and if not, who says what of it. */
import { placeOf } from '../../../src/core/record.ts'
import type { Checker } from './checker.ts'
import type { Fleet } from './fleet.ts'

export function isQuiet(checker: Checker, fleet: Fleet): boolean {
  for (const { committed, end } of checker.books.values()) if ((committed ?? 0) !== end) return false
  return reasonsNotQuiet(checker, fleet).length === 0
}

export function lastWords(checker: Checker, fleet: Fleet): string {
  const open = [...checker.books.values()].flatMap(book => {
    const { committed, end, start } = book
    if ((committed ?? 0) === end) return []
    const entry = book.firstOpen(start, end)
    const nothing = `${placeOf(book)} is committed at ${committed}, not ${end}, though all of it is settled`
    return [
      entry === null
        ? nothing
        : `${entry.name} (${entry.spec.kind} ${entry.spec.id}) is not settled; ${committed} is committed`,
    ]
  })
  return [...open, ...reasonsNotQuiet(checker, fleet)].join('\n')
}

function reasonsNotQuiet(checker: Checker, fleet: Fleet): string[] {
  const reasons: string[] = []
  const owners = new Map<string, number>()
  for (const { name, consumer, observed } of fleet.running) {
    const { inFlight, buffered, bufferedBytes, partitions, standingStill, joined, breakers } = consumer.status()
    if (observed.running.size > 0) reasons.push(`${name} has handlers running`)
    if (inFlight > 0 || buffered > 0 || bufferedBytes > 0)
      reasons.push(`${name}: ${inFlight} in flight, ${buffered} buffered, ${bufferedBytes} bytes`)
    if (standingStill !== null || !joined) reasons.push(`${name} stands still: ${standingStill}`)
    for (const { dependency } of breakers) reasons.push(`${name}: the breaker of ${dependency} is open`)
    for (const { topic, partition, lagRecords, lagSeconds, blockedBy, paused } of partitions) {
      const place = placeOf({ topic, partition })
      owners.set(place, (owners.get(place) ?? 0) + 1)
      const isAtRest = (lagRecords ?? 0) === 0 && lagSeconds === 0 && blockedBy === null && paused === null
      if (!isAtRest)
        reasons.push(
          `${name} says of ${place}: lag ${lagRecords}, ${lagSeconds} s, paused ${paused}, blocked by ${blockedBy}`,
        )
    }
    for (const reason of consumer.dead()) reasons.push(`${name} is dead: ${reason}`)
  }
  for (const place of checker.books.keys()) {
    const count = owners.get(place) ?? 0
    if (count !== 1) reasons.push(`${place} has ${count} owners`)
  }
  return reasons
}
