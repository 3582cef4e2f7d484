/** Source files as syntax trees, for the rules that tidy.test.ts holds. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { parseSync, visitorKeys } from 'oxc-parser'

export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [field: string]: unknown
}

export interface Import {
  /** As written. */
  readonly specifier: string
  /** From the root of the repository where it is relative, else null: a package or a module of node. */
  readonly path: string | null
  readonly typeOnly: boolean
}

export interface Source {
  /** From the root of the repository, with slashes. */
  readonly path: string
  readonly lines: number
  readonly program: Node
  readonly comments: readonly { readonly text: string; readonly first: number; readonly last: number }[]
  readonly imports: readonly Import[]
  readonly exports: readonly { readonly name: string; readonly isType: boolean }[]
  /** From 1. */
  readonly lineOf: (offset: number) => number
}

const ROOT = join(import.meta.dirname, '../../..')

/** Every TypeScript file below these folders. */
export function readSources(...folders: readonly string[]): Source[] {
  return folders.flatMap(folder =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts') && !name.split(/[\\/]/).includes('node_modules'))
      .map(name => posix.join(folder, name.replaceAll('\\', '/')))
      .toSorted()
      .map(path => sourceOf(path, readFileSync(join(ROOT, path), 'utf8'))),
  )
}

export function sourceOf(path: string, text: string): Source {
  const { program, module, comments, errors } = parseSync(path, text)
  if (errors.length > 0) throw new Error(`${path} cannot be parsed: ${errors[0]?.message}`)
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)]
  const lineOf = (offset: number): number => starts.findLastIndex(start => start <= offset) + 1
  const from = (specifier: string): string | null =>
    specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : null
  const imports = [
    ...module.staticImports.map(({ moduleRequest, entries }) => ({
      specifier: moduleRequest.value,
      typeOnly: entries.length > 0 && entries.every(({ isType }) => isType),
    })),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap(({ moduleRequest, isType }) =>
        moduleRequest === null ? [] : [{ specifier: moduleRequest.value, typeOnly: isType }],
      ),
    ),
    // What is computed at run time cannot be known here, and none of it is allowed: it stands as it is written.
    ...module.dynamicImports.map(({ moduleRequest: { start, end } }) => ({
      specifier: text.slice(start, end).replaceAll(/^['"`]|['"`]$/g, ''),
      typeOnly: false,
    })),
  ].map(({ specifier, typeOnly }) => ({ specifier, typeOnly, path: from(specifier) }))
  return {
    path,
    lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    program: program as unknown as Node,
    comments: comments.map(({ value, start, end }) => ({
      text: value.trim(),
      first: lineOf(start),
      last: lineOf(end),
    })),
    imports,
    exports: module.staticExports.flatMap(({ entries }) =>
      entries.map(({ exportName, isType }) => ({
        name: exportName.name ?? '*',
        isType: isType || isTypeDeclared(program as unknown as Node, exportName.name),
      })),
    ),
    lineOf,
  }
}

/** An interface's export is not marked as a type's by the parser when it is declared on the spot. */
function isTypeDeclared(program: Node, name: string | null): boolean {
  return (program.body as Node[]).some(({ declaration }) => {
    const declared = declaration as Node | null | undefined
    const isType = declared?.type === 'TSInterfaceDeclaration' || declared?.type === 'TSTypeAliasDeclaration'
    return isType && (declared?.id as Node | undefined)?.name === name
  })
}

/** Every node, with those around it, the innermost last. */
export function* nodesOf(source: Source): Iterable<readonly [node: Node, around: readonly Node[]]> {
  yield* walk(source.program, [])
}

function* walk(node: Node, around: readonly Node[]): Iterable<readonly [node: Node, around: readonly Node[]]> {
  yield [node, around]
  const within = [...around, node]
  for (const key of visitorKeys[node.type] ?? []) {
    const children = node[key]
    for (const child of Array.isArray(children) ? children : [children]) {
      if (child !== null && typeof child === 'object') yield* walk(child as Node, within)
    }
  }
}

export function isFunction({ type }: Node): boolean {
  return type === 'FunctionDeclaration' || type === 'FunctionExpression' || type === 'ArrowFunctionExpression'
}
