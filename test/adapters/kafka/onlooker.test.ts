/** What stands in the way of a look is said by its name, in time; and what is relied upon below kafkajs' types is there. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer, type Server } from 'node:net'
import kafkajs from 'kafkajs'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/adapters/clock/clock.ts'
import { seenGroupOf } from '../../../src/adapters/kafka/members.ts'
import { Onlooker } from '../../../src/adapters/kafka/onlooker.ts'
import { SILENT } from '../../support/silent.ts'

const require = createRequire(import.meta.url)

async function refusalOf(...brokers: readonly string[]): Promise<unknown> {
  const connection = { brokers, clientId: 'test', security: null, log: SILENT, clock: systemClock() }
  const onlooker = new Onlooker(connection, 'g')
  const error: unknown = await onlooker.connect([]).catch((error: unknown) => error)
  await onlooker.close()
  return error
}

/** Takes connections, and does with them what it is told. */
async function listening(onConnection: (socket: import('node:net').Socket) => void): Promise<string> {
  const server: Server = createServer(onConnection)
  const sockets = new Set<import('node:net').Socket>()
  server.on('connection', socket => sockets.add(socket))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}

test('where nobody listens, the addresses are named', async () => {
  expect(await refusalOf('127.0.0.1:2', '127.0.0.1:3')).toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(/^Kafka \(127\.0\.0\.1:2, 127\.0\.0\.1:3\) is unavailable: .*ECONNREFUSED/),
  })
})

test('a listener that hangs up is away', async () => {
  const error = await refusalOf(await listening(socket => socket.destroy()))
  expect(error).toMatchObject({ code: 'UNAVAILABLE' })
})

test("kafkajs' Broker has the methods that its types leave out, and stumbles with the words that are known", () => {
  const broker: { prototype: object } = require('kafkajs/src/broker')
  expect(Object.getOwnPropertyNames(broker.prototype)).toEqual(
    expect.arrayContaining(['findGroupCoordinator', 'listOffsets', 'offsetFetch', 'describeGroups', 'fetch']),
  )
  const source = readFileSync(require.resolve('kafkajs/src/broker'), 'utf8')
  expect(source).toContain("throw new Error('Broker not connected')")
})

test('members of other protocols are counted, and what they have is not known', () => {
  const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol
  const member = { memberId: 'm', clientId: 'c', clientHost: '/10.0.0.1' }
  const seen = seenGroupOf({
    groups: [
      {
        groupId: 'g',
        protocol: 'p',
        protocolType: 'consumer',
        state: 'Stable',
        members: [
          {
            ...member,
            memberAssignment: MemberAssignment.encode({
              version: 1,
              assignment: { orders: [0, 2] },
              userData: Buffer.alloc(0),
            }),
            memberMetadata: MemberMetadata.encode({ version: 1, topics: ['orders'], userData: Buffer.alloc(0) }),
          },
          { ...member, memberAssignment: Buffer.from([0, 0, 127]), memberMetadata: Buffer.from([1]) },
          { ...member, memberAssignment: Buffer.alloc(0), memberMetadata: Buffer.alloc(0) },
        ],
      },
    ],
  })
  const owned = [0, 2].map(partition => ({ topic: 'orders', partition }))
  const nothing = { clientId: 'c', host: '10.0.0.1', owned: [], topics: [] }
  expect(seen.members).toEqual([{ ...nothing, owned, topics: ['orders'] }, nothing, nothing])
})
