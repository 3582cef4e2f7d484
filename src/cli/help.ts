/** What `--help` shows. */
import type { Command, Option } from './command.ts'
import { wrapped } from './text.ts'

const PROGRAM = 'node dist/cli.js'

export interface Listed {
  readonly name: string
  readonly does: string
}

export function generalHelp(commands: readonly Listed[]): string {
  return textOf([
    `usage: ${PROGRAM} COMMAND [OPTIONS]`,
    '',
    'commands:',
    ...pairs(commands.map(({ name, does }) => [name, does])),
    '',
    '`COMMAND --help` explains its options. What is configured comes from the environment: `config` shows it.',
    '',
    'exit codes:',
    ...pairs([
      ['0', 'done; for healthcheck: alive, or with --ready ready'],
      ['1', 'it failed, and the reason is on stderr: nobody answers, not alive, no such group, no permission'],
      ['2', 'lag --max-lag: the lag is above it'],
      ['64', 'no such command or option'],
      ['78', 'the environment is wrong: every problem is on stderr'],
    ]),
    '',
    'examples:',
    ...pairs([
      [`${PROGRAM} lag --watch`, 'is it moving, and when is it done?'],
      [`${PROGRAM} lag --url http://localhost:8080`, 'why does it not move?'],
      [`${PROGRAM} lag --max-lag 1000 --json`, 'for a script'],
      [`${PROGRAM} config`, 'what is in force here, and where does it come from?'],
      [`${PROGRAM} types schemas --out src/generated`, 'types for handlers'],
    ]),
  ])
}

export function commandHelp(name: string, { usage, options, about }: Command): string {
  const listed = Object.entries<Option>(options).map(
    ([option, { value, means }]) => [`--${option}${value === undefined ? '' : ` ${value}`}`, means] as const,
  )
  return textOf([
    ...usageLines(name, usage),
    ...paragraphsOf(about),
    '',
    'options:',
    ...pairs([...listed, ['--help', 'shows this']]),
  ])
}

/** `usage: ` and every form of it. */
export function usageLines(name: string, usage: readonly string[]): string[] {
  return usage.map((form, index) => `${index === 0 ? 'usage: ' : '       '}${PROGRAM} ${name} ${form}`.trimEnd())
}

/** What is explained, and beside it the explanation, which goes on below itself. */
function pairs(listed: readonly (readonly [left: string, right: string])[]): string[] {
  const width = Math.max(...listed.map(([left]) => left.length)) + 4
  return listed.flatMap(([left, right]) => {
    const [first = '', ...more] = wrapped(right, width)
    return [`  ${left.padEnd(width - 2)}${first}`, ...more]
  })
}

/** A paragraph stands apart from what is before it, unless that is what introduces its lines. */
function paragraphsOf(about: readonly string[]): string[] {
  return about.flatMap(each => (each.startsWith(' ') ? [each] : ['', ...wrapped(each)]))
}

function textOf(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`
}
