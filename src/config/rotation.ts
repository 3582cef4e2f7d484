/**
 * Credentials that change on disk while the program runs. They are read when a connection is made, not watched: a mounted
 * Secret is swapped by renaming a folder, which watchers miss.
 */
import type { Log } from '../consumer/ports.ts'
import { camel, type Environment, readVariables, rotatingOf, type Variables } from './variables.ts'

export interface Rotating<Config extends object> {
  readonly config: Config
  readonly variables: Variables
  readonly env: Environment
  /** What is wrong with a configuration whose values are right one by one. */
  readonly contradictions: (config: Config) => readonly string[]
  readonly log: Log
}

/**
 * Each call reads the files again, and answers the same object as long as nothing has changed. What would be refused at the
 * start (a file that is gone, empty or malformed, a key of another certificate) is said once, and the last good value stays.
 */
export function rotation<Config extends object>({
  config: atStart,
  variables: all,
  env,
  contradictions,
  log,
}: Rotating<Config>): () => Config {
  const variables = rotatingOf(all, env)
  let config = atStart
  let said: readonly string[] = []

  const say = (problems: readonly string[]): void => {
    for (const problem of problems) {
      if (!said.includes(problem))
        log.warn({ problem }, 'a credential has changed for the worse; the last good one stays')
    }
    said = problems
  }
  return () => {
    const { values, problems } = readVariables(variables, env)
    const changed = [...values].filter(([name, value]) => Reflect.get(config, camel(name)) !== value)
    if (changed.length === 0) {
      say(problems)
      return config
    }
    // Boundary: each value is of the same kind as the one that it takes the place of.
    const read = Object.freeze({
      ...config,
      ...Object.fromEntries(changed.map(([name, value]) => [camel(name), value])),
    }) as Config
    const files = changed.map(([name]) => `${name}_FILE=${env[`${name}_FILE`]}`)
    const refused = contradictions(read).map(problem => `${problem} (${files.join(', ')})`)
    say([...problems, ...refused])
    if (refused.length === 0) {
      config = read
      log.info({ files }, 'credentials have changed on disk: connections that begin from now on use them')
    }
    return config
  }
}
