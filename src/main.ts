/** This service: the two sample streams. */
import { environment, sampleWork } from './config.ts'
import { orders } from './handlers/orders.ts'
import { userActivity } from './handlers/user-activity.ts'
import { runService } from './service.ts'

const work = sampleWork(environment())
await runService({
  handlers: [userActivity(work), orders(work)],
  migrations: new URL('../migrations/samples/', import.meta.url),
})
