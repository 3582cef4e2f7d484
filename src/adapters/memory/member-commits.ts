/** How a memory source commits: one at a time, with the broker's faults on the way. */
import type { Assignment, CommitResult } from '../../consumer/ports.ts'
import { LATENCY_MS, type MemberSide } from './broker-types.ts'
import { timePasses } from './clock.ts'
import type { Group, GroupMember } from './group.ts'

/** As the Kafka source has it. */
const COMMIT_TIMEOUT_MS = 8_000

export interface OffsetToStore {
  readonly assignment: Assignment
  readonly nextOffset: number
  readonly metadata: string
}

export class MemberCommits {
  readonly #broker: MemberSide
  readonly #group: Group
  readonly #member: GroupMember
  #last: Promise<unknown> = Promise.resolve()
  #held: (() => void)[] = []

  constructor({ broker, group, member }: { broker: MemberSide; group: Group; member: GroupMember }) {
    this.#broker = broker
    this.#group = group
    this.#member = member
  }

  /** `live` chooses when its turn has come. */
  commit(live: () => readonly OffsetToStore[]): Promise<CommitResult> {
    const result = this.#last.then(() => this.#commit(live()))
    this.#last = result
    return result
  }

  release(): void {
    for (const answer of this.#held.splice(0)) answer()
  }

  async #commit(offsets: readonly OffsetToStore[]): Promise<CommitResult> {
    if (offsets.length === 0) return { ok: true }
    const { faults, clock } = this.#broker
    await timePasses(clock, LATENCY_MS)
    if (faults.down) {
      await timePasses(clock, COMMIT_TIMEOUT_MS)
      return { ok: false, cause: 'refused', error: 'no answer in time' }
    }
    if (faults.commits !== null)
      return { ok: false, cause: faults.commits, error: `the broker answers ${faults.commits}` }
    if (!this.#group.has(this.#member)) return { ok: false, cause: 'fenced', error: 'UNKNOWN_MEMBER_ID' }
    for (const { assignment, nextOffset, metadata } of offsets) this.#group.store(assignment, { nextOffset, metadata })
    return faults.holdCommitAnswers ? await this.#answerLater() : { ok: true }
  }

  async #answerLater(): Promise<CommitResult> {
    const released = new Promise<boolean>(resolve => this.#held.push(() => resolve(true)))
    const isAnswered = await Promise.race([
      released,
      timePasses(this.#broker.clock, COMMIT_TIMEOUT_MS).then(() => false),
    ])
    return isAnswered ? { ok: true } : { ok: false, cause: 'refused', error: 'no answer in time' }
  }
}
