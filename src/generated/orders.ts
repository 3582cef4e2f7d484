// Generated from orders.avsc: change that file, then run `types` (cli.ts) again.

/** One step in the life of a retail order. One topic, keyed by orderId. */
export interface OrderEvent {
  /** The identity of the event: a repeat carries the same one. */
  readonly eventId: string
  readonly orderId: string
  readonly customerId: string
  readonly type: OrderEventType
  /** The order's total; cents, so that it is exact. */
  readonly totalCents: bigint
  readonly occurredAt: Date
}

export type OrderEventType = 'PLACED' | 'PAID' | 'SHIPPED' | 'CANCELLED'

/** The schema of `OrderEvent`: what a handler's `schema` takes. */
export const OrderEvent: {
  readonly name: 'sluice.OrderEvent'
  readonly avro: object
  readonly type?: OrderEvent
} = {
  name: 'sluice.OrderEvent',
  avro: {
    type: 'record',
    name: 'OrderEvent',
    namespace: 'sluice',
    doc: 'One step in the life of a retail order. One topic, keyed by orderId.',
    fields: [
      {
        name: 'eventId',
        type: { type: 'string', logicalType: 'uuid' },
        doc: 'The identity of the event: a repeat carries the same one.',
      },
      { name: 'orderId', type: 'string' },
      { name: 'customerId', type: 'string' },
      {
        name: 'type',
        type: { type: 'enum', name: 'OrderEventType', symbols: ['PLACED', 'PAID', 'SHIPPED', 'CANCELLED'] },
      },
      { name: 'totalCents', type: 'long', doc: "The order's total; cents, so that it is exact." },
      { name: 'occurredAt', type: { type: 'long', logicalType: 'timestamp-millis' } },
    ],
  },
}
