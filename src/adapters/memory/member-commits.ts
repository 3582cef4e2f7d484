/** How a memory source commits: one at a time, with the faults on the way. */
import type { Assignment, CommitFailure, CommitResult } from '../../consumer/ports.ts'
import type { Identity, Refusal } from './coordinator.ts'
import type { Group } from './group.ts'
import type { Line } from './line.ts'

/** As the Kafka source has it. */
const COMMIT_TIMEOUT_MS = 8_000

export interface OffsetToStore {
  readonly assignment: Assignment
  readonly nextOffset: number
  readonly metadata: string
}

export interface MemberCommitsOptions {
  readonly group: Group
  readonly line: Line
  /** Null: no member yet. */
  readonly identity: () => Identity | null
}

const failed = (cause: CommitFailure, error: string): CommitResult => ({ ok: false, cause, error })

export class MemberCommits {
  readonly #options: MemberCommitsOptions
  #last: Promise<unknown> = Promise.resolve()
  /** On the broker's side: who waits for a fault to be taken back. */
  #waiting: { readonly isOver: () => boolean; readonly goOn: () => void }[] = []

  constructor(options: MemberCommitsOptions) {
    this.#options = options
  }

  /** `live` chooses when its turn has come. */
  commit(live: () => readonly OffsetToStore[]): Promise<CommitResult> {
    const result = this.#last.then(() => this.#commit(live()))
    this.#last = result
    return result
  }

  /** A fault was set or taken back. */
  faultsChanged(): void {
    const waiting = this.#waiting
    this.#waiting = waiting.filter(({ isOver }) => !isOver())
    for (const { isOver, goOn } of waiting) if (isOver()) goOn()
  }

  async #commit(offsets: readonly OffsetToStore[]): Promise<CommitResult> {
    if (offsets.length === 0) return { ok: true }
    const { line, identity } = this.#options
    const under = identity()
    if (under === null) return failed('generation', 'the group is not joined')
    const patience = { timeoutMs: COMMIT_TIMEOUT_MS, throughOutages: true }
    const result = await line.ask(() => this.#served(offsets, under), patience)
    if (result === null) return failed('refused', 'no answer in time')
    // Whom the coordinator does not know is who we were; who we are may be a member long since.
    const isOfBefore = identity()?.memberId !== under.memberId
    return !result.ok && result.cause === 'fenced' && isOfBefore ? failed('generation', result.error) : result
  }

  async #served(offsets: readonly OffsetToStore[], under: Identity): Promise<CommitResult> {
    const { group, line } = this.#options
    const { faults } = line
    await this.#until(() => !faults.hangCommits)
    if (faults.commits !== null) return failed(faults.commits, `the broker answers ${faults.commits}`)
    const refusal = faults.coordinatorMoving ? 'not coordinator' : group.coordinator.commitRefusal(under)
    if (refusal !== null) return refused(refusal)
    for (const { assignment, ...commit } of offsets) group.store(assignment, commit, under.memberId)
    await this.#until(() => !faults.holdCommitAnswers)
    return { ok: true }
  }

  #until(isOver: () => boolean): Promise<void> {
    return new Promise(resolve => {
      if (isOver()) resolve()
      else this.#waiting.push({ isOver, goOn: resolve })
    })
  }
}

function refused(refusal: Refusal): CommitResult {
  switch (refusal) {
    case 'fenced':
      return failed('fenced', 'UNKNOWN_MEMBER_ID')
    case 'generation':
      return failed('generation', 'ILLEGAL_GENERATION')
    case 'rebalance':
      return failed('generation', 'REBALANCE_IN_PROGRESS')
    case 'not coordinator':
      return failed('refused', 'NOT_COORDINATOR')
    default:
      return refusal satisfies never
  }
}
