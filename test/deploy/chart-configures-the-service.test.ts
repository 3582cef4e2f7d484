/**
 * From the values to the environment of the program, and no further way: the values are the variables of src/config.ts, what is plain is in
 * a ConfigMap, the rest are files, and with every preset the program itself takes what its container would see.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { root } from '../../dev/root.ts'
import { CHART, chartFiles } from '../../dev/tools/chart-files.ts'
import { definition, type Environment, parseConfig } from '../../src/config.ts'
import { newAuthority } from '../support/certificates.ts'
import { Chart, type Manifest, OPEN_WITHIN_MS, PRESETS, type Rendered } from '../support/chart.ts'

const FOLDER = '/etc/sluice/secrets'

/** What a handler of the service that ships needs. */
const HANDLER = { name: 'orders', timeoutMs: 5_000, needsDatabase: true, topics: ['orders'] }

let chart: Chart
beforeAll(async () => {
  chart = await Chart.open()
}, OPEN_WITHIN_MS)
afterAll(() => chart.close())

interface Container {
  readonly env?: readonly { name: string; value?: string }[]
  readonly envFrom: readonly { configMapRef: { name: string } }[]
  readonly volumeMounts?: readonly { name: string; mountPath: string; readOnly: boolean; subPath?: string }[]
}

interface PodSpec {
  readonly containers: readonly Container[]
  readonly volumes?: readonly { projected: { defaultMode: number; sources: readonly Source[] } }[]
  readonly securityContext: { readonly fsGroup?: number }
}

type Source = Readonly<Record<string, { name: string; items: readonly { key: string; path: string }[] }>>

function podOf({ the }: Rendered): { spec: PodSpec; metadata: { annotations: Record<string, string> } } {
  // Boundary: what chart-objects-are-known-to-the-api.test.ts holds to the published types.
  return (the('Deployment')['spec'] as { template: ReturnType<typeof podOf> }).template
}

function dataOf(object: Manifest): Record<string, string> {
  // Boundary: the same.
  return object['data'] as Record<string, string>
}

async function checksumWith(over: object): Promise<string | undefined> {
  return podOf(await chart.render('minimal', over)).metadata.annotations['checksum/configuration']
}

function printed(option: string): string {
  return execFileSync(process.execPath, [join(root, 'src', 'cli.ts'), 'config', option], { encoding: 'utf8' })
}

/** By the file's name: what it is a copy of. */
function filesOf(rendered: Rendered): Record<string, string> {
  const sources = podOf(rendered).spec.volumes?.flatMap(({ projected }) => projected.sources) ?? []
  return Object.fromEntries(
    sources.flatMap(source =>
      Object.entries(source).flatMap(([kind, { name, items }]) =>
        items.map(({ key, path }) => [path, `${kind} ${name}/${key}`]),
      ),
    ),
  )
}

describe('what the chart has of the configuration is what src/config.ts says', () => {
  test.each(['values.yaml', 'values.schema.json', 'templates/_defaults.tpl'])('%s', async path => {
    // Where this fails: npm run generate:chart
    expect(readFileSync(join(CHART, path), 'utf8')).toBe((await chartFiles()).get(path))
  })

  test('and what it should be differs where the definition does', async () => {
    const { definitions, values, templates } = definition.chart()
    const names = Object.keys(definition.effective({}))
    expect(names.length).toBeGreaterThan(0)
    expect(JSON.stringify(definitions)).toContain(
      '"HTTP_PORT":{"description":"0 picks a free one (0 to 65535); default: 8080"',
    )
    expect(values).toContain('  HTTP_PORT: null # default: 8080\n')
    expect(templates).toContain('HTTP_PORT: "8080"\n')
    expect(values).not.toMatch(/^ {2}(?:DATABASE_URL|KAFKA_TLS_CA|KAFKA_SASL_PASSWORD):/m)
  })

  test('the operator can have it printed', () => {
    const { values, definitions } = definition.chart()
    expect(printed('--values')).toBe(`${values}\n`)
    expect(JSON.parse(printed('--values-schema'))).toEqual(definitions)
  })

  test('every default and example of the definition passes the schema', async () => {
    const example = Object.fromEntries(
      [...definition.example().matchAll(/^(?:# )?(?<name>[A-Z_]+)=(?<text>.+)$/gm)].map(({ groups }) => [
        groups?.['name'] ?? '',
        groups?.['text'] ?? '',
      ]),
    )
    const plain = Object.keys(parse(definition.chart().values).config)
    const config = Object.fromEntries(
      Object.entries(example)
        .filter(([name]) => plain.includes(name))
        .map(([name, text]) => [name, /^(?:true|false|\d+)$/.test(text) ? JSON.parse(text) : text]),
    )
    expect(Object.keys(config).length).toBeGreaterThan(15)
    const rendered = await chart.render('minimal', { config })
    for (const [name, value] of Object.entries(config))
      expect(dataOf(rendered.the('ConfigMap'))[name]).toBe(String(value))
  })
})

describe('what is plain', () => {
  test('is in the ConfigMap as the program reads it, and nothing else is', async () => {
    const rendered = await chart.render('full')
    expect(dataOf(rendered.the('ConfigMap'))).toMatchObject({
      BUFFER_BYTES_MAX: '134217728',
      KAFKA_TLS: 'true',
      MIGRATE: 'false',
      INBOX_RETENTION: '30d',
      DEAD_LETTER_TOPIC: '{topic}.{group}.dead',
    })
    expect(dataOf(rendered.the('ConfigMap'))).not.toHaveProperty('COMMIT_INTERVAL_MS')
    expect(podOf(rendered).spec.containers[0]?.envFrom).toEqual([{ configMapRef: { name: 'activity' } }])
  })

  test("is not set where it is null or empty: the default is the program's", async () => {
    const given = { KAFKA_CLIENT_ID: '', HTTP_PORT: null, KAFKA_TLS: null, START_FROM: '' }
    const rendered = await chart.render('minimal', { config: given })
    expect(Object.keys(dataOf(rendered.the('ConfigMap')))).toEqual([
      'KAFKA_BROKERS',
      'KAFKA_GROUP_ID',
      'SCHEMA_REGISTRY_URL',
    ])
  })

  test('is never written as a float', async () => {
    const { the } = await chart.render('minimal', {
      config: { BUFFER_RECORDS_MAX: 10_000_000, DRAIN_TIMEOUT_MS: 21_000_000 },
    })
    expect(dataOf(the('ConfigMap'))).toMatchObject({ BUFFER_RECORDS_MAX: '10000000', DRAIN_TIMEOUT_MS: '21000000' })
  })

  test('makes new pods when it changes, and only then', async () => {
    const before = await checksumWith({})
    expect(before).toMatch(/^[0-9a-f]{64}$/)
    expect(await checksumWith({ config: { LOG_LEVEL: 'debug' } })).not.toBe(before)
    expect(await checksumWith({ replicas: 3, labels: { a: 'b' } })).toBe(before)
  })
})

describe('what is secret', () => {
  test('comes as files, each under the name of its variable, which the program is told of', async () => {
    const rendered = await chart.render('keda')
    expect(filesOf(rendered)).toEqual({
      DATABASE_URL: 'secret sluice/database-url',
      KAFKA_SASL_PASSWORD: 'secret kafka-user/password',
      KAFKA_TLS_CA: 'configMap trust-bundle/ca.crt',
    })
    const { containers, volumes, securityContext } = podOf(rendered).spec
    expect(containers[0]?.env).toEqual(
      ['DATABASE_URL', 'KAFKA_SASL_PASSWORD', 'KAFKA_TLS_CA'].map(name => ({
        name: `${name}_FILE`,
        value: `${FOLDER}/${name}`,
      })),
    )
    // The whole folder, or a file that changes in the cluster would not change in the pod.
    expect(containers[0]?.volumeMounts).toEqual([{ name: 'secrets', mountPath: FOLDER, readOnly: true }])
    expect(volumes?.[0]?.projected.defaultMode).toBe(0o440)
    expect(securityContext.fsGroup).toBe(65_532)
  })

  test('is in no object but the Secret that is made for a trial', async () => {
    const text = 'postgres://sluice:hunter2@db:5432/sluice'
    const rendered = await chart.render('minimal', {
      secrets: { existingSecret: '', keys: { DATABASE_URL: null }, values: { DATABASE_URL: text } },
    })
    const secret = rendered.the('Secret')
    expect(secret.metadata.name).toBe('trial-sluice-secrets')
    expect(Buffer.from(dataOf(secret)['DATABASE_URL'] ?? '', 'base64').toString()).toBe(text)
    expect(filesOf(rendered)).toEqual({ DATABASE_URL: 'secret trial-sluice-secrets/DATABASE_URL' })
    expect(rendered.text).not.toContain('hunter2')
    expect(await chart.notes('minimal', { secrets: { values: { KAFKA_SASL_PASSWORD: 'hunter3' } } })).not.toContain(
      'hunter3',
    )
  })

  test('given and named lie side by side', async () => {
    const rendered = await chart.render('full')
    expect(filesOf(rendered)).toMatchObject({
      KAFKA_TLS_CA: 'secret activity-secrets/KAFKA_TLS_CA',
      KAFKA_TLS_KEY: 'secret activity-tls/tls.key',
      DATABASE_URL: 'secret activity/url',
    })
  })

  test('may be a user name, too, since that changes with its password', async () => {
    const rendered = await chart.render('minimal', { secrets: { keys: { SCHEMA_REGISTRY_USERNAME: 'user' } } })
    expect(filesOf(rendered)['SCHEMA_REGISTRY_USERNAME']).toBe('secret sluice/user')
  })

  test('no Secret and no volume where there is nothing', async () => {
    const rendered = await chart.render('minimal', {
      database: { enabled: false },
      secrets: { existingSecret: '', keys: { DATABASE_URL: null } },
    })
    expect(rendered.objects.map(({ kind }) => kind)).not.toContain('Secret')
    expect(podOf(rendered).spec.volumes).toBeUndefined()
    expect(podOf(rendered).spec.containers[0]?.volumeMounts).toBeUndefined()
  })
})

describe('the program takes what its container sees', () => {
  let folder: string
  const texts: Record<string, string> = {}
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-secrets-'))
    const authority = await newAuthority()
    const { cert, key } = await authority.issue('sluice')
    for (const name of Object.keys(
      parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')).definitions.secretKeys.properties,
    )) {
      const text = name.endsWith('_TLS_KEY')
        ? key
        : name.endsWith('_TLS_CA')
          ? authority.ca
          : name.endsWith('_TLS_CERT')
            ? cert
            : 'text'
      texts[name] = name === 'DATABASE_URL' ? 'postgres://sluice@db:5432/sluice' : text
    }
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  function environmentOf(rendered: Rendered): Environment {
    const env: Record<string, string> = { ...dataOf(rendered.the('ConfigMap')) }
    for (const name of Object.keys(filesOf(rendered))) writeFileSync(join(folder, name), texts[name] ?? '')
    for (const { name, value } of podOf(rendered).spec.containers[0]?.env ?? [])
      env[name] = (value ?? '').replace(FOLDER, folder)
    return env
  }

  test.each(PRESETS)('%s', async preset => {
    const env = environmentOf(await chart.render(preset))
    expect(definition.misspelled(env)).toEqual([])
    const config = parseConfig(env, { handlers: [HANDLER] })
    expect(config.kafkaGroupId).toBe(env['KAFKA_GROUP_ID'])
    expect(config.databaseUrl).toContain('postgres://')
  })

  test('and would not take one that lacks something', async () => {
    const env = environmentOf(await chart.render('full'))
    const { KAFKA_OAUTH_CLIENT_SECRET_FILE: _, ...rest } = env
    expect(() => parseConfig(rest, { handlers: [HANDLER] })).toThrow(/KAFKA_OAUTH_CLIENT_SECRET/)
  })
})

test('what config and secrets have not is in extraEnv, as it stands in a pod', async () => {
  const { env } = podOf(await chart.render('full')).spec.containers[0] ?? {}
  expect(env?.slice(-2)).toEqual([
    { name: 'TZ', value: 'Etc/UTC' },
    { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
  ])
})
