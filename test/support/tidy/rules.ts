/** What a reader may rely on in every file. Each rule answers one line for each place that breaks it. */
import { circles, floorViolations } from './floors.ts'
import { isFunction, type Node, nodesOf, type Source } from './source.ts'

export interface Rule {
  readonly name: string
  readonly broken: (sources: readonly Source[]) => readonly string[]
}

const FUNCTION_LINES_MAX = 70
const FILE_LINES_MAX = 300
const EXPORTS_MAX = 5
const PARAMETERS_MAX = 3

/** What is written by hand and ships, or starts what ships. */
const isOurs = ({ path }: Source): boolean => /^(?:src|dev)\//.test(path) && !path.startsWith('src/generated/')
const isSrc = (source: Source): boolean => source.path.startsWith('src/') && isOurs(source)
const isTest = ({ path }: Source): boolean => path.startsWith('test/')

export const RULES: readonly Rule[] = [
  { name: 'imports go downward only', broken: floorViolations },
  {
    name: 'there are no circles of imports',
    broken: sources => circles(sources.filter(({ path }) => /^(?:src|dev)\//.test(path))),
  },
  {
    name: `functions have at most ${FUNCTION_LINES_MAX} lines`,
    broken: inNodes(isOurs, (node, { lineOf }) => {
      const lines = lineOf(node.end) - lineOf(node.start) + 1
      return isFunction(node) && lines > FUNCTION_LINES_MAX && `a function of ${lines} lines`
    }),
  },
  {
    name: `files have at most ${FILE_LINES_MAX} lines`,
    broken: inFiles(isOurs, ({ lines }) => lines > FILE_LINES_MAX && `${lines} lines`),
  },
  {
    name: `files export at most ${EXPORTS_MAX} things, types and errors.ts aside`,
    broken: inFiles(isOurs, ({ path, exports }) => {
      // A set, since each overload is an export of its own.
      const names = [...new Set(exports.filter(({ isType }) => !isType).map(({ name }) => name))]
      return path !== 'src/consumer/errors.ts' && names.length > EXPORTS_MAX && `exports ${names.join(', ')}`
    }),
  },
  {
    name: `functions take at most ${PARAMETERS_MAX} parameters, then an object`,
    broken: inNodes(isOurs, node => {
      const params = Array.isArray(node.params) ? node.params : []
      return params.length > PARAMETERS_MAX && !node.type.startsWith('TSTypeParameter') && `${params.length} parameters`
    }),
  },
  { name: 'nothing is `any`', broken: inNodes(isOurs, ({ type }) => type === 'TSAnyKeyword' && '`any`') },
  {
    name: 'a cast says at which boundary it stands, and why it is safe',
    broken: inNodes(
      isSrc,
      (node, source, around) =>
        isCast(node) && !hasBoundary(node, source, around) && 'a cast without a comment `// Boundary: …`',
    ),
  },
  {
    name: 'the environment is read in config.ts alone',
    broken: inNodes(isSrc, (node, { path }) => path !== 'src/config.ts' && readsEnvironment(node) && 'process.env'),
  },
  {
    name: 'there are no barrels',
    broken: inFiles(
      () => true,
      ({ path }) => /(?:^|\/)index\.[cm]?[jt]s$/.test(path) && 'a barrel hides who needs what',
    ),
  },
  {
    name: 'nothing is left to do',
    broken: inFiles(
      () => true,
      ({ comments }) =>
        comments.filter(({ text }) => /\b(?:TODO|FIXME|XXX|HACK)\b/.test(text)).map(({ first }) => `line ${first}`),
    ),
  },
  {
    name: 'time passes through the clock',
    broken: inNodes(
      source => isSrc(source) && !/^src\/(?:adapters|handlers)\/|^src\/process\.ts$/.test(source.path),
      node => isTimer(node) && 'a timer of its own',
    ),
  },
  {
    name: 'tests wait for facts, not for time',
    broken: inNodes(
      source => isTest(source) && !/^test\/(?:integration|support)\//.test(source.path),
      node => isTimer(node) && 'a timer',
    ),
  },
  {
    name: 'no test is skipped, none runs alone',
    broken: inNodes(isTest, node => isLeftOut(node) && 'a test that does not run, or runs alone'),
  },
  {
    name: 'errors are of errors.ts: they have a code',
    broken: inNodes(
      isSrc,
      node => node.type === 'NewExpression' && nameOf(node.callee) === 'Error' && 'a bare `Error`',
    ),
  },
  {
    name: 'names are those of the glossary',
    broken: inFiles(isSrc, ({ path, exports }) =>
      [path.split('/').at(-1) ?? '', ...exports.map(({ name }) => name)]
        .filter(name => isMisnomer(name, path))
        .map(name => `the name ${name}`),
    ),
  },
]

function inFiles(
  applies: (source: Source) => boolean,
  check: (source: Source) => string | false | readonly string[],
): Rule['broken'] {
  return sources =>
    sources.filter(applies).flatMap(source => {
      const found = check(source)
      return (Array.isArray(found) ? found : found === false ? [] : [found]).map(what => `${source.path}: ${what}`)
    })
}

function inNodes(
  applies: (source: Source) => boolean,
  check: (node: Node, source: Source, around: readonly Node[]) => string | false,
): Rule['broken'] {
  return sources =>
    sources.filter(applies).flatMap(source =>
      [...nodesOf(source)].flatMap(([node, around]) => {
        const what = check(node, source, around)
        return what === false ? [] : [`${source.path}:${source.lineOf(node.start)}: ${what}`]
      }),
    )
}

/** `as const` promises nothing that is not so. */
function isCast(node: Node): boolean {
  if (node.type === 'TSTypeAssertion') return true
  if (node.type !== 'TSAsExpression') return false
  const { typeName } = node.typeAnnotation as Node
  return nameOf(typeName) !== 'const'
}

/** On its line, or in the comment that ends right above it or above the statement that it is part of. */
function hasBoundary(node: Node, { comments, lineOf }: Source, around: readonly Node[]): boolean {
  const statement = around.findLast(
    ({ type }) => /Statement$|Declaration$|^PropertyDefinition$|^Property$/.test(type) && type !== 'BlockStatement',
  )
  const lines = [lineOf(node.start), lineOf(node.end), ...(statement === undefined ? [] : [lineOf(statement.start)])]
  return comments.some(({ text, first, last }, index) => {
    if (!text.startsWith('Boundary:')) return false
    // A comment of several lines goes on with the next one.
    let end = last
    while (comments[++index]?.first === end + 1) end++
    return lines.some(line => line === first || line === end + 1)
  })
}

function readsEnvironment(node: Node): boolean {
  if (node.type === 'MemberExpression')
    return (
      nameOf(node.property) === 'env' && (nameOf(node.object) === 'process' || isProcessOfGlobal(node.object as Node))
    )
  if (node.type === 'ImportDeclaration') return /^(?:node:)?process$/.test(String((node.source as Node).value))
  return node.type === 'VariableDeclarator' && nameOf(node.init) === 'process'
}

function isProcessOfGlobal(node: Node): boolean {
  return node.type === 'MemberExpression' && nameOf(node.object) === 'globalThis' && nameOf(node.property) === 'process'
}

/** A turn of the loop is no time. */
function isTimer(node: Node): boolean {
  if (node.type === 'ImportDeclaration' && String((node.source as Node).value).startsWith('node:timers')) {
    return (node.specifiers as Node[]).some(({ imported }) => nameOf(imported) !== 'setImmediate')
  }
  if (node.type !== 'CallExpression') return false
  const callee = node.callee as Node
  return ['setTimeout', 'setInterval'].includes(nameOf(callee) ?? nameOf(callee.property) ?? '')
}

function isLeftOut(node: Node): boolean {
  if (node.type !== 'MemberExpression') return false
  const tester = ['test', 'it', 'describe', 'suite'].includes(nameOf(rootOf(node)) ?? '')
  return tester && ['skip', 'only', 'todo', 'skipIf', 'runIf', 'fails'].includes(nameOf(node.property) ?? '')
}

function rootOf(node: Node): Node {
  const inner = (
    node.type === 'MemberExpression' ? node.object : node.type === 'CallExpression' ? node.callee : null
  ) as Node | null
  return inner === null ? node : rootOf(inner)
}

/** Words that say nothing, and words for what has a name here: a record is no message and no job, but for the Kafka client it is. */
function isMisnomer(name: string, path: string): boolean {
  if (/Manager|Helper|Utils?(?![a-z])|Job(?![a-z])|^(?:utils?|helpers?|common|misc|shared)\.ts$/i.test(name))
    return true
  if (/Message/i.test(name) && !path.startsWith('src/adapters/kafka/')) return true
  return name.endsWith('Service') && path !== 'src/service.ts'
}

function nameOf(node: unknown): string | null {
  const named = node as Node | null | undefined
  return named?.type === 'Identifier' ? String(named.name) : null
}
