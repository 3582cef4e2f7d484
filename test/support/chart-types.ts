/**
 * Objects against the published types of Kubernetes, KEDA and the Prometheus operator. An API server drops a field that it does not
 * know in silence, and so a misspelled one does nothing. TypeScript refuses them: in an object that is written out, every property must be
 * one of its type. What types cannot say (patterns, bounds) the models' own validation does.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../../dev/root.ts'
import type { Manifest } from './chart.ts'

/** One line for every field that is wrong. `objects` by a name of the test's own, which the lines begin with. */
export function unknownFields(objects: ReadonlyMap<string, Manifest>): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-chart-types-'))
  try {
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    writeFileSync(join(folder, 'package.json'), '{"type": "module"}')
    const entries = [...objects]
    for (const [index, [, object]] of entries.entries())
      writeFileSync(join(folder, `object${index}.ts`), literalOf(object))
    writeFileSync(join(folder, 'tsconfig.json'), TSCONFIG)
    return complaints(folder).map(line =>
      line.replace(/^object(\d+)\.ts\(\d+,\d+\): error /, (_, index: string) => `${entries[Number(index)]?.[0]}: `),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Throws where a value is none that the API takes. */
export async function validate(object: Manifest): Promise<void> {
  const { kind } = object
  // Boundary: each module of the models exports the class of its kind; where it does not, the call below fails.
  const module = (await import(modelOf(object))) as Record<string, new (data: unknown) => { validate(): void }>
  const Model = module[kind]
  if (Model === undefined) throw new Error(`no model of ${kind}`)
  new Model(object).validate()
}

const TSCONFIG = JSON.stringify({
  compilerOptions: {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    module: 'nodenext',
    moduleResolution: 'nodenext',
    target: 'es2024',
    types: [],
  },
  include: ['*.ts'],
})

function complaints(folder: string): string[] {
  try {
    execFileSync(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', folder], {
      cwd: folder,
      encoding: 'utf8',
      stdio: 'pipe',
    })
    return []
  } catch (error) {
    if (!(error instanceof Error && 'stdout' in error)) throw error
    const lines = String(error.stdout).split('\n')
    // What follows in lines of its own, indented, is where the compiler came by.
    return lines.filter(line => line !== '' && !line.startsWith(' '))
  }
}

function literalOf(object: Manifest): string {
  const type = `I${object.kind}`
  return `import type { ${type} } from '${modelOf(object)}'\nexport const object: ${type} = ${JSON.stringify(object, null, 2)}\n`
}

function modelOf({ apiVersion, kind }: Manifest): string {
  const group = apiVersion.split('/')[0] ?? ''
  const base = MODELS.get(group) ?? 'kubernetes-models'
  return `${base}/${apiVersion}/${kind}`
}

const MODELS = new Map([
  ['keda.sh', '@kubernetes-models/keda'],
  ['monitoring.coreos.com', '@kubernetes-models/prometheus-operator'],
])
