/**
 * A group of plain kafkajs consumers, which know round robin only, is rolled over to ours under load, and back again. While both
 * are in it no partition is unread; when the last old member has left, the group shares its partitions cooperatively by itself;
 * when an old one comes back, ours follow it to round robin. Every record is handled, and all of them are committed.
 */
import { expect, it } from 'vitest'
import { Fleet, sum } from '../support/fleet.ts'
import { joinPlainly } from '../support/fleet-kafkajs.ts'
import { parts, until } from '../support/parts.ts'

const ROUND_ROBIN = 'RoundRobinAssigner'

it('from round robin to cooperative and back under load: nothing unread, nothing lost', async () => {
  const fleet = await Fleet.of({ parts: parts(), topics: [6], env: { TEST_WORK_MS: '10' } })
  try {
    const before = [await joinPlainly(fleet, 'old1'), await joinPlainly(fleet, 'old2')]
    const load = fleet.load(500)
    await fleet.moves()

    for (const old of before) {
      await fleet.join()
      await until('ours has joined', async () => (await fleet.owners()) !== null)
      await fleet.moves()
      expect(await fleet.protocol()).toBe(ROUND_ROBIN)
      await old.leave()
      await fleet.moves()
    }
    await fleet.settled()
    await until('the group is cooperative', async () => !['', ROUND_ROBIN].includes(await fleet.protocol()))
    await fleet.moves()

    const after = []
    for (const name of ['old3', 'old4']) {
      after.push(await joinPlainly(fleet, name))
      await fleet.moves()
      expect(await fleet.protocol()).toBe(ROUND_ROBIN)
      await fleet.leave(fleet.oldest)
      await fleet.moves()
    }
    const sent = await load.stop()
    await until('everything is handled', () => fleet.journals.handled() === sent)
    await until('everything is committed', async () => sum(await fleet.committed()) === sent)
    expect(await fleet.logged()).toBe(sent)
    await Promise.all(after.map(old => old.leave()))
  } finally {
    await fleet.end()
  }
})
