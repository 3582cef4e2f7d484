/** What the outside is told: alive, ready, and the state of everything. Reads, never changes. */
import type { Consumer } from './consumer.ts'
import type { DependencyStatus, Health, Inspection, Status } from './ports.ts'
import type { Startup } from './startup.ts'

export interface Inspected {
  readonly consumer: Consumer
  readonly startup: Startup
  readonly group: string
  readonly version: string
}

export function inspectionOf(inspected: Inspected): Inspection {
  const { consumer, group, version } = inspected
  return {
    live: () => health(consumer.dead()),
    ready: () => health([...reasonsNotReady(inspected)]),
    status: (): Status => ({ group, version, dependencies: dependenciesOf(inspected), engine: consumer.status() }),
  }
}

/** Those we start with, and those that handlers have named since. */
export function dependenciesOf({ consumer, startup }: Pick<Inspected, 'consumer' | 'startup'>): DependencyStatus[] {
  const errors = new Map(startup.states.map(({ name, error }) => [name, error]))
  if (consumer.registryError !== null) errors.set('registry', consumer.registryError)
  // What the start waits for comes before what only follows from it.
  if (consumer.waiting !== null && (errors.get('kafka') ?? null) === null) errors.set('kafka', consumer.waiting)
  for (const { dependency, error } of consumer.status().breakers) errors.set(dependency, error)
  return [...errors].map(([name, error]) => ({ name, up: error === null, error }))
}

function* reasonsNotReady(inspected: Inspected): Iterable<string> {
  const { state, joined, standingStill } = inspected.consumer.status()
  yield* inspected.consumer.dead()
  if (state === 'starting') yield 'starting: the group is not joined yet'
  else if (state !== 'running') yield `${state}: a stop was asked for`
  else if (!joined) yield 'out of the group: waiting to join it again'
  else if (standingStill?.startsWith('fenced') === true) yield standingStill
  for (const { name, up, error } of dependenciesOf(inspected)) if (!up) yield `${name}: ${error}`
}

function health(reasons: readonly string[]): Health {
  return { ok: reasons.length === 0, reasons }
}
