/** The operator's commands. */
import { run } from './cli/run.ts'
import { environment } from './config.ts'

process.exitCode = await run(process.argv.slice(2), {
  env: environment(),
  out: text => process.stdout.write(text),
  err: text => process.stderr.write(text),
})
