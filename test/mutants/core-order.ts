/** Bugs in what keeps order: lanes, queues, and the lanes and records of all partitions together. */
import { inFile } from './mutant.ts'

export const ORDER = [
  ...inFile('src/core/lanes.ts', [
    {
      name: 'a record that comes back goes to the end of its lane',
      text: 'lane.waiting.unshift(member)',
      replacement: 'lane.waiting.push(member)',
    },
    {
      name: 'a lane opens for a new record while one of it is out',
      text: 'if (lane.out === null && lane.waiting.size === 1)',
      replacement: 'if (lane.waiting.size === 1)',
    },
    {
      name: 'a lost partition opens the lanes whose attempt still runs',
      text: 'if (lane.out === null && lane.key !== null) this.#byKey.delete(lane.key)',
      replacement: 'if (lane.key !== null) this.#byKey.delete(lane.key)',
    },
    {
      name: 'one handler always comes before the others',
      text: 'this.#ready.delete(line)',
      replacement: '',
      tests: ['test/core/lanes.test.ts'],
    },
  ]),
  ...inFile('src/core/fifo.ts', [
    {
      name: 'what is put before all others takes the place of the first',
      text: 'this.#items[--this.#head] = item',
      replacement: 'this.#items[this.#head] = item',
    },
  ]),
  ...inFile('src/core/schedule.ts', [
    {
      name: 'what is due exactly now is not due',
      text: 'first.atMs > nowMs',
      replacement: 'first.atMs >= nowMs',
      tests: ['test/core/queues.test.ts'],
    },
    {
      name: 'the heap of what is due goes down on the later side',
      text: 'other !== undefined && other.atMs < child.atMs',
      replacement: 'other !== undefined && other.atMs > child.atMs',
      tests: ['test/core/queues.test.ts'],
    },
  ]),
  ...inFile('src/core/holdings.ts', [
    {
      name: 'the budget keeps what was dropped with its assignment',
      text: 'this.budget.remove(partition.records, partition.bytes)',
      replacement: '',
    },
    {
      name: 'the budget keeps the bytes of what is settled',
      text: 'this.budget.remove(1, work.record.bytes)',
      replacement: 'this.budget.remove(1, 0)',
    },
    {
      name: 'a partition that comes back has lanes of its own',
      text: 'const lanes = this.#lanes.get(place) ?? new Lanes<Work<R>>()',
      replacement: 'const lanes = new Lanes<Work<R>>()',
    },
    {
      name: 'a late fact of an old assignment meets the new one of its place',
      text: `  of({ epoch }: Assignment): Partition<R> | undefined {
    return this.#partitions.get(epoch)`,
      replacement: `  of(assignment: Assignment): Partition<R> | undefined {
    return [...this.#partitions.values()].find(partition => placeOf(partition.assignment) === placeOf(assignment))`,
    },
    {
      name: 'a partition is handed over while a handler of it runs',
      text: "if (stay !== 'leaving' || inFlight > 0 || (hasToCommit && !isCommitGivenUp(partition))) continue",
      replacement: "if (stay !== 'leaving' || (hasToCommit && !isCommitGivenUp(partition))) continue",
    },
    {
      name: 'a partition is handed over before its commit',
      text: "if (stay !== 'leaving' || inFlight > 0 || (hasToCommit && !isCommitGivenUp(partition))) continue",
      replacement: "if (stay !== 'leaving' || inFlight > 0) continue",
    },
  ]),
]
