/**
 * What keeps `lag` from looking is said by its name: which ACL a user lacks, one after the other until none is missing; which
 * variables hold the login that is refused; a listener that answers nothing. Each within the ten seconds that an operator waits.
 */
import { createServer, type Socket } from 'node:net'
import type { AclEntry } from 'kafkajs'
import kafkajs from 'kafkajs'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { kafkaSource } from '../../src/adapters/kafka/source.ts'
import { cli } from '../cli/terminal.ts'
import { Listening } from '../contracts/listening.ts'
import { KafkaWorld } from '../support/kafka-world.ts'
import { type OwnBroker, startOwnBroker } from '../support/own-broker.ts'
import { until } from '../support/parts.ts'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs

/** From the answer to the end of the process's work; the rest is for a busy machine. */
const PATIENCE_MS = 15_000
const LOGIN = { name: 'operator', password: 'let-me-look' }
const GROUP = 'looked-at'
const TOPIC = 'seen'

let broker: OwnBroker
let world: KafkaWorld

beforeAll(async () => {
  broker = await startOwnBroker({
    listeners: {
      LOGINS: {
        protocol: 'SASL_PLAINTEXT',
        properties: {
          'sasl.enabled.mechanisms': 'SCRAM-SHA-256',
          'scram-sha-256.sasl.jaas.config': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
        },
      },
    },
    properties: { 'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer' },
    scramUsers: [{ mechanism: 'SCRAM-SHA-256', ...LOGIN }],
  })
  world = new KafkaWorld([broker.adminAddress])
  await world.createTopic(TOPIC, 1)
  await world.append(TOPIC, 0, [{ value: Buffer.from('one') }, { value: Buffer.from('two') }])
  const source = kafkaSource(world.sourceOptions({ groupId: GROUP, topics: [TOPIC] }))
  const listening = new Listening()
  await source.start(listening)
  await until('an assignment', () => listening.assignments.length === 1)
  const offsets = listening.assignments.map(assignment => ({ assignment, nextOffset: 1, metadata: '' }))
  await until('a commit', async () => (await source.commit(offsets)).ok)
  await source.stop()
})

afterAll(async () => {
  await world?.close()
  await broker?.stop()
})

const env = (password = LOGIN.password) => ({
  KAFKA_BROKERS: broker.addresses['LOGINS'] ?? '',
  KAFKA_GROUP_ID: GROUP,
  KAFKA_SASL_MECHANISM: 'scram-sha-256',
  KAFKA_SASL_USERNAME: LOGIN.name,
  KAFKA_SASL_PASSWORD: password,
})

async function allow(what: Pick<AclEntry, 'resourceType' | 'resourceName' | 'operation'>): Promise<void> {
  const permissionType = AclPermissionTypes.ALLOW
  const resourcePatternType = ResourcePatternTypes.LITERAL
  const acl = [{ ...what, principal: `User:${LOGIN.name}`, host: '*', permissionType, resourcePatternType }]
  await (await world.admin()).createAcls({ acl })
}

const onGroup = { resourceType: AclResourceTypes.GROUP, resourceName: GROUP }
const onTopic = { resourceType: AclResourceTypes.TOPIC, resourceName: TOPIC }

/** Until the broker has heard of a new ACL, which takes it a moment. */
async function saying(args: readonly string[], what: string) {
  return await until(what, async () => {
    const said = await cli(['lag', ...args], env())
    if (!(said.out + said.err).includes(what)) throw new Error(said.out + said.err)
    return said
  })
}

test('each ACL that is missing is named, and with all of them nothing is', async () => {
  const topics = ['--topic', TOPIC]
  expect(await saying(topics, `lacks the ACL DESCRIBE on topic ${TOPIC}`)).toMatchObject({ code: 1, out: '' })
  expect(await saying([], `lacks the ACL DESCRIBE on group ${GROUP}`)).toMatchObject({ code: 1, out: '' })
  await allow({ ...onGroup, operation: AclOperationTypes.DESCRIBE })
  expect(await saying([], 'none of topics that this user may describe')).toMatchObject({ code: 0, err: '' })
  await allow({ ...onTopic, operation: AclOperationTypes.DESCRIBE })
  const { code, out } = await saying([], `lacks the ACL READ on topic ${TOPIC}`)
  expect(code).toBe(0)
  expect(out).toMatch(/^seen\/0 +1 +2 +1 +– +0$/m)
  await allow({ ...onTopic, operation: AclOperationTypes.READ })
  expect(await saying([], ', the oldest ')).toMatchObject({ code: 0, err: '' })
})

test('a topic of the group that may not be looked at is said, and keeps no other from being shown', async () => {
  const [group, hidden] = ['of-two', 'hidden']
  await world.createTopic(hidden, 1)
  const source = kafkaSource(world.sourceOptions({ groupId: group, topics: [TOPIC, hidden] }))
  onTestFinished(() => source.stop())
  const listening = new Listening()
  await source.start(listening)
  await until('an assignment', () => listening.assignments.length === 2)
  await allow({ ...onGroup, resourceName: group, operation: AclOperationTypes.DESCRIBE })
  await allow({ ...onTopic, operation: AclOperationTypes.DESCRIBE })
  const { code, out, err } = await saying(['--group', group], `topic ${hidden} is left out`)
  expect([code, err]).toEqual([1, expect.stringContaining(`lacks the ACL DESCRIBE on topic ${hidden}`)])
  expect(out).toMatch(/: Stable, 1 member, 1 partition,/)
  expect(out).toMatch(/^seen\/0 .* sluice-test@\S+$/m)
})

test('a login that is refused names the variables that hold it, and never what they hold', async () => {
  const beganMs = performance.now()
  const { code, out, err } = await cli(['lag'], env('hunter2'))
  expect([code, out]).toEqual([1, ''])
  expect(err).toContain('KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD')
  expect(err).not.toContain('hunter2')
  expect(performance.now() - beganMs).toBeLessThan(PATIENCE_MS)
})

test('a listener that answers nothing is told from one that is away', async () => {
  const sockets = new Set<Socket>()
  const mute = createServer(socket => void sockets.add(socket))
  await new Promise<void>(resolve => void mute.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    mute.close()
  })
  const address = mute.address()
  const beganMs = performance.now()
  const brokers = `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  const { code, err } = await cli(['lag'], { KAFKA_BROKERS: brokers, KAFKA_GROUP_ID: GROUP })
  expect(code).toBe(1)
  expect(err).toContain(`Kafka (${brokers}) is unavailable: connections are taken, and nothing is answered`)
  expect(performance.now() - beganMs).toBeLessThan(PATIENCE_MS)
})
