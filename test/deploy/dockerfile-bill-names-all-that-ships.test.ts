/**
 * The bill of materials is what a scanner believes: a package that ships and is not named in it is one that nobody watches.
 * npm's own way of leaving out development dependencies leaves out too much, so the result is held against the lock file.
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

import { billOfMaterials, shipped } from '../../dev/ship/sbom.ts'

// Boundary: npm's own files, which it has checked before any test runs.
const read = <Shape>(name: string) =>
  JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')) as Shape
const manifest = read<{ name: string; dependencies: Record<string, string> }>('package.json')
const lock = read<{ packages: Record<string, { version: string; dev?: boolean }> }>('package-lock.json')

test.each(['x64', 'arm64'] as const)('every package that ships on %s is in it, and no other', async architecture => {
  const { components, metadata } = await billOfMaterials(architecture)
  const named = components.map(({ name, version }) => `${name}@${version}`)
  const locked = Object.keys(shipped(lock, architecture)).map(
    path => `${path.replace(/^.*node_modules\//, '')}@${lock.packages[path]?.version}`,
  )
  expect(new Set(named)).toEqual(new Set(locked))
  expect(metadata.component.name).toBe(manifest.name)
  const direct = Object.entries(manifest.dependencies).map(([name, version]) => `${name}@${version}`)
  expect(direct.filter(one => !named.includes(one))).toEqual([])
  // What a production dependency needs itself (@types/node) is in it all the same.
  expect(components.filter(({ name }) => ['vitest', 'typescript', 'testcontainers'].includes(name))).toEqual([])
})

test('what ships is what is not for development, and runs on Linux with glibc', () => {
  const packages = {
    '': {},
    'node_modules/a': {},
    'node_modules/a/node_modules/b': { os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
    'node_modules/for-tests': { dev: true },
    'node_modules/mac': { os: ['darwin'] },
    'node_modules/arm': { os: ['linux'], cpu: ['arm64'] },
    'node_modules/musl': { os: ['linux'], cpu: ['x64'], libc: ['musl'] },
  }
  expect(Object.keys(shipped({ packages }, 'x64'))).toEqual(['node_modules/a', 'node_modules/a/node_modules/b'])
  expect(Object.keys(shipped({ packages }, 'arm64'))).toEqual(['node_modules/a', 'node_modules/arm'])
})
