/** The operator's commands. */
import { stayAlive } from './adapters/clock/alive.ts'
import { systemClock } from './adapters/clock/clock.ts'
import { EXIT } from './cli/command.ts'
import { run } from './cli/run.ts'
import { environment } from './config.ts'

stayAlive()
// Whoever reads (`head`, a pager) has seen enough; anything else, such as a full disk, is a failure.
const unheard = ({ code }: NodeJS.ErrnoException): never => process.exit(code === 'EPIPE' ? EXIT.ok : EXIT.failed)
process.stdout.on('error', unheard)
const code = await run(process.argv.slice(2), {
  env: environment(),
  out: text => process.stdout.write(text),
  err: text => process.stderr.write(text),
  isTty: process.stdout.isTTY,
  clock: systemClock(),
  interrupted: () => {
    const interruption = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interruption.abort())
    return interruption.signal
  },
})
// Not before the last word is out; and not after what a client may still have open.
process.stdout.write('', error => (error ? unheard(error) : process.exit(code)))
