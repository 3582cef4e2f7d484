import { parseArgs } from 'node:util'
import { describe, SluiceError } from '../consumer/errors.ts'
import { ask, urlFrom } from './ask.ts'
import { type Command, EXIT, type Options } from './command.ts'

const OPTIONS = {
  ready: {
    type: 'boolean',
    means: 'asks whether it is ready: joined to its group, and everything it depends on has answered',
  },
  url: { type: 'string', value: 'URL', means: 'where the service listens; default: HTTP_HOST and HTTP_PORT' },
} as const satisfies Options

/**
 * Live by default, since what runs this restarts what fails: a service that waits for its broker must not be restarted for it.
 * Only 0 and 1, as container engines want it.
 */
export const healthcheck: Command = {
  usage: ['[--ready] [--url URL]'],
  options: OPTIONS,
  about: [
    'Asks the service on this machine whether it is alive, within three seconds: no broker, no database and no registry is asked. The answer goes to stdout, the reason of a failure to stderr.',
    'Exit codes: 0 alive (or ready); 1 not, or nobody answers.',
  ],
  async run(args, { env, out, err }) {
    const { values } = parseArgs({ args: [...args], options: OPTIONS })
    try {
      const response = await ask(`${urlFrom(values.url, env)}${values.ready === true ? '/readyz' : '/livez'}`)
      const text = await response.text()
      if (response.ok) out(`${text}\n`)
      else err(`${text}\n`)
      return response.ok ? EXIT.ok : EXIT.failed
    } catch (error) {
      err(`${error instanceof SluiceError ? error.message : describe(error)}\n`)
      return EXIT.failed
    }
  },
}
