/** What the sample handlers left in Postgres, and what of a stream is missing. */
import { Pool } from 'pg'

export interface Effects {
  /** Inbox rows of the handler. */
  handled(): Promise<number>
  /** The sum of all users' logins: every event counts one, and a doubled effect shows. */
  logins(): Promise<number>
  end(): Promise<void>
}

export function effectsIn(url: string): Effects {
  const pool = new Pool({ connectionString: url, max: 2 })
  // A database that is stopped in a test drops idle connections; the next question opens a new one.
  pool.on('error', () => undefined)
  const count = async (sql: string) => {
    const { rows } = await pool.query<{ count: string }>(sql)
    return Number(rows[0]?.count ?? 0)
  }
  return {
    handled: () => count('select count(*) from sluice.inbox'),
    logins: () => count('select coalesce(sum(logins), 0) as count from user_profile'),
    end: () => pool.end(),
  }
}
