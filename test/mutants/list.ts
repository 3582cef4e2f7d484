/** Every planted bug. `test/simulation/mutants-apply.test.ts` says at once when a change of the source has moved one from under its patch. */

import { CONSUMER } from './consumer.ts'
import { DECODING } from './consumer-intake.ts'
import { ATTEMPTS } from './core-attempts.ts'
import { GROUP } from './core-group.ts'
import { OFFSETS } from './core-offsets.ts'
import { ORDER } from './core-order.ts'
import { PRESSURE } from './core-pressure.ts'
import type { Mutant } from './mutant.ts'

export const MUTANTS: readonly Mutant[] = [
  ...OFFSETS,
  ...ORDER,
  ...ATTEMPTS,
  ...PRESSURE,
  ...GROUP,
  ...CONSUMER,
  ...DECODING,
]
