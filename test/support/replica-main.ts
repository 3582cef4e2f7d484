/** One replica of a service with the sample handler on a topic of the test's own: the environment says which. */
import { userActivity } from '../../src/handlers/user-activity.ts'
import { runService } from '../../src/service.ts'

const handler = userActivity({ loginMs: Number(process.env['TEST_WORK_MS'] ?? 0), logoutMs: 0 })
await runService({
  handlers: [{ ...handler, topics: [process.env['TEST_TOPIC'] ?? ''] }],
  migrations: new URL('../../migrations/samples/', import.meta.url),
})
