/** A process that is supervised as the service's is, around a service that only pretends: its first argument says what happens. */
import { InvalidConfiguration, Misconfigured } from '../../src/consumer/errors.ts'
import type { Log } from '../../src/consumer/ports.ts'
import { type Owned, refuseToStart, superviseProcess } from '../../src/process.ts'

const say = (level: string) => (fields: object, message: string) =>
  process.stdout.write(`${JSON.stringify({ level, ...fields, message })}\n`)
const log: Log = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') }

/** As an open port does. */
const alive = setInterval(() => undefined, 60_000)

type Stopped = Awaited<ReturnType<Owned['stop']>>
let hasStopped = false
const ended = (stopped: Stopped) => () => {
  hasStopped = true
  return Promise.resolve(stopped)
}
const never = () => new Promise<never>(() => undefined)

const STOPS: Readonly<Record<string, Owned['stop']>> = {
  clean: ended({ unfinished: 0, committed: true }),
  unfinished: ended({ unfinished: 1, committed: true }),
  uncommitted: ended({ unfinished: 0, committed: false }),
  'stop rejects': () => Promise.reject(new TypeError('the stop is broken')),
  'stop hangs': never,
  'signalled twice at once': ended({ unfinished: 0, committed: true }),
  'stop hangs and says so': () => {
    setTimeout(() => process.stdout.write('ready\n'), 100)
    return never()
  },
  'stop hangs with nothing open': () => {
    clearInterval(alive)
    return never()
  },
}

const HAPPENINGS: Readonly<Record<string, () => void>> = {
  'nobody catches': () => {
    setImmediate(() => {
      throw new TypeError('nobody catches me')
    })
  },
  'nobody handles': () => void Promise.reject(new TypeError('nobody handles me')),
  'exits with 0': () => process.exit(0),
  'exits with 3': () => process.exit(3),
  // As npm does, after the terminal.
  'signalled twice at once': () => {
    process.emit('SIGINT', 'SIGINT')
    process.emit('SIGINT', 'SIGINT')
  },
  misconfigured: () =>
    refuseToStart(new InvalidConfiguration(['KAFKA_BROKERS is missing', 'HTTP_PORT is no port']), log),
  'cannot start': () => refuseToStart(new Misconfigured('no such mechanism'), log),
}

const [, , scenario = '', drainTimeoutMs = '60000'] = process.argv
superviseProcess({
  log,
  drainTimeoutMs: Number(drainTimeoutMs),
  get hasStopped() {
    return hasStopped
  },
  failed: scenario === 'failed' ? Promise.resolve('the client is dead') : never(),
  stop: STOPS[scenario] ?? never,
})
HAPPENINGS[scenario]?.()
process.stdout.write('ready\n')
