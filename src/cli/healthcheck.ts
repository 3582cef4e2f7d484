import { parseArgs } from 'node:util'
import { describe } from '../consumer/errors.ts'
import { ask, urlFrom } from './ask.ts'
import { type Command, EXIT } from './command.ts'

/**
 * Live by default, since what runs this restarts what fails: a service that waits for its broker must not be restarted for it.
 * Only 0 and 1, as container engines want it.
 */
export const healthcheck: Command = {
  usage: '[--ready] [--url URL]',
  does: 'asks the service on this machine whether it is alive, or with --ready whether it is ready',
  async run(args, { env, out, err }) {
    const { values } = parseArgs({ args: [...args], options: { ready: { type: 'boolean' }, url: { type: 'string' } } })
    try {
      const response = await ask(`${urlFrom(values.url, env)}${values.ready === true ? '/readyz' : '/livez'}`)
      const text = await response.text()
      if (response.ok) out(`${text}\n`)
      else err(`${text}\n`)
      return response.ok ? EXIT.ok : EXIT.failed
    } catch (error) {
      err(`${describe(error)}\n`)
      return EXIT.failed
    }
  },
}
