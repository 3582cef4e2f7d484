/** Bugs in what may be committed: the ledger, the completions above it, the partition that has both, the commits. */
import { inFile } from './mutant.ts'

export const OFFSETS = [
  ...inFile('src/core/ledger.ts', [
    {
      name: 'a commit takes the position instead of the lowest unsettled offset',
      text: 'return this.#size === 0 ? this.#position : this.#offsetAt(0)',
      replacement: 'return this.#position',
    },
    {
      name: 'a commit is one too high while something is unsettled',
      text: 'this.#position : this.#offsetAt(0)',
      replacement: 'this.#position : this.#offsetAt(0) + 1',
    },
    {
      name: 'the lowest offset that settles passes only itself, not what was settled above it',
      text: 'while (this.#size > 0 && this.#items[this.#head] === null) {',
      replacement: 'if (this.#size > 0 && this.#items[this.#head] === null) {',
    },
    {
      name: 'a settled offset is looked up as if there were no gaps',
      text: 'if (guess < this.#size && this.#offsetAt(guess) === offset) return guess',
      replacement: 'if (guess < this.#size) return guess',
    },
    {
      name: 'completed offsets are counted in records, not in offsets',
      text: 'yield this.#offsetAt(index)',
      replacement: 'yield this.#offsetAt(0) + index',
    },
    {
      name: 'the ring grows as if it always began at its first slot',
      text: 'items[index] = this.#items[this.#slot(index)] ?? null',
      replacement: 'items[index] = this.#items[index] ?? null',
      tests: ['test/core/ledger.test.ts'],
    },
  ]),
  ...inFile('src/core/completions.ts', [
    {
      name: 'completions are read one offset too low',
      text: 'this.#isSet(offset - this.#base)',
      replacement: 'this.#isSet(offset - this.#base + 1)',
    },
    {
      name: 'completions are believed under a higher leader epoch than theirs',
      text: 'return leaderEpoch >= 0 && leaderEpoch <= this.leaderEpoch && ',
      replacement: 'return leaderEpoch >= 0 && ',
      tests: ['test/core/completions.test.ts'],
    },
    {
      name: 'completions of another committed offset are believed',
      text: 'Number(view.getBigInt64(BASE_AT)) === committed',
      replacement: 'view.getBigInt64(BASE_AT) >= 0',
      tests: ['test/core/completions.test.ts'],
    },
    {
      name: 'damaged metadata is believed',
      text: 'view.getUint32(checksumAt) === crc32Of(bytes.subarray(0, checksumAt)) &&',
      replacement: '',
      tests: ['test/core/completions.test.ts'],
    },
    {
      name: 'metadata that is full takes one more offset',
      text: 'if (index >= indexEnd) break',
      replacement: 'if (index > indexEnd) break',
      tests: ['test/core/completions.test.ts'],
    },
  ]),
  ...inFile('src/core/partition.ts', [
    {
      name: 'the metadata counts from where reading began, not from the committed offset',
      text: 'base: nextOffset, leaderEpoch',
      replacement: 'base: ledger.start, leaderEpoch',
    },
    {
      name: 'the next commit forgets what was restored and not fetched again yet',
      text: 'yield* this.#carried.from(ledger.position)',
      replacement: 'yield* []',
    },
    {
      name: 'what was restored is stored under a higher leader epoch than its own',
      text: 'return this.#restored !== null && this.#leaderEpoch <= this.#restored.leaderEpoch ? this.#restored : null',
      replacement: 'return this.#restored',
      tests: ['test/core/partition.test.ts'],
    },
    {
      name: 'what settles while a commit is under way counts as carried by it',
      text: 'this.#settlesCommitted = this.#settlesSent',
      replacement: 'this.#settlesCommitted = this.ledger?.settles ?? 0',
    },
    {
      name: 'a commit that says nothing new follows every commit',
      text: 'return settledAhead > 0 && settles !== this.#settlesCommitted',
      replacement: 'return settledAhead > 0',
    },
    {
      name: 'a commit falls below what is known to be committed',
      text: 'if (committable !== committed) return committable > committed',
      replacement: 'if (committable !== committed) return true',
      tests: ['test/core/partition.test.ts', 'test/simulation/engine.test.ts'],
    },
    {
      name: 'the position is the end of the last record, not of the range that was fetched',
      text: 'ledger.advanceTo(Math.max(ledger.position, fetched.positionAfter))',
      replacement: 'ledger.advanceTo(Math.max(ledger.position, fetched.positionBefore))',
    },
    {
      name: 'a record one beyond the window starts',
      text: 'next.record.offset < this.ledger.committable + this.#windowMax',
      replacement: 'next.record.offset <= this.ledger.committable + this.#windowMax',
    },
    {
      name: 'a second write of dead letters begins beside the first',
      text: 'if (this.letters.length > 0 || nowMs < (this.lettersRefused?.retryAtMs ?? 0)) return []',
      replacement: 'if (nowMs < (this.lettersRefused?.retryAtMs ?? 0)) return []',
      tests: ['test/core/dead-letters-are-written-one-batch-at-a-time.test.ts'],
    },
    {
      name: 'a record that rests keeps its lane closed when its partition is lost',
      text: 'for (const work of this.resting) this.lanes.done(work)',
      replacement: '',
    },
    {
      name: 'what waited in the lanes of a lost partition starts when it comes back',
      text: 'this.lanes.clear()',
      replacement: '',
    },
  ]),
  ...inFile('src/core/commits.ts', [
    {
      name: 'a lost partition is committed',
      text: `  gone(partition: Partition<R>): void {
    this.#pending.delete(partition)`,
      replacement: `  gone(partition: Partition<R>): void {`,
    },
    {
      name: 'what was stored all the same counts as failed',
      text: `    partition.commitTaken(offset)
    this.#sent.delete(partition)
    this.#failures.delete(partition)`,
      replacement: '    partition.commitTaken(offset)',
      tests: ['test/core/a-refused-commit-is-its-own-partitions-affair.test.ts'],
    },
    {
      name: 'a failed commit is tried again at once',
      text: 'this.#retryAtMs = nowMs + RETRY_MS',
      replacement: 'this.#retryAtMs = nowMs',
      tests: ['test/core/engine.test.ts', 'test/core/hand-overs.test.ts'],
    },
    {
      name: 'refused commits never ask for a rejoin',
      text: 'return this.#refusals === 0',
      replacement: 'return false',
      tests: ['test/core/engine.test.ts'],
    },
    {
      name: 'who waits for a commit waits for the interval',
      text: 'return urgent ? this.#retryAtMs : Math.max(',
      replacement: 'return Math.max(',
      tests: ['test/core/hand-overs.test.ts'],
    },
  ]),
]
