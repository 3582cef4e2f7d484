import { setTimeout as delay } from 'node:timers/promises'
import { defineHandler, exponential } from '../consumer/handler.ts'
import { UserActivity } from '../generated/user-activity.ts'

const UPSERT = `
  insert into user_profile as known (user_id, logins, logouts, last_login_at, last_logout_at, last_seen_at)
  values ($1, $2::integer, 1 - $2::integer, case $2 when 1 then $3::timestamptz end, case $2 when 0 then $3::timestamptz end, $3)
  on conflict (user_id) do update set
    logins = known.logins + excluded.logins,
    logouts = known.logouts + excluded.logouts,
    last_login_at = greatest(known.last_login_at, excluded.last_login_at),
    last_logout_at = greatest(known.last_logout_at, excluded.last_logout_at),
    last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)`

/** Counts what each user does. `work` is how long the sample pretends to work on an event, without a transaction. */
export const userActivity = (work: { loginMs: number; logoutMs: number }) =>
  defineHandler({
    topic: 'user-activity',
    schema: UserActivity,
    orderBy: ({ value }) => value.userId,
    idempotencyKey: ({ value }) => value.eventId,
    retry: exponential({ initialMs: 100, maxMs: 10_000, attemptsMax: 5 }),
    timeoutMs: 5_000,
    async handle({ value }, { tx, signal }) {
      const login = value.type === 'LOGIN'
      await delay(login ? work.loginMs : work.logoutMs, undefined, { signal })
      await tx.query(UPSERT, [value.userId, login ? 1 : 0, value.occurredAt])
    },
  })
