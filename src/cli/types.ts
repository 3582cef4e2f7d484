/** `types <schemas> --out <folder>`: for each .avsc a file of types, and a constant that a handler's `schema` takes. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type Shape, shapeOf } from '../adapters/registry/shape.ts'
import { describe, Misconfigured } from '../consumer/errors.ts'
import { emit } from './emit.ts'

/**
 * Writes `outDir/<name>.ts` for each `dir/<name>.avsc` and answers with the paths written. Nothing is written where one of the schemas is faulty.
 * Throws `Misconfigured`, which says what is wrong in which file.
 */
export async function generateTypes(dir: string, outDir: string): Promise<readonly string[]> {
  const sources = (await readdir(dir)).filter(name => name.endsWith('.avsc')).toSorted()
  if (sources.length === 0) throw new Misconfigured(`${dir} has no .avsc file`)
  const files = await Promise.all(
    sources.map(async source => {
      const text = typesOf(source, await readFile(join(dir, source), 'utf8'))
      return { path: join(outDir, `${basename(source, '.avsc')}.ts`), text }
    }),
  )
  await mkdir(outDir, { recursive: true })
  await Promise.all(files.map(({ path, text }) => writeFile(path, text)))
  return files.map(({ path }) => path)
}

function typesOf(source: string, text: string): string {
  let avro: unknown
  let shape: Shape
  try {
    avro = JSON.parse(text)
    shape = shapeOf(avro)
  } catch (cause) {
    throw new Misconfigured(`${source} is not a valid Avro schema: ${describe(cause)}`, { cause })
  }
  if (shape.kind !== 'record')
    throw new Misconfigured(`${source}: a handler takes records, and this is a schema of ${shape.kind}`)
  return emit(source, avro, shape)
}
