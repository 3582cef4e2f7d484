/** Where the dead letters of a topic go: the topic exists, or is made, and has so many partitions. */
import type { Admin } from 'kafkajs'
import kafkajs from 'kafkajs'
import { Misconfigured } from '../../consumer/errors.ts'
import { faultOf, ourErrorOf, protocolErrorOf } from './faults.ts'
import type { KafkaDeadLettersOptions } from './options.ts'
import { namedRefusal, readingRefused, refusalText, writingRefused } from './permissions.ts'

/** A letter is its record and our headers. */
const ROOM_FOR_HEADERS_BYTES = 64 * 1024
const MESSAGE_BYTES_MAX = 'max.message.bytes'
/** What a broker takes where a topic says nothing. */
const MESSAGE_BYTES_MAX_DEFAULT = 1_048_588
const CREATED_TRIES_MAX = 20
const CREATED_TRY_MS = 100

export interface DeadLetterTopicOptions extends KafkaDeadLettersOptions {
  /** Topics whose configuration we may not read are added: nothing depends on it, and only hints are lost. */
  readonly unread: Set<string>
}

/** Resolves to the number of partitions; rejects with `Misconfigured`, `Unavailable` or what kafkajs says. */
export async function deadLetterTopic(admin: Admin, source: string, options: DeadLetterTopicOptions): Promise<number> {
  const topic = options.topicFor(source)
  const found = await partitionsOf(admin, topic, code => writingRefused(topic, code))
  const partitions = await partitionsOf(admin, source, () => readingRefused([source]))
  const configs = new Configs(admin, options.unread)
  if (partitions !== null) await sayIfKeptLonger(configs, source, options)
  if (found !== null) {
    if (partitions !== null) await sayIfTooSmall(configs, { topic, source, log: options.log })
    return found
  }
  // Without its source there is nothing to go by; whoever asks again finds it when it is there.
  if (partitions === null)
    throw new Misconfigured(`topic ${source} does not exist, nor does its dead letter topic ${topic}`)
  if (!options.createTopics)
    throw new Misconfigured(`dead letter topic ${topic} does not exist: create it, or set DEAD_LETTER_CREATE=true`)
  const messageBytesMax = (await configs.number(source, MESSAGE_BYTES_MAX)) ?? MESSAGE_BYTES_MAX_DEFAULT
  await create(admin, topic, { partitions, messageBytesMax: messageBytesMax + ROOM_FOR_HEADERS_BYTES })
  options.log.info({ topic, partitions }, 'created a dead letter topic')
  return await created(admin, topic)
}

/** What we may not read, in a sentence; null when all was read. */
export function unreadText(unread: ReadonlySet<string>): string | null {
  if (unread.size === 0) return null
  const resource = `topic${unread.size === 1 ? '' : 's'} ${[...unread].toSorted().join(', ')}`
  const doing = `reading the configuration of ${resource}`
  const said = refusalText({ doing, operation: 'DescribeConfigs', resource }, 'TOPIC_AUTHORIZATION_FAILED')
  return `whether topics keep their records longer than INBOX_RETENTION, and whether dead letter topics take the largest of them, is not looked at: ${said}`
}

/** `refused`: what it means that we may not see it, from the brokers' name for that. */
async function partitionsOf(
  admin: Admin,
  topic: string,
  refused: (code: string | null) => string,
): Promise<number | null> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return topics.find(({ name }) => name === topic)?.partitions.length ?? null
  } catch (error) {
    const fault = faultOf(error)
    if (fault === 'missing-topic') return null
    if (fault === 'permission') throw new Misconfigured(refused(protocolErrorOf(error)), { cause: error })
    throw ourErrorOf(error, `reading about topic ${topic}`)
  }
}

/** A record that its dead letter topic refuses would hold its partition until somebody sees why. */
async function sayIfTooSmall(
  configs: Configs,
  { topic, source, log }: { topic: string; source: string; log: KafkaDeadLettersOptions['log'] },
): Promise<void> {
  const bytesMax = await configs.number(topic, MESSAGE_BYTES_MAX)
  const sourceBytesMax = await configs.number(source, MESSAGE_BYTES_MAX)
  if (bytesMax === null || sourceBytesMax === null) return
  const neededBytes = sourceBytesMax + ROOM_FOR_HEADERS_BYTES
  if (bytesMax >= neededBytes) return
  log.warn(
    { topic, source, bytesMax, neededBytes },
    'a dead letter topic takes smaller records than it may be given, and a larger one will hold its partition: raise max.message.bytes',
  )
}

/** A group that loses its offsets reads its topics again from their beginning, and repeats what the inbox has forgotten. */
async function sayIfKeptLonger(configs: Configs, topic: string, options: KafkaDeadLettersOptions): Promise<void> {
  const { inboxRetentionMs, log } = options
  const retentionMs = await configs.number(topic, 'retention.ms')
  if (inboxRetentionMs === null || retentionMs === null) return
  if (retentionMs >= 0 && retentionMs <= inboxRetentionMs) return
  const kept = retentionMs < 0 ? 'for ever' : retentionMs
  log.warn(
    { topic, topicRetentionMs: kept, inboxRetentionMs },
    'a topic keeps its records longer than the inbox knows them: a group that lost its offsets would repeat effects; raise INBOX_RETENTION',
  )
}

class Configs {
  readonly #admin: Admin
  readonly #unread: Set<string>

  constructor(admin: Admin, unread: Set<string>) {
    this.#admin = admin
    this.#unread = unread
  }

  /** Null where there is none, or where we may not know it. */
  async number(topic: string, name: string): Promise<number | null> {
    try {
      const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: [name] }]
      const described = await this.#admin.describeConfigs({ includeSynonyms: false, resources })
      const entry = described.resources[0]?.configEntries.find(({ configName }) => configName === name)
      const value = entry === undefined ? Number.NaN : Number(entry.configValue)
      return Number.isSafeInteger(value) ? value : null
    } catch (error) {
      if (faultOf(error) !== 'permission') throw ourErrorOf(error, `reading the configuration of topic ${topic}`)
      this.#unread.add(topic)
      return null
    }
  }
}

async function create(
  admin: Admin,
  topic: string,
  size: { partitions: number; messageBytesMax: number },
): Promise<void> {
  try {
    await admin.createTopics({
      waitForLeaders: false,
      topics: [
        {
          topic,
          numPartitions: size.partitions,
          replicationFactor: -1,
          configEntries: [{ name: 'max.message.bytes', value: String(size.messageBytesMax) }],
        },
      ],
    })
  } catch (error) {
    // kafkajs says so now and then although the topic was made; whether it was is seen next. Another replica may be quicker.
    const code = protocolErrorOf(error)
    if (code === 'UNKNOWN_TOPIC_OR_PARTITION' || code === 'TOPIC_ALREADY_EXISTS') return
    const resource = `topic ${topic}`
    const doing = `creating dead letter ${resource}`
    throw ourErrorOf(namedRefusal(error, { doing, operation: 'Create', resource }), doing)
  }
}

/** Metadata follow a creation after a moment. */
async function created(admin: Admin, topic: string): Promise<number> {
  for (let tries = 1; tries <= CREATED_TRIES_MAX; tries++) {
    const partitions = await partitionsOf(admin, topic, code => writingRefused(topic, code))
    if (partitions !== null) return partitions
    await new Promise(resolve => setTimeout(resolve, CREATED_TRY_MS))
  }
  throw new Misconfigured(`dead letter topic ${topic} was created and cannot be seen`)
}
