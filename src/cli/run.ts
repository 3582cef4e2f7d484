/** The commands of an operator, by name, and what is common to them: help, and exit codes for what goes wrong. */
import { describe, InvalidConfiguration, SluiceError } from '../consumer/errors.ts'
import { type Command, EXIT, Misused, type Terminal } from './command.ts'
import { commandHelp, generalHelp, usageLines } from './help.ts'

interface Loaded {
  readonly does: string
  /** Only what is run is loaded: a health check runs every few seconds in every container. */
  readonly load: () => Promise<Command>
}

const COMMANDS: Readonly<Record<string, Loaded>> = {
  lag: {
    does: 'how far behind the group is: straight from the brokers, or with --url by a running service',
    load: async () => (await import('./lag.ts')).lag,
  },
  healthcheck: {
    does: 'asks the service on this machine whether it is alive, or ready',
    load: async () => (await import('./healthcheck.ts')).healthcheck,
  },
  config: {
    does: 'checks the environment, and shows the values in force and where each comes from',
    load: async () => (await import('./config.ts')).config,
  },
  types: {
    does: 'writes the TypeScript of Avro schemas: a type, and the constant that a handler takes',
    load: async () => (await import('./types.ts')).types,
  },
  version: {
    does: 'says which version this is',
    load: async () => (await import('./version.ts')).showVersion,
  },
}

const HELP = { name: 'help', does: 'shows this; `help COMMAND` is `COMMAND --help`' }

/** Answers the exit code: see `EXIT`. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const [first = '', ...rest] = args
  const [name, given] =
    ['help', '--help', '-h'].includes(first) && rest.length > 0 ? [rest[0] ?? '', ['--help']] : [first, rest]
  if (['help', '--help', '-h'].includes(name)) {
    terminal.out(overview())
    return EXIT.ok
  }
  const known = Object.entries(COMMANDS).find(([each]) => each === name.replace(/^--version$/, 'version'))
  if (known === undefined) {
    const what = name === '' ? 'which command?' : `there is no command ${JSON.stringify(name)}`
    terminal.err(`${what}\n\n${overview()}`)
    return EXIT.usage
  }
  const [knownName, { load }] = known
  return await runOne({ name: knownName, command: await load() }, given, terminal)
}

async function runOne(
  { name, command }: { name: string; command: Command },
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    terminal.out(commandHelp(name, command))
    return EXIT.ok
  }
  try {
    return await command.run(args, terminal)
  } catch (error) {
    if (isUsage(error)) {
      terminal.err(`${error.message}\n${usageLines(name, command.usage).join('\n')}\n`)
      return EXIT.usage
    }
    terminal.err(`${error instanceof SluiceError ? error.message : describe(error)}\n`)
    return error instanceof InvalidConfiguration ? EXIT.configuration : EXIT.failed
  }
}

function overview(): string {
  return generalHelp([...Object.entries(COMMANDS).map(([name, { does }]) => ({ name, does })), HELP])
}

/** Ours, or Node's own word for an argument that a command does not take. */
function isUsage(error: unknown): error is Error {
  if (error instanceof Misused) return true
  return error instanceof TypeError && String(Reflect.get(error, 'code')).startsWith('ERR_PARSE_ARGS')
}
