import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'

it('the handler in the README is the one that the tests compile and run', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  const [block] = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code)
  const file = await readFile(new URL('order-totals.ts', import.meta.url), 'utf8')
  expect(block?.replace('./generated/', '../../src/generated/')).toBe(file)
})

it('the README is short enough to be read', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(180)
})
