/** Started in a copy of the repository: simulates seed after seed until something is violated. Names each one before, and says what it found. */
import { simulate } from '../simulation/service/simulate.ts'

const [from = 1, count = 0] = process.argv.slice(2).map(Number)

for (let seed = from; seed < from + count; seed++) {
  process.stdout.write(`${JSON.stringify({ seed })}\n`)
  const { violation } = await simulate(seed)
  if (violation === null) continue
  process.stdout.write(`${JSON.stringify({ seed, violation })}\n`)
  break
}
