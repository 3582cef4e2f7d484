/** The commands of an operator, by name, and what is common to them: help, and exit codes for what goes wrong. */
import { parseArgs } from 'node:util'
import { describe, InvalidConfiguration } from '../consumer/errors.ts'
import { version } from '../version.ts'
import { type Command, EXIT, type Terminal } from './command.ts'
import { config } from './config.ts'
import { healthcheck } from './healthcheck.ts'
import { lag } from './lag.ts'
import { generateTypes } from './types.ts'

const types: Command = {
  usage: 'FOLDER --out FOLDER',
  does: 'writes the TypeScript of each .avsc: a type, and the constant that a handler takes',
  async run(args, { out, err }) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { out: { type: 'string' } },
    })
    const [folder, ...rest] = positionals
    if (folder === undefined || rest.length > 0 || values.out === undefined) {
      err(`usage: types ${types.usage}\n`)
      return EXIT.usage
    }
    for (const path of await generateTypes(folder, values.out)) out(`${path}\n`)
    return EXIT.ok
  },
}

const commands: Readonly<Record<string, Command>> = {
  healthcheck,
  config,
  lag,
  types,
  version: {
    usage: '',
    does: 'says which version this is',
    async run(args, { out }) {
      parseArgs({ args: [...args] })
      out(`${version()}\n`)
      return EXIT.ok
    },
  },
  help: {
    usage: '',
    does: 'shows this',
    async run(_, { out }) {
      out(usage())
      return EXIT.ok
    },
  },
}

/** Answers the exit code: 0, 1 where it failed, 64 for a command or argument that there is not, 78 for a wrong environment. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name = '', ...rest] = args
  const asksForHelp = name === '--help' || name === '-h'
  const command = asksForHelp
    ? commands.help
    : name === '--version'
      ? commands.version
      : Object.entries(commands).find(([known]) => known === name)?.[1]
  if (command === undefined) {
    terminal.err(`${name === '' ? 'which command?' : `there is no command ${JSON.stringify(name)}`}\n\n${usage()}`)
    return EXIT.usage
  }
  try {
    return await command.run(rest, terminal)
  } catch (error) {
    if (isUsage(error)) {
      terminal.err(`${error.message}\nusage: ${name} ${command.usage}\n`)
      return EXIT.usage
    }
    terminal.err(`${error instanceof InvalidConfiguration ? error.message : describe(error)}\n`)
    return error instanceof InvalidConfiguration ? EXIT.configuration : EXIT.failed
  }
}

function usage(): string {
  const lines = Object.entries(commands).map(
    ([name, command]) => [`${name} ${command.usage}`.trimEnd(), command.does] as const,
  )
  const width = Math.max(...lines.map(([left]) => left.length))
  return `usage: node dist/cli.js COMMAND\n\n${lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('')}`
}

/** Node's own word for an argument that a command does not take. */
function isUsage(error: unknown): error is TypeError {
  return error instanceof TypeError && String(Reflect.get(error, 'code')).startsWith('ERR_PARSE_ARGS')
}
