/** Signals and exit codes: what the service does to the process that it owns. */
import { describe, InvalidConfiguration } from './consumer/errors.ts'
import type { Log } from './consumer/ports.ts'

export const EXIT = { clean: 0, unrecoverable: 1, unfinished: 2, configuration: 78, secondSignal: 130 } as const

export interface Owned {
  readonly log: Log
  /** From the signal to the end. */
  readonly drainTimeoutMs: number
  /** Resolves, with the reason, when only a restart can help. */
  readonly failed: Promise<string>
  /** True once a stop has come to its end. */
  readonly hasStopped: boolean
  stop(reason: string): Promise<{ readonly unfinished: number; readonly committed: boolean }>
}

/**
 * A signal that follows within this is the same one once more: npm and `timeout` repeat to a program what its terminal or
 * group was sent already. Nobody means a second one that soon. The repeats come within a millisecond or two.
 */
const ECHO_WITHIN_MS = 50

/** From now on a signal drains the service and ends the process; a second one ends it at once. */
export function superviseProcess(service: Owned): void {
  const { log, failed, drainTimeoutMs } = service
  let stoppingSinceMs: number | null = null
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stoppingSinceMs !== null) {
      if (performance.now() - stoppingSinceMs < ECHO_WITHIN_MS) return
      log.warn({ signal }, 'a second signal: ending at once, what is in flight is not committed')
      process.exit(EXIT.secondSignal)
    }
    stoppingSinceMs = performance.now()
    log.info(
      { signal, drainTimeoutMs },
      'stopping: nothing new is started, what is in flight is finished and committed',
    )
    // Even a stop that hangs ends. The timer keeps the process alive: with nothing else open it would end at once, with exit code 0.
    setTimeout(() => {
      log.error({ drainTimeoutMs }, 'the time is up and the stop has not ended; ending without it')
      process.exit(EXIT.unfinished)
    }, drainTimeoutMs)
    void service.stop(signal).then(
      ({ unfinished, committed }) => process.exit(unfinished === 0 && committed ? EXIT.clean : EXIT.unfinished),
      (error: unknown) => die(log, error, 'the stop failed'),
    )
    // A repeat waits until this signal was dealt with, which takes its time on a busy machine.
    stoppingSinceMs = performance.now()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  process.on('uncaughtException', error => die(log, error, 'an exception that nobody caught'))
  process.on('unhandledRejection', error => die(log, error, 'a rejection that nobody handled'))
  void failed.then(why => die(log, why, 'the consumer cannot go on'))
  // A `process.exit` in a handler: whoever restarts only what failed must not take it for a clean stop.
  process.on('exit', code => {
    if (code !== EXIT.clean || service.hasStopped) return
    log.error({}, 'something ended the process without a stop; ending without a commit')
    process.exitCode = EXIT.unrecoverable
  })
}

/** Says every problem of the configuration and ends the process; any other error ends it as unrecoverable. */
export function refuseToStart(error: unknown, log: Log): never {
  if (!(error instanceof InvalidConfiguration)) die(log, error, 'the service did not start')
  log.error({ problems: error.problems }, 'the configuration is wrong; nothing was started')
  process.exit(EXIT.configuration)
}

/** Nothing is committed past what went wrong: whoever comes next begins there. */
function die(log: Log, error: unknown, what: string): never {
  log.error({ error: describe(error), cause: error }, `${what}; ending without a commit`)
  process.exit(EXIT.unrecoverable)
}
