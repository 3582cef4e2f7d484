import { DatabaseError } from 'pg'
import { describe, expect, test } from 'vitest'
import { classify, explain, fromClient } from '../../../src/adapters/postgres/classify.ts'
import {
  ClaimBusy,
  CommitUnknown,
  Misconfigured,
  Reject,
  TransactionAborted,
  TransactionControl,
  Unavailable,
} from '../../../src/consumer/errors.ts'

const RECORD = { kind: 'record', reason: 'invalid-data' }
const INTEGRITY = { kind: 'passing', reason: 'invalid-data', timedOut: false }
const PASSING = { kind: 'passing', reason: 'attempts-exhausted', timedOut: false }
const TIMED_OUT = { kind: 'passing', reason: 'attempts-exhausted', timedOut: true }
const OUTAGE = { kind: 'outage', dependency: 'database' }
const OURS = { kind: 'ours' }
const WAITING = { kind: 'waiting' }

describe('what the server said', () => {
  test.each([
    ['the record', RECORD, ['22001', '22003', '22007', '22012', '22021', '22023', '22P02', '22P05', '54000']],
    ['integrity', INTEGRITY, ['23000', '23502', '23503', '23505', '23514', '23P01']],
    [
      'what may pass',
      PASSING,
      ['40001', '40P01', '40002', '25P02', '26000', '0A000', '21000', 'P0001', 'XX000', '54001'],
    ],
    ['a timeout', TIMED_OUT, ['57014', '25P03']],
    ['waiting for a lock of somebody else', WAITING, ['55P03']],
    [
      'an outage',
      OUTAGE,
      ['57P01', '57P02', '57P03', '57P04', '57P05', '53000', '53100', '53200', '53300', '58000', '58030'],
    ],
    ['an outage too', OUTAGE, ['08000', '08003', '08006', '08P01', '25006']],
    ['ours', OURS, ['42P01', '42703', '42601', '42501', '42883', '42804', '3D000', '3F000', '28000', '28P01']],
  ])('is %s', (_, failure, sqlstates) => {
    for (const sqlstate of sqlstates)
      expect({ sqlstate, ...classify(serverError(sqlstate)) }).toEqual({ sqlstate, ...failure })
  })

  test('counts within what wraps it', () => {
    expect(classify(new Error('a', { cause: new Error('b', { cause: serverError('40P01') }) }))).toEqual(PASSING)
  })

  test('does not count within what the handler has judged', () => {
    expect(classify(new Reject('no such customer', { cause: serverError('23503') }))).toBeNull()
    expect(classify(new Unavailable('payments', serverError('57P01')))).toBeNull()
  })
})

describe('what the client noticed', () => {
  test.each([
    ['Connection terminated unexpectedly', OUTAGE],
    ['Connection terminated', OUTAGE],
    ['Connection terminated due to connection timeout', OUTAGE],
    ['timeout expired', OUTAGE],
    ['Query read timeout', OUTAGE],
    ['Client has encountered a connection error and is not queryable', OUTAGE],
    ['Client was closed and is not queryable', OUTAGE],
    ['Cannot use a pool after calling end on the pool', OUTAGE],
    ['timeout exceeded when trying to connect', WAITING],
    ['The server does not support SSL connections', OURS],
    ['SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string', OURS],
  ])('%s', (message, failure) => {
    const error = new Error(message)
    expect(classify(fromClient(error))).toEqual(failure)
    // Another connection of the handler's own may say the same.
    expect(classify(error)).toBeNull()
  })

  test.each([
    ['ECONNREFUSED', OUTAGE],
    ['ECONNRESET', OUTAGE],
    ['EPIPE', OUTAGE],
    ['ETIMEDOUT', OUTAGE],
    ['ENOTFOUND', OUTAGE],
    ['EAI_AGAIN', OUTAGE],
    ['EHOSTUNREACH', OUTAGE],
    ['ENETUNREACH', OUTAGE],
    ['ERR_INVALID_URL', OURS],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', OURS],
    ['CERT_HAS_EXPIRED', OURS],
  ])('%s', (code, failure) => {
    expect(classify(fromClient(Object.assign(new Error('some text'), { code })))).toEqual(failure)
  })

  test('several addresses that all refused are one outage, which names one of them', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED ::1:5432'), { code: 'ECONNREFUSED' })
    const outage = fromClient(Object.assign(new AggregateError([refused]), { code: 'ECONNREFUSED' }))
    expect(classify(outage)).toEqual(OUTAGE)
    expect(String(outage)).toContain('ECONNREFUSED ::1:5432')
  })

  test('something that answers but is no Postgres is away, not broken data', () => {
    expect(classify(fromClient(new DatabaseError('received invalid response: 48', 1, 'error')))).toEqual(OUTAGE)
  })

  test('a value that cannot be sent is nobody else’s fault', () => {
    const error = new TypeError('Do not know how to serialize a BigInt')
    expect(fromClient(error)).toBe(error)
    expect(classify(error)).toBeNull()
  })
})

test.each([
  ['a commit without an answer', new CommitUnknown(null), OUTAGE],
  ['a busy claim', new ClaimBusy(serverError('55P03')), WAITING],
  ['an aborted transaction', new TransactionAborted({ cause: serverError('22012') }), PASSING],
  ['a handler that commits by itself', new TransactionControl(), OURS],
  ['a misconfiguration', new Misconfigured('no'), OURS],
])('%s is classified by what it is, not by its cause', (_, error, failure) => {
  expect(classify(error)).toEqual(failure)
})

test('an explanation has names and no values', () => {
  const error = Object.assign(serverError('23505'), {
    message: 'duplicate key value',
    detail: 'Key (email)=(ada@example.org) already exists.',
    constraint: 'user_email_key',
    table: 'user',
  })
  const words = 'SQLSTATE 23505 (integrity constraint violation), constraint user_email_key, table user'
  expect(explain(new Error('wrapped', { cause: error }))).toBe(words)
  expect(explain(new Error('connect ECONNREFUSED'))).toBeNull()
  expect(explain(serverError('P0001'))).toBe('SQLSTATE P0001 (error)')
})

test.each([
  ['relation "paiment" does not exist', '42P01', 'SQLSTATE 42P01 (undefined table), table paiment, character 13'],
  ['permission denied for table payment', '42501', 'SQLSTATE 42501 (permission denied), table payment, character 13'],
  ['permission denied for schema sluice', '42501', 'SQLSTATE 42501 (permission denied), schema sluice, character 13'],
  [
    'permission denied for database sluice',
    '42501',
    'SQLSTATE 42501 (permission denied), database sluice, character 13',
  ],
  ['permission denied: "ada" is a value', '42501', 'SQLSTATE 42501 (permission denied), character 13'],
  // Both are what a value looks like that somebody has put into the text of a statement.
  ['column "ada@example.org" does not exist', '42703', 'SQLSTATE 42703 (undefined column), character 13'],
  ['missing FROM-clause entry for table "ada"', '42P01', 'SQLSTATE 42P01 (undefined table), character 13'],
])('a wrong statement is found by what is missing or by its place: %s', (message, sqlstate, words) => {
  expect(explain(Object.assign(serverError(sqlstate), { message, position: '13' }))).toBe(words)
})

test('what came first is said where a statement failed only because of it', () => {
  const first = Object.assign(serverError('23505'), { constraint: 'user_email_key' })
  const aborted = Object.assign(serverError('25P02'), { cause: first })
  const came = 'first came SQLSTATE 23505 (integrity constraint violation), constraint user_email_key'
  expect(explain(aborted)).toBe(`SQLSTATE 25P02 (a statement before this one failed); ${came}`)
  const words = explain(new TransactionAborted({ cause: first }))
  expect(words).toMatch(/^TransactionAborted: a statement in tx failed and the handler returned nevertheless/)
  expect(words?.endsWith(`; ${came}`)).toBe(true)
})

function serverError(code: string): DatabaseError {
  return Object.assign(new DatabaseError('a secret value', 1, 'error'), { code })
}
