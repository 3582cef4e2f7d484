import { parseArgs } from 'node:util'
import { definition, parseConfig } from '../config.ts'
import { type Command, EXIT } from './command.ts'

export const config: Command = {
  usage: '[--example | --table]',
  does: 'checks the environment and shows the values in force; or prints .env.example, or the table of the README',
  async run(args, { env, out, err }) {
    const { values } = parseArgs({
      args: [...args],
      options: { example: { type: 'boolean' }, table: { type: 'boolean' } },
    })
    if (values.example === true) out(definition.example())
    else if (values.table === true) out(`${definition.table()}\n`)
    else {
      // Which handlers there will be is known to the program that has them: what depends on them is checked when that starts.
      parseConfig(env, { handlers: [] })
      for (const hint of definition.misspelled(env)) err(`${hint}\n`)
      out(definition.effective(env))
    }
    return EXIT.ok
  },
}
