/** Every planted bug still finds the text that it changes, so that a change of the source says at once which patches go with it. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { MUTANTS } from '../mutants/list.ts'
import { problemOf } from '../mutants/mutant.ts'

test.each(MUTANTS)('$name: the patch applies', mutant => {
  expect(problemOf(mutant, sourceOf(mutant.file))).toBeNull()
})

test('no two planted bugs have one name', () => {
  const names = MUTANTS.map(({ name }) => name)
  expect(names.filter((name, index) => names.indexOf(name) < index)).toEqual([])
})

test('a patch whose text is gone, or is there twice, does not apply', () => {
  const mutant = { name: 'a bug', file: 'src/a.ts', text: 'one', replacement: 'two' }
  expect(problemOf(mutant, 'many')).toMatch('0 times')
  expect(problemOf(mutant, 'one one')).toMatch('2 times')
  expect(problemOf(mutant, 'just one')).toBeNull()
  expect(problemOf({ ...mutant, replacement: 'one' }, 'one')).toMatch('nothing')
})

function sourceOf(file: string): string {
  return readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8')
}
