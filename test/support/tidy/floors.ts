/** Which floor a file stands on, and whom it may import. Imports go downward only. */
import type { Import, Source } from './source.ts'

type Floor = 'core' | 'consumer' | 'adapters' | 'handlers' | 'generated' | 'top'

/** The library that each adapter is there for. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  clock: [],
  http: ['fastify'],
  kafka: ['kafkajs', 'snappy', 'lz4-napi'],
  memory: [],
  postgres: ['pg'],
  registry: ['avsc'],
  telemetry: ['pino', 'prom-client'],
}

/** What a member of a group decides is the same on every broker, the memory one included. */
const GROUP_DECISIONS = new Set(['src/core/assignor.ts', 'src/core/ownership.ts', 'src/core/record.ts'])

/** `file → import`, and why not. */
export function floorViolations(sources: readonly Source[]): string[] {
  return sources
    .filter(({ path }) => path.startsWith('src/'))
    .flatMap(source =>
      source.imports.flatMap(each => {
        const why = refusal(source.path, each)
        return why === null ? [] : [`${source.path} → ${each.specifier}: ${why}`]
      }),
    )
}

function refusal(path: string, { path: to, specifier, typeOnly }: Import): string | null {
  if (to === null) return refusalOfModule(path, specifier)
  if (!to.startsWith('src/')) return 'what ships imports nothing from outside src'
  const floor = floorOf(to)
  const from = floorOf(path)
  switch (from) {
    case 'core':
      return floor === 'core' ? null : 'core imports core only'
    case 'consumer':
      return floor === 'core' || floor === 'consumer' ? null : 'consumer imports core and consumer only'
    case 'adapters':
      if (folderOf(to) === folderOf(path)) return null
      if (floor === 'adapters') return 'adapters never import each other'
      if (floor === 'core')
        return typeOnly || GROUP_DECISIONS.has(to) ? null : 'adapters import types from core, nothing that runs'
      return to === 'src/consumer/ports.ts' || to === 'src/consumer/errors.ts'
        ? null
        : 'adapters import ports.ts and errors.ts of consumer, and nothing above'
    case 'handlers':
      if (floor === 'handlers' || floor === 'generated' || to === 'src/consumer/handler.ts') return null
      return floor === 'core' && typeOnly ? null : 'handlers import consumer/handler.ts and generated'
    case 'generated':
      return floor === 'generated' ? null : 'generated files import nothing'
    case 'top':
      return floor === 'handlers' && path !== 'src/main.ts' ? 'only main.ts knows the handlers' : null
    default:
      return from satisfies never
  }
}

function refusalOfModule(path: string, specifier: string): string | null {
  const isNode = specifier.startsWith('node:')
  const from = floorOf(path)
  switch (from) {
    case 'core':
    case 'consumer':
    case 'generated':
      return 'the lower floors import no node: and no package'
    case 'adapters': {
      const libraries = LIBRARIES[folderOf(path).split('/').at(-1) ?? ''] ?? []
      return isNode || libraries.includes(specifier)
        ? null
        : `the libraries of this adapter are: ${libraries.join(', ') || 'none'}`
    }
    case 'handlers':
      return null
    case 'top':
      return isNode ? null : 'libraries are behind adapters'
    default:
      return from satisfies never
  }
}

function floorOf(path: string): Floor {
  const [, folder = ''] = path.split('/')
  return folder === 'core' ||
    folder === 'consumer' ||
    folder === 'adapters' ||
    folder === 'handlers' ||
    folder === 'generated'
    ? folder
    : 'top'
}

/** `src/adapters/kafka` for everything below it. */
function folderOf(path: string): string {
  return path.split('/').slice(0, 3).join('/')
}

/** `a → b → a`, type-only imports included: what cannot be read apart cannot be changed apart. */
export function circles(sources: readonly Source[]): string[] {
  const graph = new Map(
    sources.map(({ path, imports }) => [path, imports.flatMap(({ path: to }) => (to === null ? [] : [to]))]),
  )
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, way: readonly string[]): void => {
    const at = way.indexOf(path)
    if (at >= 0) found.push([...way.slice(at), path].join(' → '))
    if (at >= 0 || done.has(path)) return
    for (const next of graph.get(path) ?? []) visit(next, [...way, path])
    done.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
  return found
}
