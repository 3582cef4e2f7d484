import { Refusals } from '../../consumer/errors.ts'
import type { Clock } from '../../consumer/ports.ts'
import type { KafkaCredentials } from './credentials.ts'
import { Tokens } from './oauth.ts'

/**
 * How brokers are reached, and as whom. One for all clients of a service: they share the token, and the memory of the brokers
 * that have refused us, so that a new client does not begin hot where another one has just been turned away.
 */
export class KafkaSecurity {
  /** Asked for each connection and each login. The same object as long as nothing has changed. */
  readonly credentials: () => KafkaCredentials
  readonly refusals: Refusals
  readonly tokens: Tokens

  constructor(credentials: () => KafkaCredentials, clock: Clock) {
    this.credentials = credentials
    this.refusals = new Refusals(clock)
    this.tokens = new Tokens(clock)
  }
}
