/** What Kafka does not permit us, in sentences for an operator. Operations and resources are spelled as in docs/permissions.md, which lists them all. */
import { describe, Misconfigured } from '../../consumer/errors.ts'
import { faultOf, protocolErrorOf } from './faults.ts'

export interface Lacking {
  /** A gerund: "reading topic orders". */
  readonly doing: string
  readonly operation: 'Read' | 'Write' | 'Create' | 'DescribeConfigs'
  /** "topic orders", "group sluice". */
  readonly resource: string
}

export function refusalText({ doing, operation, resource }: Lacking, code: string | null): string {
  const said = code === null ? '' : ` (${code})`
  return `Kafka does not permit ${doing}${said}: grant ${operation} on ${resource} to the user of this service`
}

/** The same as an error where that is what the brokers said; any other error as it is. */
export function namedRefusal(error: unknown, lacking: Lacking): unknown {
  if (faultOf(error) !== 'permission' || error instanceof Misconfigured) return error
  return new Misconfigured(refusalText(lacking, protocolErrorOf(error)), { cause: error })
}

export function readingRefused(topics: readonly string[]): string {
  const resource = `topic${topics.length === 1 ? '' : 's'} ${topics.join(', ')}`
  return refusalText({ doing: `reading ${resource}`, operation: 'Read', resource }, 'TOPIC_AUTHORIZATION_FAILED')
}

export function writingRefused(topic: string, code: string | null): string {
  const resource = `topic ${topic}`
  const text = refusalText({ doing: `writing to dead letter ${resource}`, operation: 'Write', resource }, code)
  // A producer of ours asks for an identity first. Since 2.8 whoever may write to any topic gets one.
  return code === 'CLUSTER_AUTHORIZATION_FAILED' ? `${text}, and IdempotentWrite on the cluster before Kafka 2.8` : text
}

/** Why a consumer may not go on. Which of its topics it is, kafkajs does not tell; whoever asks topic by topic finds it out. */
export function consumingRefused(
  error: unknown,
  { groupId, topics }: { groupId: string; topics: readonly string[] },
): string {
  const code = protocolErrorOf(error)
  if (code === 'GROUP_AUTHORIZATION_FAILED') {
    const resource = `group ${groupId}`
    return refusalText({ doing: `being a member of ${resource}`, operation: 'Read', resource }, code)
  }
  if (code === 'TOPIC_AUTHORIZATION_FAILED')
    return `Kafka does not permit reading one of the topics ${topics.join(', ')} (${code}): grant Read on each of them to the user of this service`
  return `Kafka does not permit consuming as group ${groupId} (${describe(error)})`
}
