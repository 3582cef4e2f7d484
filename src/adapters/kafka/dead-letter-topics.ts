/** Where the dead letters of a topic go: the topic exists, or is made, and has so many partitions. */
import type { Admin } from 'kafkajs'
import kafkajs from 'kafkajs'
import { describe, Misconfigured } from '../../consumer/errors.ts'
import { faultOf, ourErrorOf, protocolErrorOf } from './faults.ts'
import type { KafkaDeadLettersOptions } from './options.ts'

/** A letter is its record and our headers. */
const ROOM_FOR_HEADERS_BYTES = 64 * 1024
/** What a broker takes where a topic says nothing. */
const MESSAGE_BYTES_MAX_DEFAULT = 1_048_588
const CREATED_TRIES_MAX = 20
const CREATED_TRY_MS = 100

/** Resolves to the number of partitions; rejects with `Misconfigured`, `Unavailable` or what kafkajs says. */
export async function deadLetterTopic(admin: Admin, source: string, options: KafkaDeadLettersOptions): Promise<number> {
  const topic = options.topicFor(source)
  const found = await partitionsOf(admin, topic)
  const partitions = await partitionsOf(admin, source)
  if (partitions !== null) await sayIfKeptLonger(admin, source, options)
  if (found !== null) {
    if (partitions !== null) await sayIfTooSmall(admin, { topic, source, log: options.log })
    return found
  }
  // Without its source there is nothing to go by; whoever asks again finds it when it is there.
  if (partitions === null)
    throw new Misconfigured(`topic ${source} does not exist, nor does its dead letter topic ${topic}`)
  if (!options.createTopics)
    throw new Misconfigured(`dead letter topic ${topic} does not exist: create it, or set DEAD_LETTER_CREATE=true`)
  const messageBytesMax = (await messageBytesMaxOf(admin, source)) ?? MESSAGE_BYTES_MAX_DEFAULT
  await create(admin, topic, { partitions, messageBytesMax: messageBytesMax + ROOM_FOR_HEADERS_BYTES })
  options.log.info({ topic, partitions }, 'created a dead letter topic')
  return await created(admin, topic)
}

async function partitionsOf(admin: Admin, topic: string): Promise<number | null> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return topics.find(({ name }) => name === topic)?.partitions.length ?? null
  } catch (error) {
    if (faultOf(error) === 'missing-topic') return null
    throw ourErrorOf(error, `reading about topic ${topic}`)
  }
}

/** A record that its dead letter topic refuses would hold its partition until somebody sees why. */
async function sayIfTooSmall(
  admin: Admin,
  { topic, source, log }: { topic: string; source: string; log: KafkaDeadLettersOptions['log'] },
): Promise<void> {
  const [bytesMax, sourceBytesMax] = [await messageBytesMaxOf(admin, topic), await messageBytesMaxOf(admin, source)]
  if (bytesMax === null || sourceBytesMax === null) return
  const neededBytes = sourceBytesMax + ROOM_FOR_HEADERS_BYTES
  if (bytesMax >= neededBytes) return
  log.warn(
    { topic, source, bytesMax, neededBytes },
    'a dead letter topic takes smaller records than it may be given, and a larger one will hold its partition: raise max.message.bytes',
  )
}

/** A group that loses its offsets reads its topics again from their beginning, and repeats what the inbox has forgotten. */
async function sayIfKeptLonger(admin: Admin, topic: string, options: KafkaDeadLettersOptions): Promise<void> {
  const { inboxRetentionMs, log } = options
  const retentionMs = await numberConfigOf(admin, topic, 'retention.ms')
  if (inboxRetentionMs === null || retentionMs === null) return
  if (retentionMs >= 0 && retentionMs <= inboxRetentionMs) return
  const kept = retentionMs < 0 ? 'for ever' : retentionMs
  log.warn(
    { topic, topicRetentionMs: kept, inboxRetentionMs },
    'a topic keeps its records longer than the inbox knows them: a group that lost its offsets would repeat effects; raise INBOX_RETENTION',
  )
}

function messageBytesMaxOf(admin: Admin, topic: string): Promise<number | null> {
  return numberConfigOf(admin, topic, 'max.message.bytes')
}

/** Null where we are not allowed to know. */
async function numberConfigOf(admin: Admin, topic: string, name: string): Promise<number | null> {
  try {
    const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: [name] }]
    const described = await admin.describeConfigs({ includeSynonyms: false, resources })
    const entry = described.resources[0]?.configEntries.find(({ configName }) => configName === name)
    const value = entry === undefined ? Number.NaN : Number(entry.configValue)
    return Number.isSafeInteger(value) ? value : null
  } catch (error) {
    // We may be allowed to create topics and not to read configurations.
    if (faultOf(error) === 'permission') return null
    throw ourErrorOf(error, `reading the configuration of topic ${topic}`)
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
    if (faultOf(error) === 'permission')
      throw new Misconfigured(`we are not allowed to create dead letter topic ${topic} (${describe(error)})`, {
        cause: error,
      })
    throw ourErrorOf(error, `creating dead letter topic ${topic}`)
  }
}

/** Metadata follow a creation after a moment. */
async function created(admin: Admin, topic: string): Promise<number> {
  for (let tries = 1; tries <= CREATED_TRIES_MAX; tries++) {
    const partitions = await partitionsOf(admin, topic)
    if (partitions !== null) return partitions
    await new Promise(resolve => setTimeout(resolve, CREATED_TRY_MS))
  }
  throw new Misconfigured(`dead letter topic ${topic} was created and cannot be seen`)
}
