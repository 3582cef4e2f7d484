/** `npm run generate:chart`: writes what the chart has of the configuration anew. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { CHART, chartFiles } from './chart-files.ts'

for (const [path, text] of await chartFiles()) {
  await writeFile(join(CHART, path), text)
  console.log(`helm/sluice/${path}`)
}
