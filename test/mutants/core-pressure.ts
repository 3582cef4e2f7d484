/** Bugs in what holds work back: limits, breakers, the budget, pauses; and in what is said of it. */
import { inFile } from './mutant.ts'

export const PRESSURE = [
  ...inFile('src/core/gate.ts', [
    {
      name: 'a handler has one record more than its own limit',
      text: 'inFlight >= policy.concurrencyMax',
      replacement: 'inFlight > policy.concurrencyMax',
    },
    {
      name: 'a probe that does not tell holds the breaker for ever',
      text: "else if (end.sign === 'none') breaker.inconclusive(end.nowMs)",
      replacement: '',
    },
    {
      name: 'a probe that fails for something else holds the breaker for ever',
      text: 'for (const other of breakers) if (other !== breaker && other.isProbe(record)) other.inconclusive(nowMs)',
      replacement: '',
    },
    {
      name: 'an open breaker holds nothing',
      text: 'for (const breaker of this.#slotsOf(handler).breakers) if (!breaker.mayProbe(nowMs)) return false',
      replacement: '',
      tests: ['test/core/engine.test.ts'],
    },
  ]),
  ...inFile('src/core/breaker.ts', [
    {
      name: 'a breaker sends more than one probe at a time',
      text: 'this.#probe = record',
      replacement: '',
      tests: ['test/core/engine.test.ts'],
    },
    {
      name: 'what was under way when a breaker opened makes it wait longer',
      text: 'if (this.#failures > 0 && this.#probe !== record) return',
      replacement: '',
      tests: ['test/core/gate.test.ts', 'test/core/engine.test.ts'],
    },
  ]),
  ...inFile('src/core/budget.ts', [
    {
      name: 'a full budget pauses only who has more than a fair share',
      text: 'this.#fullness >= 1 || (this.#fullness >= 0.5 && this.#greed(holding, partitions) >= 1)',
      replacement: 'this.#fullness >= 0.5 && this.#greed(holding, partitions) >= 1',
      tests: ['test/core/limits.test.ts', 'test/core/engine.test.ts'],
    },
    {
      name: 'a partition resumes while the whole is full',
      text: 'return this.#fullness < 1 && (',
      replacement: 'return (',
      tests: ['test/core/limits.test.ts', 'test/core/engine.test.ts'],
    },
  ]),
  ...inFile('src/core/pause.ts', [
    {
      name: 'a paused partition is never resumed',
      text: 'if (wanted === null && partition.paused !== null) resume.push(partition.assignment)',
      replacement: '',
    },
    {
      name: 'a partition goes on being fetched while its schema is unknown',
      text: "if (partition.intakeHeld !== null) return 'intake'",
      replacement: '',
      tests: ['test/core/engine.test.ts'],
    },
  ]),
  ...inFile('src/core/stalls.ts', [
    {
      name: 'lag is counted from the position',
      text: 'const known = committed ?? ledger?.start ?? partition.logStart',
      replacement: 'const known = ledger?.position ?? committed ?? partition.logStart',
      tests: ['test/core/engine.test.ts'],
    },
  ]),
]
