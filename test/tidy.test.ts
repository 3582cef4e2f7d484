/** The rules that keep the source readable. Each one is shown to be able to fail. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { generateTypes } from '../src/cli/types.ts'
import { RULES } from './support/tidy/rules.ts'
import { readSources, sourceOf } from './support/tidy/source.ts'

const sources = readSources('src', 'dev', 'bench', 'test')

/** For each rule what breaks it: path and text of files, and how many places are to be found. */
const PLANTED: Readonly<
  Record<string, readonly (readonly [count: number, files: Readonly<Record<string, string>>])[]>
> = {
  'imports go downward only': [
    [1, { 'src/core/a.ts': `import { x } from '../consumer/b.ts'` }],
    [1, { 'src/core/a.ts': `import { x } from 'node:fs'` }],
    [1, { 'src/core/a.ts': `import type { x } from 'pg'` }],
    [1, { 'src/core/a.ts': `export { x } from '../consumer/b.ts'` }],
    [1, { 'src/core/a.ts': `const x = await import('../consumer/b.ts')` }],
    [2, { 'src/consumer/a.ts': `import { x } from '../adapters/http/b.ts'\nimport { y } from 'node:timers'` }],
    [1, { 'src/consumer/a.ts': `import type { x } from '../service.ts'` }],
    [1, { 'src/adapters/http/a.ts': `import { x } from '../kafka/b.ts'` }],
    [1, { 'src/adapters/http/a.ts': `import { x } from '../../core/b.ts'\nimport type { X } from '../../core/b.ts'` }],
    [
      1,
      {
        'src/adapters/http/a.ts': `import { x } from '../../consumer/consumer.ts'\nimport { y } from '../../consumer/errors.ts'`,
      },
    ],
    [
      1,
      { 'src/adapters/http/a.ts': `import { x } from 'pg'\nimport { y } from 'fastify'\nimport { z } from 'node:net'` },
    ],
    [1, { 'src/adapters/http/a.ts': `import { x } from '../../config.ts'` }],
    [
      1,
      { 'src/handlers/a.ts': `import { x } from '../consumer/ports.ts'\nimport { y } from '../consumer/handler.ts'` },
    ],
    [1, { 'src/generated/a.ts': `import { x } from '../core/b.ts'` }],
    [1, { 'src/service.ts': `import { x } from './handlers/orders.ts'` }],
    [0, { 'src/main.ts': `import { x } from './handlers/orders.ts'` }],
    [1, { 'src/cli/a.ts': `import { x } from 'kafkajs'` }],
    [1, { 'src/cli/a.ts': `import { x } from '../../dev/b.ts'` }],
  ],
  'there are no circles of imports': [
    [1, { 'src/a.ts': `import { b } from './b.ts'`, 'src/b.ts': `import type { a } from './a.ts'` }],
    [1, { 'src/a.ts': `export * from './b.ts'`, 'src/b.ts': `import './c.ts'`, 'src/c.ts': `import('./a.ts')` }],
    [0, { 'src/a.ts': `import './b.ts'\nimport './c.ts'`, 'src/b.ts': `import './c.ts'`, 'src/c.ts': '' }],
  ],
  'functions have at most 70 lines': [
    [1, { 'src/a.ts': `function f() {\n${'//\n'.repeat(69)}}` }],
    [1, { 'dev/a.ts': `const f = () => {\n${'//\n'.repeat(69)}}` }],
    [1, { 'src/a.ts': `class A {\n m() {\n${'//\n'.repeat(69)}}\n}` }],
    [0, { 'src/a.ts': `function f() {\n${'//\n'.repeat(68)}}` }],
  ],
  'files have at most 300 lines': [
    [1, { 'src/a.ts': '//\n'.repeat(301) }],
    [0, { 'src/a.ts': '//\n'.repeat(300), 'src/generated/a.ts': '//\n'.repeat(301) }],
  ],
  'files export at most 5 things, types and errors.ts aside': [
    [
      1,
      { 'src/a.ts': 'export const a = 1, b = 2, c = 3\nexport function d() {}\nexport class E {}\nexport { a as f }' },
    ],
    [
      0,
      {
        'src/a.ts':
          'export const a = 1, b = 2, c = 3\nexport function d() {}\nexport class E {}\nexport interface F {}\nexport type G = 1\nexport type { H } from "./b.ts"',
      },
    ],
    [
      0,
      {
        'src/consumer/errors.ts':
          'export class A {}\nexport class B {}\nexport class C {}\nexport class D {}\nexport class E {}\nexport class F {}',
      },
    ],
  ],
  'functions take at most 3 parameters, then an object': [
    [3, { 'src/a.ts': 'function f(a, b, c, d) {}\nconst g = (a, b, c, d) => {}\nclass A { m(a, b, c, ...d) {} }' }],
    [2, { 'src/a.ts': 'interface A { m(a: 1, b: 1, c: 1, d: 1): void }\ntype F = (a: 1, b: 1, c: 1, d: 1) => void' }],
    [0, { 'src/a.ts': 'function f<A, B, C, D>(a: A, b: B, c: Map<C, D>) {}\ntype F = Four<1, 2, 3, 4>' }],
  ],
  'nothing is `any`': [[2, { 'src/a.ts': 'let a: any\nlet b: Map<string, any>\nlet c: unknown // any' }]],
  'a cast says at which boundary it stands, and why it is safe': [
    [1, { 'src/a.ts': 'const a = b as C' }],
    [2, { 'src/a.ts': '// Why not.\nconst a = b as unknown as C' }],
    [1, { 'src/a.ts': 'const a = <C>b' }],
    [1, { 'src/a.ts': '// Boundary: of another one.\nconst a = b\n\nconst c = d as E' }],
    [0, { 'src/a.ts': 'const a = b as const\nconst c = d satisfies E' }],
    [0, { 'src/a.ts': '// Boundary: it is checked above,\n// and said in two lines.\nconst a = f(\n  b as C,\n)' }],
    [0, { 'src/a.ts': 'const a = b as C // Boundary: it is.' }],
  ],
  'the environment is read in config.ts alone': [
    [1, { 'src/a.ts': 'const a = process.env.HOME' }],
    [1, { 'src/a.ts': 'const { env } = process' }],
    [1, { 'src/a.ts': `import { env } from 'node:process'` }],
    [1, { 'src/a.ts': 'const a = globalThis.process.env' }],
    [
      0,
      { 'src/config.ts': 'const a = process.env', 'dev/a.ts': 'const a = process.env', 'src/a.ts': 'process.exit(1)' },
    ],
  ],
  'there are no barrels': [[1, { 'src/a/index.ts': '' }]],
  'nothing is left to do': [[2, { 'src/a.ts': '// TODO: this\n/* FIXME */', 'test/b.ts': `const a = 'TODO'` }]],
  'time passes through the clock': [
    [1, { 'src/consumer/a.ts': 'setTimeout(f, 1)' }],
    [1, { 'src/core/a.ts': 'globalThis.setInterval(f, 1)' }],
    [1, { 'src/cli/a.ts': `import { setTimeout as delay } from 'node:timers/promises'` }],
    [0, { 'src/adapters/http/a.ts': 'setTimeout(f, 1)' }],
  ],
  'tests wait for facts, not for time': [
    [1, { 'test/core/a.test.ts': 'setTimeout(f, 1)' }],
    [1, { 'test/a.test.ts': `import { setTimeout } from 'node:timers/promises'` }],
    [0, { 'test/a.test.ts': `import { setImmediate as turn } from 'node:timers/promises'` }],
    [0, { 'test/integration/a.test.ts': 'setTimeout(f, 1)', 'test/support/a.ts': 'setTimeout(f, 1)' }],
  ],
  'no test is skipped, none runs alone': [
    [4, { 'test/a.test.ts': 'test.skip(a)\ndescribe.only(b)\nit.todo(c)\ntest.skipIf(d)(e)' }],
    [1, { 'test/integration/a.test.ts': 'test.concurrent.only(a)' }],
    [0, { 'test/a.test.ts': 'test.each([1])(a)\nqueue.skip(1)' }],
  ],
  'errors are of errors.ts: they have a code': [
    [2, { 'src/a.ts': `throw new Error('x')\nreject(new Error('y'))`, 'dev/a.ts': 'throw new Error()' }],
  ],
  'names are those of the glossary': [
    [1, { 'src/utils.ts': '' }],
    [
      5,
      {
        'src/a.ts':
          'export class OffsetManager {}\nexport const lagHelper = 1\nexport interface KafkaMessage {}\nexport type Job = 1\nexport class LagService {}',
      },
    ],
    [
      0,
      {
        'src/service.ts': 'export interface RunningService {}',
        'src/a.ts': 'export const messageless = 1'.replace('messageless', 'utility'),
      },
    ],
  ],
}

const read = (from: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(from)
      .toSorted()
      .map(name => [name, readFileSync(join(from, name), 'utf8')]),
  )

describe.each(RULES)('$name', ({ name, broken }) => {
  test('in every file', () => {
    expect(broken(sources)).toEqual([])
  })

  test('and a file that breaks it is found', () => {
    const planted = PLANTED[name] ?? []
    expect(planted.length).toBeGreaterThan(0)
    for (const [count, files] of planted) {
      const found = broken(Object.entries(files).map(([path, text]) => sourceOf(path, text)))
      expect([files, found, found.length]).toEqual([files, found, count])
      for (const line of found) expect(Object.keys(files).some(path => line.includes(path))).toBe(true)
    }
  })
})

describe('generated files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-generated-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  test('are what `npm run generate` makes of the schemas today, no more and no less', async () => {
    await generateTypes('schemas', folder)
    expect(read('src/generated')).toEqual(read(folder))
  })
})

test('what is looked at is there', () => {
  const paths = sources.map(({ path }) => path)
  expect(paths).toEqual(
    expect.arrayContaining([
      'src/service.ts',
      'src/core/engine.ts',
      'src/consumer/ports.ts',
      'src/adapters/http/server.ts',
      'test/tidy.test.ts',
    ]),
  )
})
