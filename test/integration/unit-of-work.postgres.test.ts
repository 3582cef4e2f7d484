import { afterAll, beforeAll } from 'vitest'
import { unitOfWorkContract } from '../contracts/unit-of-work.ts'
import { freshDatabase } from '../support/parts.ts'
import { postgresBench } from '../support/postgres-bench.ts'

let database: Awaited<ReturnType<typeof freshDatabase>>
beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(() => database.drop())

unitOfWorkContract('Postgres', () => postgresBench(database.url))
