/**
 * A version that reads one more topic is rolled in beside one that does not know it, and out again, under load on both topics. Whoever leads
 * the group, no partition is unread: each goes to a member that reads its topic.
 */
import { expect, it } from 'vitest'
import { Fleet, type Member, sum } from '../support/fleet.ts'
import { parts, until } from '../support/parts.ts'

it('a topic that only some members read is read by them, whoever leads', async () => {
  const fleet = await Fleet.of({ parts: parts(), topics: [6, 4], env: { TEST_WORK_MS: '5' } })
  const [first = '', second = ''] = fleet.topics
  const older = () => fleet.join({ TEST_TOPICS: first })
  const newer = () => fleet.join({ TEST_TOPICS: `${first},${second}` })
  const leave = (member: Member) => fleet.leave(member)
  try {
    const led = [await older(), await older()]
    await until('the older version leads', async () => (await fleet.owners())?.size === 6)
    const loads = [fleet.load(200, first), fleet.load(200, second)]
    for (const member of led) {
      await newer()
      await fleet.moves()
      await leave(member)
      await fleet.moves()
    }
    // Now the newer one leads, and is rolled back: what the last of them reads stays read until it leaves.
    await older()
    await fleet.moves()
    await leave(fleet.oldest)
    await fleet.moves()
    const sent = sum(await Promise.all(loads.map(load => load.stop())))
    await until('everything is handled', () => fleet.journals.handled() === sent)
    for (const member of fleet.members) await leave(member)
    expect(sum(await fleet.committed())).toBe(sent)
  } finally {
    await fleet.end()
  }
})
