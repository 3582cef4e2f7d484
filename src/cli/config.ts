import { parseArgs } from 'node:util'
import type { InForce } from '../config/documentation.ts'
import { definition, parseConfig } from '../config.ts'
import { type Command, EXIT, type Options } from './command.ts'
import { tableOf } from './text.ts'

const OPTIONS = {
  json: { type: 'boolean', means: 'one JSON document: { NAME: { value, origin, path } }, null for what is not set' },
  example: { type: 'boolean', means: 'prints .env.example instead: every variable, with its meaning' },
  table: { type: 'boolean', means: "prints the README's table of variables instead" },
  values: { type: 'boolean', means: "prints the part of the Helm chart's values.yaml instead: all that is plain" },
  'values-schema': { type: 'boolean', means: 'prints the definitions of its values.schema.json instead' },
} as const satisfies Options

export const config: Command = {
  usage: ['[--json | --example | --table | --values | --values-schema]'],
  options: OPTIONS,
  about: [
    'Checks the environment as the service would at its start, and shows the value of each variable that is in force, and where it comes from: `environment`, `file PATH` (NAME_FILE), `default`, or – where it is not set.',
    'Secrets are hidden: of DATABASE_URL everything but the password is shown. What only the service knows, such as its handlers, is checked when it starts.',
    'Exit codes: 0; 78 where anything is wrong, with every problem on stderr.',
  ],
  async run(args, { env, out, err }) {
    const { values } = parseArgs({ args: [...args], options: OPTIONS })
    if (values.example === true) out(definition.example())
    else if (values.table === true) out(`${definition.table()}\n`)
    else if (values.values === true) out(`${definition.chart().values}\n`)
    else if (values['values-schema'] === true) out(`${JSON.stringify(definition.chart().definitions, null, 2)}\n`)
    else {
      // Which handlers there will be is known to the program that has them: what depends on them is checked when that starts.
      parseConfig(env, { handlers: [] })
      for (const hint of definition.misspelled(env)) err(`${hint}\n`)
      const inForce = definition.effective(env)
      out(values.json === true ? jsonOf(inForce) : `${tableOf(COLUMNS, inForce).slice(1).join('\n')}\n`)
    }
    return EXIT.ok
  },
}

/** The value comes last: it may be long. */
const COLUMNS = [
  { title: 'variable', isWords: true, cell: ({ name }: InForce) => name },
  {
    title: 'origin',
    isWords: true,
    cell: ({ origin, path }: InForce) => (path === null ? (origin ?? '–') : `file ${path}`),
  },
  { title: 'value', isWords: true, cell: ({ value }: InForce) => value ?? '' },
]

function jsonOf(inForce: readonly InForce[]): string {
  return `${JSON.stringify(Object.fromEntries(inForce.map(({ name, ...rest }) => [name, rest])))}\n`
}
