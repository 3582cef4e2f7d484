/** Bugs in a record's way: what starts, what follows from how it ended, what is dead-lettered. */
import { inFile } from './mutant.ts'

export const ATTEMPTS = [
  ...inFile('src/core/attempts.ts', [
    {
      name: 'one record more than allowed is in handlers',
      text: 'return this.#running.size >= this.#options.inFlightMax',
      replacement: 'return this.#running.size > this.#options.inFlightMax',
    },
    {
      name: 'records of a partition that is being handed over start',
      text: "stay === 'staying' && (lanes.ready > 0 || mayAdmit)",
      replacement: 'lanes.ready > 0 || mayAdmit',
    },
    {
      name: 'an outage spends an attempt',
      text: `      case 'hold':
      case 'forget':`,
      replacement: `      case 'hold':
        work.attempt++
        return holdings.again(work)
      case 'forget':`,
    },
    {
      name: 'waiting in vain for the claim of others spends an attempt',
      text: `      case 'again':
        return`,
      replacement: `      case 'again':
        work.attempt++
        return`,
    },
    {
      name: 'a failed attempt is not counted',
      text: `        work.attempt++
`,
      replacement: '',
    },
    {
      name: 'a retry does not wait',
      text: `        work.attempt++
        return this.#rest(partition, work, now.nowMs + verdict.afterMs)`,
      replacement: `        work.attempt++
        return holdings.again(work)`,
      tests: ['test/core/engine.test.ts'],
    },
    {
      name: 'a record of a lost assignment goes back to its lane when its attempt fails',
      text: 'if (partition === undefined) return holdings.done(work)',
      replacement: 'if (partition === undefined) return holdings.again(work)',
    },
    {
      name: 'the rest of a record outlives its assignment',
      text: 'if (this.#options.holdings.of(work.assignment)?.resting.delete(work) !== true) continue',
      replacement: 'this.#options.holdings.of(work.assignment)?.resting.delete(work)',
    },
    {
      name: 'a dead letter that is refused counts as written',
      text: 'for (const work of works) holdings.again(work)',
      replacement: 'for (const work of works) this.#settle(work)',
    },
    {
      name: 'a partition goes on while its dead letter is refused',
      text: 'let ready = inTurn.filter(({ lettersRefused }) => lettersRefused === null)',
      replacement: 'let ready = [...inTurn]',
      tests: ['test/core/engine.test.ts'],
    },
    {
      name: 'an attempt that gets through does not close the breaker',
      text: "this.#ended(task, 'up', now)",
      replacement: "this.#ended(task, 'none', now)",
      tests: ['test/core/engine.test.ts'],
    },
    {
      name: 'a probe that fails does not count as one that failed',
      text: "return 'down'",
      replacement: "return 'none'",
      tests: ['test/core/engine.test.ts'],
    },
    {
      name: 'the same partition is always served first',
      text: 'this.#servedEpoch = partition.assignment.epoch',
      replacement: '',
      tests: ['test/core/engine.test.ts'],
    },
  ]),
  ...inFile('src/core/verdict.ts', [
    {
      name: 'a record is tried once more than its handler says',
      text: 'so.attempt < so.retry.attemptsMax',
      replacement: 'so.attempt <= so.retry.attemptsMax',
    },
    {
      name: 'a fault of ours is dead-lettered',
      text: "return { kind: 'hold', dependency: `handler ${handler}`, ours: true }",
      replacement: "return { kind: 'dead-letter', reason: 'attempts-exhausted' }",
    },
    {
      name: 'backoff grows without a bound',
      text: 'random * Math.min(maxMs, initialMs * 2 ** Math.min(failures - 1, 52))',
      replacement: 'random * Math.max(maxMs, initialMs * 2 ** Math.min(failures - 1, 52))',
      tests: ['test/core/verdict.test.ts'],
    },
  ]),
]
