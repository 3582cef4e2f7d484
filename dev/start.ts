/**
 * `npm start`: Kafka, a registry and Postgres (brought up where none are given), the service as it ships, and the sample traffic.
 * Stays up until Ctrl-C; with `--once` it ends by itself when all is settled, with exit code 0 only if every event is accounted for.
 */
import { parseArgs } from 'node:util'

import { onStopRequest } from './asked-to-stop.ts'
import { Screen } from './progress.ts'
import { Run } from './run.ts'
import { stopAllKept } from './stack/keep.ts'

const USAGE = 'usage: npm start -- [--once] [--seed NUMBER]'
const USAGE_EXIT_CODE = 64
const INTERRUPTED_EXIT_CODE = 130
const DEFAULT_SEED = 1

function options(): { once: boolean; seed: number } | undefined {
  try {
    const { values } = parseArgs({ options: { once: { type: 'boolean' }, seed: { type: 'string' } } })
    const seed = Number(values.seed ?? DEFAULT_SEED)
    return Number.isSafeInteger(seed) ? { once: values.once ?? false, seed } : undefined
  } catch {
    return undefined
  }
}

async function main(): Promise<number> {
  const given = options()
  if (given === undefined) {
    console.error(USAGE)
    return USAGE_EXIT_CODE
  }
  const screen = new Screen()
  const run = new Run(given, screen)
  const asked = Promise.withResolvers<number>()
  onStopRequest((what, times) => {
    // The keepers see the end of their pipes, and clean up without us.
    if (times > 1) process.exit(INTERRUPTED_EXIT_CODE)
    screen.say(`stopping (${what}); once more to stop at once`)
    run.stopAsked = true
    asked.resolve(INTERRUPTED_EXIT_CODE)
  })
  // Nobody reads any more (`npm start | head`): the same as Ctrl-C.
  process.stdout.on('error', () => {
    run.stopAsked = true
    asked.resolve(INTERRUPTED_EXIT_CODE)
  })
  let code = 1
  try {
    code = await Promise.race([run.toTheEnd(), asked.promise])
  } catch (error) {
    run.failed = true
    screen.say(error instanceof Error ? error.message : String(error))
  }
  try {
    const clean = await run.stop()
    // A stop that was asked for is the regular end of a run without --once.
    if (code === INTERRUPTED_EXIT_CODE && run.settled && !given.once) code = 0
    return clean ? code : Math.max(code, 1)
  } finally {
    await stopAllKept()
  }
}

process.exit(await main())
