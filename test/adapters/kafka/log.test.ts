import kafkajs from 'kafkajs'
import { expect, it } from 'vitest'
import { JoinEnded } from '../../../src/adapters/kafka/group.ts'
import { kafkajsLog } from '../../../src/adapters/kafka/log.ts'
import { memoryClock } from '../../../src/adapters/memory/clock.ts'

const { logLevel } = kafkajs

function lines() {
  const said: { level: string; text: string; fields: object }[] = []
  const at = (level: string) => (fields: object, text: string) => void said.push({ level, text, fields })
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  const clock = memoryClock()
  const write = kafkajsLog({ log, clock }, () => {})(logLevel.DEBUG)
  const hear = (namespace: string, level: kafkajs.logLevel, extra: { message: string; [field: string]: unknown }) =>
    write({ namespace, level, label: '', log: { timestamp: '', ...extra } })
  return { said, clock, hear }
}

it('says an error of kafkajs as a warning, once in ten seconds', () => {
  const { said, clock, hear } = lines()
  const trouble = { message: 'Connection error', broker: 'b:1' }
  for (let times = 0; times < 50; times++) hear('Connection', logLevel.ERROR, trouble)
  expect(said).toEqual([{ level: 'warn', text: 'kafkajs Connection: Connection error', fields: { broker: 'b:1' } }])
  clock.advance(10_000)
  hear('Connection', logLevel.ERROR, trouble)
  expect(said).toHaveLength(2)
})

it('keeps the error code of a single answer for debugging: whoever asked says what it comes to', () => {
  const { said, hear } = lines()
  hear('Connection', logLevel.ERROR, { message: 'Response Metadata(key: 3, version: 6)', error: 'no such topic' })
  expect(said).toMatchObject([{ level: 'debug' }])
})

it('writes no field that may hold a payload', () => {
  const { said, hear } = lines()
  hear('Consumer', logLevel.WARN, { message: 'odd', payload: 'secret', topic: 't' })
  expect(said).toEqual([{ level: 'warn', text: 'kafkajs Consumer: odd', fields: { topic: 't' } }])
})

it('says nothing of a join that a stop has ended', () => {
  const { said, hear } = lines()
  const { name, message } = new JoinEnded('the consumer is stopping')
  hear('Consumer', logLevel.ERROR, { message: `Crash: ${name}: ${message}` })
  expect(said).toEqual([])
})
