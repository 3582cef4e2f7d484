/** A Dockerfile as a list of stages, and which files a .dockerignore lets through: as much of both as is asked about here. */

interface Instruction {
  readonly keyword: string
  readonly text: string
}

interface Stage {
  readonly name: string
  /** Another stage's name, or an image. */
  readonly from: string
  readonly instructions: readonly Instruction[]
}

export interface Dockerfile {
  /** Before the first FROM, with their defaults. */
  readonly args: ReadonlyMap<string, string>
  readonly stages: readonly Stage[]
}

export function parseDockerfile(text: string): Dockerfile {
  const args = new Map<string, string>()
  const stages: { name: string; from: string; instructions: Instruction[] }[] = []
  for (const { keyword, text: rest } of instructionsOf(text)) {
    const stage = stages.at(-1)
    if (keyword === 'FROM') {
      const [image = '', , name = ''] = rest.split(/\s+/)
      stages.push({
        name,
        from: image.replaceAll(/\$\{(\w+)\}/g, (_, arg: string) => args.get(arg) ?? ''),
        instructions: [],
      })
    } else if (stage !== undefined) stage.instructions.push({ keyword, text: rest })
    else if (keyword === 'ARG') args.set(rest.split('=')[0] ?? '', rest.split('=').slice(1).join('='))
  }
  return { args, stages }
}

function instructionsOf(text: string): Instruction[] {
  const lines = text.split('\n').filter(line => !/^\s*(?:#|$)/.test(line))
  const joined = lines.join('\n').replaceAll(/\\\n\s*/g, '')
  return joined.split('\n').map(line => {
    const [, keyword = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line.trim()) ?? []
    return { keyword: keyword.toUpperCase(), text: rest }
  })
}

/** The stage that is built when none is named. */
export function finalStage({ stages }: Dockerfile): Stage {
  const last = stages.at(-1)
  if (last === undefined) throw new Error('a Dockerfile without a stage')
  return last
}

export function textsOf({ instructions }: Stage, keyword: string): string[] {
  return instructions.filter(one => one.keyword === keyword).map(({ text }) => text)
}

/** A stage and those it stands on, the lowest first. */
export function ancestry({ stages }: Dockerfile, name: string): readonly Stage[] {
  const stage = stages.find(one => one.name === name)
  return stage === undefined ? [] : [...ancestry({ args: new Map(), stages }, stage.from), stage]
}

/** What an instruction takes from the checkout: sources, of which COPY --from has none. */
export function copiedFromCheckout(stage: Stage): string[] {
  return textsOf(stage, 'COPY')
    .filter(text => !text.includes('--from='))
    .flatMap(text => text.split(/\s+/).slice(0, -1))
}

/** The array form: the words, or null where it is the shell's form. */
export function wordsOf(text: string): readonly string[] | null {
  try {
    const words: unknown = JSON.parse(text)
    return Array.isArray(words) ? words.map(String) : null
  } catch {
    return null
  }
}

/** As Docker has it: the last pattern that fits a path, or a folder above it, decides; `!` lets through. */
export function isSent(ignore: string, path: string): boolean {
  const patterns = ignore.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  const parts = path.split('/')
  const prefixes = parts.map((_, at) => parts.slice(0, at + 1).join('/'))
  return patterns.reduce((sent, pattern) => {
    const shape = expressionOf(pattern.replace(/^!/, ''))
    return prefixes.some(prefix => shape.test(prefix)) ? pattern.startsWith('!') : sent
  }, true)
}

function expressionOf(pattern: string): RegExp {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('**/', '\0')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]')
    .replaceAll('\0', '(?:.*/)?')
  return new RegExp(`^${source}$`)
}
