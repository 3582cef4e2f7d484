import { parseArgs } from 'node:util'
import { definition } from '../config.ts'
import { type Command, EXIT, Misused, type Options, type Terminal } from './command.ts'
import { type Look, lagOf } from './lag/look.ts'
import { watch } from './lag/watch.ts'

const OPTIONS = {
  group: { type: 'string', value: 'GROUP', means: 'the consumer group; default: KAFKA_GROUP_ID' },
  topic: {
    type: 'string',
    multiple: true,
    value: 'TOPIC',
    means:
      'only this topic; may be given several times. Default: every topic that the group has commits for, or members of it read',
  },
  url: {
    type: 'string',
    value: 'URL',
    means:
      'asks the service that runs there (http://localhost:8080) instead of the brokers, and shows what each partition is blocked by',
  },
  watch: { type: 'boolean', means: 'looks again and again, with rates, until Ctrl-C (exit code 0)' },
  every: { type: 'string', value: 'SECONDS', means: 'with --watch: from one look to the next; default: 2' },
  json: { type: 'boolean', means: 'one JSON document, on one line; with --watch one a look' },
  'max-lag': {
    type: 'string',
    value: 'RECORDS',
    means: 'ends with 2 where the lag of all partitions shown is above this, so that a script can tell',
  },
} as const satisfies Options

export const lag: Command = {
  usage: [
    '[--group GROUP] [--topic TOPIC]... [--watch [--every SECONDS] | --max-lag RECORDS] [--json]',
    '--url URL [--watch [--every SECONDS] | --max-lag RECORDS] [--json]',
  ],
  options: OPTIONS,
  about: [
    'How far behind a group is: from the brokers, by the KAFKA_* variables alone. No service has to run, the group is not joined, and nothing is committed.',
    'The columns:',
    '  partition   topic and number',
    '  committed   where the group would begin to read; – where it has no commit',
    '  end         what a reader of committed records can reach: the last stable offset',
    '  lag         end minus committed. Offsets, so it counts markers and gaps that hold no record',
    '  seconds     the age of the oldest record that is not settled; 0 where there is none, – where it cannot be known',
    '  ahead       records that are settled already above the committed offset, and will not be handled again',
    '  rate/s      with --watch: offsets settled a second, over the last half minute',
    '  drains in   with --watch: until the lag is gone at this pace; never: it does not shrink',
    '  owner       the client id and the host of the member that has the partition',
    '--json, null for what is not known; the last two of a partition only with --watch:',
    '  { at, group, state, protocol, lagRecords, lagSeconds, members: [{ clientId, host, partitions }], problems: [text],',
    '    partitions: [{ topic, partition, committed, logStart, end, lagRecords, lagSeconds, settledAbove, oldestUnsettled,',
    '                   owner: { clientId, host } | null, notes: [text], consumedPerSecond, drainSeconds }] }',
    '  with --url: the partitions of GET /status, as its schema has them',
    'ACLs: DESCRIBE on the group and on its topics; for the seconds READ on the topics.',
    'Exit codes: 0; 1 where nobody answers, the group or a topic does not exist, or a lag is not known; 2 with --max-lag, above it.',
  ],
  async run(args, terminal) {
    const { values } = parseArgs({ args: [...args], options: OPTIONS })
    const { url, group, topic, json: isJson = false } = values
    if (url !== undefined && (group ?? topic) !== undefined)
      throw new Misused('--group and --topic are for the brokers: a service tells its own group and topics')
    if (values.watch === true && values['max-lag'] !== undefined)
      throw new Misused('--max-lag judges one look, and --watch takes many: give one of them')
    if (values.every !== undefined && values.watch !== true) throw new Misused('--every is for --watch')
    const everyMs = numberOf('--every', values.every ?? '2', 0.1) * 1_000
    const lagMax = values['max-lag'] === undefined ? null : numberOf('--max-lag', values['max-lag'], 0)
    const { look, close } =
      url === undefined ? await atBrokers({ group, topics: topic }, terminal) : await atService(url)
    try {
      if (values.watch === true) return await watch({ look, everyMs, isJson }, terminal)
      return shown(await look(), { isJson, lagMax }, terminal)
    } finally {
      await close()
    }
  },
}

interface Asked {
  readonly group: string | undefined
  readonly topics: readonly string[] | undefined
}

interface Looking {
  readonly look: () => Promise<Look>
  readonly close: () => Promise<void>
}

/** Loaded when it is needed: kafkajs takes longer to load than most commands to run. */
async function atBrokers({ group, topics }: Asked, { env: all, clock }: Terminal): Promise<Looking> {
  const env = group === undefined ? all : { ...all, KAFKA_GROUP_ID: group, KAFKA_GROUP_ID_FILE: undefined }
  const config = definition.kafka(env)
  const [{ Brokers }, { kafkaConnectionOf }] = await Promise.all([
    import('./lag/brokers.ts'),
    import('../connection.ts'),
  ])
  const brokers = new Brokers({
    connection: kafkaConnectionOf(config, { env, log: SILENT, clock }),
    group: config.kafkaGroupId,
    topics: topics ?? null,
    startFrom: config.startFrom,
  })
  return { look: () => brokers.look(), close: () => brokers.close() }
}

/** What kafkajs has to say of its tries is none of an operator's business: what they come to is. */
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

async function atService(url: string): Promise<Looking> {
  const { lookAtStatus } = await import('./lag/status.ts')
  return { look: () => lookAtStatus(url.replace(/\/+$/, '')), close: async () => {} }
}

function shown(
  look: Look,
  { isJson, lagMax }: { isJson: boolean; lagMax: number | null },
  { out, err }: Terminal,
): number {
  out(isJson ? `${JSON.stringify(look.json(null))}\n` : `${look.text(null).join('\n')}\n`)
  for (const problem of look.problems) err(`${problem}\n`)
  const lag = lagOf(look)
  if (look.problems.length > 0) return EXIT.failed
  if (lagMax === null) return EXIT.ok
  if (lag === null) err('the lag of a partition is not known yet\n')
  return lag === null ? EXIT.failed : lag > lagMax ? EXIT.above : EXIT.ok
}

function numberOf(option: string, text: string, min: number): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min)) throw new Misused(`${option} must be a number from ${min} on, not ${JSON.stringify(text)}`)
  return value
}
