/** docker-compose.yml as a list of services, with the defaults of the variables that it leaves open. */
import { parse } from 'yaml'

type Named<Value> = Readonly<Record<string, Value>>

export interface Service {
  readonly image: string
  readonly build?: { readonly target?: string }
  readonly environment?: Named<string>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly configs?: readonly { readonly source: string }[]
  readonly healthcheck?: { readonly test: readonly string[] | string }
  readonly depends_on?: Named<{ readonly condition?: string } | null> | readonly string[]
  readonly profiles?: readonly string[]
  readonly command?: readonly string[] | string
  readonly security_opt?: readonly string[]
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly privileged?: boolean
  readonly container_name?: string
  readonly pull_policy?: string
  readonly stop_grace_period?: string
  readonly deploy?: {
    readonly replicas?: number
    readonly resources?: { readonly limits?: { readonly memory?: string } }
  }
}

export interface Compose {
  readonly name?: string
  readonly services: Named<Service>
  readonly volumes?: Named<unknown>
  readonly configs?: Named<{ readonly content?: string }>
}

export function parseCompose(text: string): Compose {
  const filled = text.replaceAll(/\$\{\w+:?-([^}]*)\}/g, (_, fallback: string) => fallback)
  // Boundary: only names of the compose specification; what a claim asks for and is not there is what it finds.
  return parse(filled, { merge: true }) as Compose
}

/** Others wait for its end, not for its health. */
export function isOneShot({ services }: Compose, name: string): boolean {
  return Object.values(services).some(service => conditionsOf(service)[name] === 'service_completed_successfully')
}

/** Only started when somebody asks for it. */
export function isOnDemand({ profiles = [] }: Service): boolean {
  return profiles.length > 0
}

/** By the name of the service that is waited for; empty where there is no condition. */
export function conditionsOf({ depends_on: dependsOn = {} }: Service): Readonly<Record<string, string>> {
  const names = Array.isArray(dependsOn) ? dependsOn.map(name => [name, null] as const) : Object.entries(dependsOn)
  return Object.fromEntries(names.map(([name, entry]) => [name, entry?.condition ?? '']))
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 }

export function millisecondsOf(duration: string): number {
  const [, count = 'NaN', unit = ''] = /^(\d+)(ms|s|m)$/.exec(duration) ?? []
  return Number(count) * (UNITS[unit] ?? Number.NaN)
}
