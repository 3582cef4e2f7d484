/** `types <schemas> --out <folder>`: for each .avsc a file of types, and a constant that a handler's `schema` takes. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Shape, shapeOf } from '../adapters/registry/shape.ts'
import { describe, Misconfigured } from '../consumer/errors.ts'
import { type Command, EXIT, Misused, type Options } from './command.ts'
import { emit } from './emit.ts'

const OPTIONS = {
  out: { type: 'string', value: 'FOLDER', means: 'where the .ts files go; it is made where it is not there' },
} as const satisfies Options

export const types: Command = {
  usage: ['SCHEMAS --out FOLDER'],
  options: OPTIONS,
  about: [
    "Writes FOLDER/name.ts for each name.avsc of the folder SCHEMAS: the record's type, and the constant that a handler's `schema` takes. Prints the paths. Nothing is written where one of the schemas is faulty.",
    'Exit codes: 0; 1 where a schema is faulty or a folder cannot be read or written.',
  ],
  async run(args, { out }) {
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS })
    const [folder, ...rest] = positionals
    if (folder === undefined || rest.length > 0 || values.out === undefined)
      throw new Misused('one folder of schemas, and --out with another folder')
    for (const path of await generateTypes(folder, values.out)) out(`${path}\n`)
    return EXIT.ok
  },
}

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
