/** Bugs in what performs the engine's commands: attempts, the loop, hand-overs, the start, what the outside is told. */
import { inFile } from './mutant.ts'

export const CONSUMER = [
  ...inFile('src/consumer/attempt.ts', [
    {
      name: 'a lost claim is taken for an acknowledgement',
      text: 'return { known: unit === null ? null : await unit.finish() }',
      replacement: `await unit?.finish()
    return { known: null }`,
      tests: ['test/consumer/attempt.test.ts'],
    },
    {
      name: 'what a handler does after it has lost its claim counts against the record',
      text: 'if (unit?.known != null) return { known: unit.known }',
      replacement: '',
    },
    {
      name: 'the timeout frees the slot and the lane before the handler ends',
      text: 'await handler.handle(delivery.record, contextOf(one, unit))',
      replacement: `await Promise.race([
      handler.handle(delivery.record, contextOf(one, unit)),
      new Promise((_, reject) => abort.signal.addEventListener('abort', () => reject(abort.signal.reason))),
    ])`,
    },
    {
      name: 'a handler that returns after its timeout is acknowledged',
      text: 'if (timeout !== null) throw timeout',
      replacement: '',
      tests: ['test/consumer/attempt.test.ts'],
    },
    {
      name: 'a COMMIT without an answer counts as a failed attempt',
      text: "if (error instanceof CommitUnknown) return { kind: 'outage', dependency: 'database' }",
      replacement: 'if (error instanceof CommitUnknown) return PASSING',
    },
    {
      name: 'a handler is called though its partition was lost while the inbox was asked',
      text: 'abort.signal.throwIfAborted()',
      replacement: '',
    },
    {
      name: 'what a handler says to be away is a failed attempt',
      text: "if (error instanceof Unavailable) return { kind: 'outage', dependency: error.dependency }",
      replacement: '',
    },
    {
      name: 'waiting for a connection counts as the time of the handler',
      text: "unit?.phase === 'connecting' || unit?.phase === 'claiming' ?",
      replacement: "unit?.phase === 'claiming' ?",
    },
    {
      name: 'the transaction of a failed attempt is not rolled back',
      text: 'await unit?.abandon()',
      replacement: '',
      tests: ['test/consumer/attempt.test.ts'],
    },
  ]),
  ...inFile('src/consumer/consumer.ts', [
    {
      name: 'a commit that failed counts as done',
      text: "if (result.ok) return this.#loop.feed({ type: 'committed', offsets })",
      replacement: "if (result.ok || offsets.length > 0) return this.#loop.feed({ type: 'committed', offsets })",
    },
    {
      name: 'a dead letter is settled before it is written',
      text: 'await deadLetters.write(letters)',
      replacement: 'void deadLetters.write(letters).catch(() => undefined)',
    },
    {
      name: 'a join forgets what waits for a schema in partitions that are being handed over',
      text: 'this.#intake.retain(this.#loop.status().partitions)',
      replacement: 'this.#intake.retain(assignments)',
      tests: ['test/consumer/a-partition-that-is-given-back-misses-nothing.test.ts'],
    },
    {
      name: 'a log that is another one begins beside the old one',
      text: "this.#loop.feed({ type: 'revoked', assignments: [gone] }, { type: 'assigned', assignments: [assignment] })",
      replacement: "this.#loop.feed({ type: 'assigned', assignments: [assignment] })",
      tests: ['test/consumer/a-topic-that-is-created-again-ends-the-old-assignment.test.ts'],
    },
    {
      name: 'who waits for a hand-over waits for ever when the consumer dies',
      text: 'this.#handOvers.endAll()',
      replacement: '',
      tests: ['test/consumer/only-a-restart-cures-it.test.ts'],
    },
  ]),
  ...inFile('src/consumer/hand-overs.ts', [
    {
      name: 'the first partition that is handed over ends the wait for all',
      text: 'if (handOver.epochs.size > 0) continue',
      replacement: '',
    },
  ]),
  ...inFile('src/consumer/loop.ts', [
    {
      name: 'what is fed while the engine decides is decided in between',
      text: 'if (this.#deciding) return',
      replacement: '',
      tests: ['test/consumer/loop.test.ts'],
    },
  ]),
  ...inFile('src/consumer/lookup.ts', [
    {
      name: 'after a question that failed the inbox is never asked again',
      text: 'for (const { reject } of askers) reject(error)',
      replacement: `for (const { reject } of askers) reject(error)
        return`,
    },
    {
      name: 'all who ask together get the first answer',
      text: 'resolve(answers[index] ?? null)',
      replacement: 'resolve(answers[index && 0] ?? null)',
    },
  ]),
  ...inFile('src/consumer/running.ts', [
    {
      name: 'a handler is given up after one timeout',
      text: '(task.record.delivery?.handler.timeoutMs ?? 0) * SILENT_TIMEOUTS_MAX',
      replacement: 'task.record.delivery?.handler.timeoutMs ?? 0',
      tests: ['test/consumer/running.test.ts'],
    },
  ]),
  ...inFile('src/consumer/startup.ts', [
    {
      name: 'the start goes on past a dependency that refuses',
      text: `      await Promise.race([rested, this.#stopped.promise])
      return false`,
      replacement: `      await Promise.race([rested, this.#stopped.promise])
      return true`,
      tests: ['test/consumer/startup.test.ts'],
    },
  ]),
  ...inFile('src/consumer/inspection.ts', [
    {
      name: 'a fenced member says that it is ready',
      text: "else if (standingStill?.startsWith('fenced') === true) yield standingStill",
      replacement: '',
      tests: ['test/consumer/inspection.test.ts'],
    },
  ]),
]
