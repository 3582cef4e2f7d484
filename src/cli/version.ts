import { parseArgs } from 'node:util'
import { version } from '../version.ts'
import { type Command, EXIT } from './command.ts'

export const showVersion: Command = {
  usage: [''],
  options: {},
  about: ['The version of this program, as package.json has it, alone on its line.'],
  async run(args, { out }) {
    parseArgs({ args: [...args] })
    out(`${version()}\n`)
    return EXIT.ok
  },
}
