// Generated from user-activity.avsc: change that file, then run `types` (cli.ts) again.

/** Something a user did. One topic, keyed by userId. */
export interface UserActivity {
  /** The identity of the event: a repeat carries the same one. */
  readonly eventId: string
  readonly userId: string
  readonly type: UserActivityType
  readonly occurredAt: Date
  /** Where it came from, when known. */
  readonly ip: string | null
}

export type UserActivityType = 'LOGIN' | 'LOGOUT'

/** The schema of `UserActivity`: what a handler's `schema` takes. */
export const UserActivity: {
  readonly name: 'sluice.UserActivity'
  readonly avro: object
  readonly type?: UserActivity
} = {
  name: 'sluice.UserActivity',
  avro: {
    type: 'record',
    name: 'UserActivity',
    namespace: 'sluice',
    doc: 'Something a user did. One topic, keyed by userId.',
    fields: [
      {
        name: 'eventId',
        type: { type: 'string', logicalType: 'uuid' },
        doc: 'The identity of the event: a repeat carries the same one.',
      },
      { name: 'userId', type: 'string' },
      { name: 'type', type: { type: 'enum', name: 'UserActivityType', symbols: ['LOGIN', 'LOGOUT'] } },
      { name: 'occurredAt', type: { type: 'long', logicalType: 'timestamp-millis' } },
      { name: 'ip', type: ['null', 'string'], default: null, doc: 'Where it came from, when known.' },
    ],
  },
}
