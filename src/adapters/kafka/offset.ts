import { Misconfigured } from '../../consumer/errors.ts'

/** Kafka's 64-bit offsets as numbers: asserted here, so that nobody behind this line needs to think of it. */
export function safeOffset(text: string): number {
  const offset = Number(text)
  if (!Number.isSafeInteger(offset))
    throw new Misconfigured(`offset ${text} is beyond 2^53: sluice cannot read this log`)
  return offset
}
