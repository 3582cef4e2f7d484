/** What `GET /status` answers: its shape for others to rely on, and what is sent, since a field that is not described here is left out. */

import type { DependencyStatus, Status } from '../../consumer/ports.ts'
import type { BreakerStatus, EngineStatus, HandlerStatus, PartitionStatus } from '../../core/status.ts'

/** Flat: the engine's own state beside the group it works for. */
export type StatusBody = Omit<Status, 'engine'> & EngineStatus

interface Described {
  readonly type: string | readonly string[]
  readonly description?: string
  readonly enum?: readonly (string | null)[]
  readonly items?: Described
  readonly properties?: Readonly<Record<string, Described>>
  readonly required?: readonly string[]
  readonly additionalProperties?: false
}

const text: Described = { type: 'string' }
const count: Described = { type: 'integer' }
const perhapsText: Described = { type: ['string', 'null'] }
const perhapsOffset: Described = { type: ['integer', 'null'] }
const list = (items: Described): Described => ({ type: 'array', items })
const said = (of: Described, description: string): Described => ({ ...of, description })

/** Every field of `Body`, so that one which is added does not compile until it is described. */
function object<Body>(properties: Readonly<Record<keyof Body & string, Described>>): Described {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false }
}

const dependency = object<DependencyStatus>({
  name: text,
  up: { type: 'boolean' },
  error: said(perhapsText, 'Why not, in one line.'),
})

const breaker = object<BreakerStatus>({
  dependency: text,
  ours: said({ type: 'boolean' }, 'A fault of ours that waiting does not cure, not an outage.'),
  openForMs: { type: 'number' },
  error: text,
  handlers: said(list(text), 'Whose work is held.'),
})

const handler = object<HandlerStatus>({
  name: text,
  inFlight: count,
  heldBy: said(perhapsText, 'The dependency whose breaker holds its work.'),
})

const partition = object<PartitionStatus>({
  topic: text,
  partition: count,
  epoch: said(count, 'Counts assignments; a partition that is kept across a rebalance keeps its own.'),
  committed: said(perhapsOffset, 'The next offset after a restart, as the broker has it.'),
  position: said(perhapsOffset, 'The next offset that is fetched.'),
  highWatermark: said(perhapsOffset, "The broker's end of the log."),
  lagRecords: said(perhapsOffset, 'High watermark minus committed.'),
  lagSeconds: said({ type: 'number' }, 'Now minus the timestamp of the oldest unsettled record; 0 when there is none.'),
  buffered: said(count, 'Fetched and not started.'),
  bufferedBytes: count,
  inFlight: said(count, 'Started and not settled.'),
  oldestUnsettled: perhapsOffset,
  paused: said(perhapsText, 'Why its fetching is paused; source: its log can not be read on.'),
  blockedBy: said(perhapsText, 'Why it does not move, in one line; null when it moves or has nothing to do.'),
})

export const STATUS_SCHEMA = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'sluice status',
  ...object<StatusBody>({
    group: text,
    version: text,
    state: { type: 'string', enum: ['starting', 'running', 'draining', 'stopped'] },
    joined: { type: 'boolean' },
    standingStill: said(perhapsText, 'Why nothing starts anywhere; null when things may start.'),
    inFlight: count,
    buffered: count,
    bufferedBytes: count,
    dependencies: list(dependency),
    breakers: list(breaker),
    handlers: list(handler),
    partitions: list(partition),
  }),
} as const
