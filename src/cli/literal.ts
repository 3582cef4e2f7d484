/**
 * JSON as TypeScript, laid out as biome lays it out (2 spaces, single quotes, 120 columns): generated files are formatted files,
 * also where no formatter is installed.
 */
const WIDTH = 120

/** `column` is how far the text stands to the right that precedes the value on its line; `indent` is that line's own. */
export function literalOf(value: unknown, indent: number, column: number): string {
  const flat = flatOf(value)
  // One column is for the comma behind it.
  if (!mustBreak(value) && column + flat.length + 1 <= WIDTH) return flat
  const inner = ' '.repeat(indent + 2)
  const close = ' '.repeat(indent)
  if (Array.isArray(value) && value.length > 0) {
    const items = value.map(item => `${inner}${literalOf(item, indent + 2, indent + 2)},\n`)
    return `[\n${items.join('')}${close}]`
  }
  if (isObject(value) && Object.keys(value).length > 0) {
    const entries = Object.entries(value).map(([key, item]) => `${inner}${propertyOf(key, item, indent + 2)},\n`)
    return `{\n${entries.join('')}${close}}`
  }
  return flat
}

/** A text in the quotes that need the fewer escapes, single ones where it makes no difference. */
export function quoted(text: string): string {
  const body = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"')
  const singles = text.split("'").length
  const quote = singles > text.split('"').length ? '"' : "'"
  return `${quote}${body.replaceAll(quote, `\\${quote}`)}${quote}`
}

/** A name as it stands before a colon. */
export function keyOf(name: string): string {
  return /^[A-Za-z_$][A-Za-z0-9_$]*$/.test(name) ? name : quoted(name)
}

function propertyOf(key: string, value: unknown, indent: number): string {
  const head = `${keyOf(key)}:`
  const column = indent + head.length + 1
  const text = literalOf(value, indent, column)
  // A text that is too long for its line goes to the next one, unless the key is so short that little would be won.
  const moved = typeof value === 'string' && head.length > 5 && column + text.length + 1 > WIDTH
  return moved ? `${head}\n${' '.repeat(indent + 2)}${text}` : `${head} ${text}`
}

function flatOf(value: unknown): string {
  if (typeof value === 'string') return quoted(value)
  if (Array.isArray(value)) return `[${value.map(flatOf).join(', ')}]`
  if (!isObject(value)) return JSON.stringify(value)
  const entries = Object.entries(value).map(([key, item]) => `${keyOf(key)}: ${flatOf(item)}`)
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`
}

/** A list of several objects, or of several lists, that hold more than one thing each is never laid out in one line. */
function mustBreak(value: unknown): boolean {
  if (Array.isArray(value)) {
    const matrix = value.every(item => Array.isArray(item) && item.length > 1)
    const table = value.every(item => !Array.isArray(item) && isObject(item) && Object.keys(item).length > 1)
    return (value.length > 1 && (matrix || table)) || value.some(mustBreak)
  }
  return isObject(value) && Object.values(value).some(mustBreak)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
