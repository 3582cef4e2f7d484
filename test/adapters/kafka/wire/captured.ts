/** Answers that a real broker gave, and what Kafka's own consumer read there; `dev/fixtures/capture.ts` wrote both. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RawRecord } from '../../../../src/consumer/ports.ts'

const FOLDER = join(import.meta.dirname, '../../../fixtures/wire')

export interface Captured {
  readonly name: string
  readonly topic: string
  readonly isolation: string
  /** The offset that was asked for. */
  readonly from: number
  readonly bytesMax: number
  readonly raw: Buffer
}

export const WHOLE = 1024 * 1024

/** Of one partition each, by name. */
export const CAPTURED: readonly Captured[] = readdirSync(FOLDER)
  .filter(name => name.includes('~'))
  .toSorted()
  .map(name => {
    const [topic = '', isolation = '', from, bytesMax] = name.replace('.bin', '').split('~')
    return {
      name,
      topic,
      isolation,
      from: Number(from),
      bytesMax: Number(bytesMax),
      raw: readFileSync(join(FOLDER, name)),
    }
  })

/** Of five partitions. */
export const SEVERAL: Buffer = readFileSync(join(FOLDER, 'several.bin'))

export interface Line {
  readonly offset: number
  readonly text: string
}

const readings = new Map<string, readonly Line[]>()
for (const topic of new Set(CAPTURED.map(({ topic }) => topic))) readText(topic)

/** What Java read from the same offset on, to the end of the log. */
export function javaRead({ topic, isolation, from }: Captured): readonly Line[] {
  const lines = readings.get(`${topic} ${isolation} ${from}`)
  if (lines === undefined) throw new Error(`no reading of ${topic} from ${from}`)
  return lines
}

function readText(topic: string): void {
  const seen = new Map<number, string>()
  for (const reading of readFileSync(join(FOLDER, `${topic}.txt`), 'utf8')
    .split(/^> /m)
    .slice(1)) {
    const [head = '', ...lines] = reading.trimEnd().split('\n')
    readings.set(
      head,
      lines.map(line => {
        const again = line.startsWith('= ')
        const offset = Number(line.split(' ')[again ? 1 : 0])
        if (!again) seen.set(offset, line)
        return { offset, text: seen.get(offset) ?? '' }
      }),
    )
  }
}

/** As Dump.java writes a record. */
export function lineOf({ offset, timestampMs, key, value, headers }: RawRecord): Line {
  const pairs = headers.map(([name, content]) => `${textOf(Buffer.from(name))}=${textOf(content)}`)
  return { offset, text: [offset, timestampMs, textOf(key), textOf(value), ...pairs].join(' ') }
}

function textOf(bytes: Uint8Array | null): string {
  if (bytes === null) return '-'
  if (bytes.length <= 24) return `x${Buffer.from(bytes).toString('hex')}`
  return `${bytes.length}:${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`
}
