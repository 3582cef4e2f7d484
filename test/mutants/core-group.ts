/** Bugs in what partitions are ours: the engine's joins and stops, its standing in the group, ownership, and the assignor. */
import { inFile } from './mutant.ts'

export const GROUP = [
  ...inFile('src/core/engine.ts', [
    {
      name: 'a lost membership keeps its partitions',
      text: `      case 'lost':
        for (const partition of this.#holdings.all()) this.#drop(partition)`,
      replacement: `      case 'lost':`,
    },
    {
      name: 'a join drops what is still being handed over',
      text: "if (partition.stay === 'staying' && !epochs.has(partition.assignment.epoch)) this.#drop(partition)",
      replacement: 'if (!epochs.has(partition.assignment.epoch)) this.#drop(partition)',
    },
    {
      name: 'a partition that is kept begins anew at a join',
      text: `      if (partition === undefined) this.#holdings.add(assignment)
      else this.#stays(partition)`,
      replacement: `      if (partition !== undefined) this.#drop(partition)
      this.#holdings.add(assignment)`,
    },
    {
      name: 'a partition that stays with us after all starts nothing any more',
      text: `      else this.#stays(partition)`,
      replacement: '',
    },
    {
      name: 'who waits for the hand-over of what is then lost waits for ever',
      text: `  #drop(partition: Partition<R>): void {
    this.#stays(partition)`,
      replacement: `  #drop(partition: Partition<R>): void {`,
      tests: ['test/core/hand-overs.test.ts'],
    },
    {
      name: 'what runs for a lost partition is not aborted',
      text: "if (tasks.length > 0) this.#command({ type: 'abort', tasks })",
      replacement: '',
    },
    {
      name: 'a breaker stays open when all that could probe it has moved away',
      text: 'if (this.#holdings.budget.records === 0) this.#gate.forgetBreakers()',
      replacement: '',
    },
    {
      name: 'what is ignored is never settled',
      text: 'for (const work of this.#holdings.take(partition, fetched, this.#now.nowMs)) this.#attempts.settledUnseen(work)',
      replacement: 'this.#holdings.take(partition, fetched, this.#now.nowMs)',
    },
    {
      name: 'the engine is woken once and never again',
      text: `        this.#wakeAtMs = Number.POSITIVE_INFINITY
        return`,
      replacement: '        return',
      tests: ['test/core/engine.test.ts'],
    },
    {
      name: 'a coordinator that does not know us goes unheard',
      text: "if (fact.cause === 'fenced') this.#standing.fenced()",
      replacement: '',
      tests: ['test/core/engine.test.ts'],
    },
    {
      name: 'a stop has no end',
      text: 'this.#drainTimedOut = true',
      replacement: '',
      tests: ['test/core/engine.test.ts'],
    },
    {
      name: 'a member that may be fenced starts records all the same',
      text: 'if (this.#standingStill(this.#now) === null) this.#commands.push(',
      replacement: "if (this.#lifecycle !== 'draining') this.#commands.push(",
    },
    {
      name: "one partition's refused commits give up another's hand-over",
      text: 'this.#commits.failuresOf(partition) >= HANDOVER_COMMIT_FAILURES_MAX',
      replacement: 'this.#holdings.all().some(one => this.#commits.failuresOf(one) >= HANDOVER_COMMIT_FAILURES_MAX)',
      tests: ['test/core/a-refused-commit-is-its-own-partitions-affair.test.ts'],
    },
    {
      name: 'a stop does not wait for what is in flight',
      text: 'return this.#holdings.inFlight === 0 && (this.#commits.idle || !this.#standing.mayCommit)',
      replacement: 'return this.#commits.idle || !this.#standing.mayCommit',
    },
    {
      name: 'a stop does not wait until what settled is committed',
      text: 'return this.#holdings.inFlight === 0 && (this.#commits.idle || !this.#standing.mayCommit)',
      replacement: 'return this.#holdings.inFlight === 0',
    },
    {
      name: 'a stop says that everything is committed, whether or not it is',
      text: 'committed: this.#commits.idle }',
      replacement: 'committed: true }',
    },
    {
      name: 'the engine asks to be woken for what is due already',
      text: 'filter(timeMs => timeMs > nowMs)',
      replacement: 'filter(timeMs => timeMs >= nowMs)',
    },
  ]),
  ...inFile('src/core/standing.ts', [
    {
      name: 'a silent coordinator is believed for twice the session timeout',
      text: 'if (silentMs < this.#sessionTimeoutMs) return null',
      replacement: 'if (silentMs < this.#sessionTimeoutMs * 2) return null',
    },
  ]),
  ...inFile('src/core/ownership.ts', [
    {
      name: 'what a join takes away is ours no more before it was handed over',
      text: 'this.#entries.set(place, { part, isLeaving: true })',
      replacement: '',
    },
    {
      name: 'a join claims only what is to stay',
      text: 'return [...this.#entries.values()].map(({ part }) => part)',
      replacement: 'return [...this.#entries.values()].filter(({ isLeaving }) => !isLeaving).map(({ part }) => part)',
    },
    {
      name: 'an eager join leaves with us what it does not name',
      text: "if (protocol === 'eager' || this.#entries.has(place)) continue",
      replacement: 'if (this.#entries.has(place)) continue',
    },
    {
      name: 'the end of an old assignment ends the new one of its place',
      text: 'if (this.of(assignment) !== null) this.#entries.delete(placeOf(assignment))',
      replacement: 'this.#entries.delete(placeOf(assignment))',
      tests: ['test/core/ownership.test.ts'],
    },
  ]),
  ...inFile('src/core/assignor.ts', [
    {
      name: 'what must move is given out while another member still claims it',
      text: 'at === member && claimants.every(claimant => claimant === member)',
      replacement: 'at === member',
    },
    {
      name: 'a partition that two members claim is given to one of them',
      text: 'claimants.every(claimant => claimant === member)',
      replacement: '(claimants.length === 0 || claimants.includes(member))',
      tests: ['test/core/assignor.test.ts'],
    },
    {
      name: 'a member keeps what it claims though it reads the topic no more',
      text: 'second === undefined && topic.readers.includes(first) ? first : NOWHERE',
      replacement: 'second === undefined ? first : NOWHERE',
      tests: ['test/core/assignor.test.ts', 'test/core/assignor-properties.test.ts'],
    },
    {
      name: 'who has a partition now does not matter',
      text: 'second === undefined && topic.readers.includes(first) ? first : NOWHERE',
      replacement: 'NOWHERE',
      tests: ['test/core/assignor.test.ts', 'test/core/assignor-properties.test.ts'],
    },
  ]),
  ...inFile('src/core/balance.ts', [
    {
      name: 'the first good plan is taken for the best one',
      text: `
  refine(plan, slots)`,
      replacement: '',
      tests: ['test/core/assignor-properties.test.ts'],
    },
    {
      name: 'to stay where it is outweighs balance',
      text: 'const weight = members + 1',
      replacement: 'const weight = 0',
      tests: ['test/core/assignor-properties.test.ts'],
    },
  ]),
]
