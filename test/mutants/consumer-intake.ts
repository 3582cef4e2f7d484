/** Bugs on the way from bytes to a record that knows its handler, its lane and its identity. */
import { inFile } from './mutant.ts'

export const DECODING = [
  ...inFile('src/consumer/intake.ts', [
    {
      name: 'an answer overtakes one that waits for its schema',
      text: 'if (waiting !== undefined) waiting.answers.push(answer)',
      replacement: 'if (waiting !== undefined && waiting.schemaId === null) waiting.answers.push(answer)',
      tests: ['test/consumer/intake.test.ts'],
    },
    {
      name: 'the position passes records that wait for their schema',
      text: 'answer.records[waiting.index]?.offset ?? answer.positionAfter',
      replacement: 'answer.positionAfter',
    },
    {
      name: 'of all partitions that wait for a schema only the first goes on',
      text: 'for (const waiting of this.#waitingFor(schemaId)) this.#decode(waiting)',
      replacement: 'for (const waiting of this.#waitingFor(schemaId).slice(0, 1)) this.#decode(waiting)',
    },
    {
      name: 'what an assignment before this one has settled is forgotten with the first answer',
      text: 'if (completions !== undefined && positionAfter >= completions.end) this',
      replacement: 'if (completions !== undefined) this',
    },
    {
      name: 'a record that can not be decoded has no lane',
      text: 'lane = laneOf(raw.key) } = why',
      replacement: 'lane = null } = why',
    },
  ]),
  ...inFile('src/consumer/keys.ts', [
    {
      name: 'keys that are no text share a lane',
      text: 'fatal: true',
      replacement: 'fatal: false',
      tests: ['test/consumer/keys.test.ts'],
    },
  ]),
]
