/** A broker that denies what nobody has allowed, with users of the test's own. */
import type { AclEntry, Admin, Kafka } from 'kafkajs'
import kafkajs from 'kafkajs'
import { kafkaAt } from '../../dev/send.ts'
import { type OwnBroker, startOwnBroker } from './own-broker.ts'
import { until } from './parts.ts'
import type { Acl } from './permissions.ts'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs

const OPERATIONS: Readonly<Record<string, number>> = {
  Read: AclOperationTypes.READ,
  Write: AclOperationTypes.WRITE,
  Create: AclOperationTypes.CREATE,
  Describe: AclOperationTypes.DESCRIBE,
  DescribeConfigs: AclOperationTypes.DESCRIBE_CONFIGS,
}

export interface DenyingBroker {
  /** As an administrator, to whom all is permitted. */
  readonly kafka: Kafka
  readonly admin: Admin
  /** What a service of this user is told of Kafka. */
  env(user: string): Record<string, string>
  /** Counts when it resolves, as does its counterpart. */
  allow(acls: readonly Acl[]): Promise<void>
  deny(acls: readonly Acl[]): Promise<void>
  /** With one partition each; those that exist stay as they are. */
  createTopics(topics: readonly string[]): Promise<void>
  /** Records ever written to a topic, over its partitions; 0 where it does not exist. */
  written(topic: string): Promise<number>
  stop(): Promise<void>
}

export async function startDenyingBroker(users: readonly string[]): Promise<DenyingBroker> {
  const broker = await startOwnBroker({
    listeners: {
      CLIENTS: {
        protocol: 'SASL_PLAINTEXT',
        properties: {
          'sasl.enabled.mechanisms': 'SCRAM-SHA-256',
          'scram-sha-256.sasl.jaas.config': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
        },
      },
    },
    properties: {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'allow.everyone.if.no.acl.found': 'false',
    },
    scramUsers: users.map(name => ({ mechanism: 'SCRAM-SHA-256', name, password: passwordOf(name) })),
  })
  const kafka = kafkaAt([broker.adminAddress])
  const admin = kafka.admin()
  await admin.connect()
  return denying(broker, kafka, admin)
}

const passwordOf = (user: string): string => `${user}'s`

function denying(broker: OwnBroker, kafka: Kafka, admin: Admin): DenyingBroker {
  return {
    kafka,
    admin,
    env: user => ({
      KAFKA_BROKERS: broker.addresses['CLIENTS'] ?? '',
      KAFKA_SASL_MECHANISM: 'scram-sha-256',
      KAFKA_SASL_USERNAME: user,
      KAFKA_SASL_PASSWORD: passwordOf(user),
    }),
    allow: async acls => {
      await admin.createAcls({ acl: acls.map(entryOf) })
      for (const acl of acls) await until(`${nameOf(acl)} is allowed`, () => isAllowed(admin, acl))
    },
    deny: async acls => {
      const { filterResponses } = await admin.deleteAcls({ filters: acls.map(entryOf) })
      const gone = filterResponses.filter(({ matchingAcls }) => matchingAcls.length === 1).length
      if (gone !== acls.length) throw new Error(`${acls.length - gone} ACLs that were to be taken away were not there`)
      for (const acl of acls) await until(`${nameOf(acl)} is denied`, async () => !(await isAllowed(admin, acl)))
    },
    createTopics: async topics => {
      const there = await admin.listTopics()
      const missing = topics.filter(topic => !there.includes(topic)).map(topic => ({ topic, numPartitions: 1 }))
      await admin.createTopics({ waitForLeaders: true, topics: missing })
    },
    written: async topic => {
      if (!(await admin.listTopics()).includes(topic)) return 0
      const ends = await admin.fetchTopicOffsets(topic)
      return ends.reduce((sum, { high }) => sum + Number(high), 0)
    },
    stop: async () => {
      await admin.disconnect()
      await broker.stop()
    },
  }
}

const nameOf = ({ user, operation, name }: Acl): string => `${user}: ${operation} on ${name}`

/** The controller takes a change, the broker's authorizer has it a moment later. */
async function isAllowed(admin: Admin, acl: Acl): Promise<boolean> {
  const { resources } = await admin.describeAcls(entryOf(acl))
  return resources.some(({ acls }) => acls.length > 0)
}

function entryOf({ user, operation, resource, name }: Acl): AclEntry {
  return {
    resourceType: resource === 'group' ? AclResourceTypes.GROUP : AclResourceTypes.TOPIC,
    resourceName: name,
    resourcePatternType: ResourcePatternTypes.LITERAL,
    principal: `User:${user}`,
    host: '*',
    operation: OPERATIONS[operation] ?? AclOperationTypes.UNKNOWN,
    permissionType: AclPermissionTypes.ALLOW,
  }
}
