/** What happened, line by line, and one number that stands for all of it. */

export class Trace {
  readonly lines: string[] = []
  readonly #keep: boolean
  readonly #nowMs: () => number
  #low = 0xdeadbeef
  #high = 0x41c6ce57

  constructor({ keep, nowMs }: { keep: boolean; nowMs: () => number }) {
    this.#keep = keep
    this.#nowMs = nowMs
  }

  get hash(): string {
    return (this.#high >>> 0).toString(16).padStart(8, '0') + (this.#low >>> 0).toString(16).padStart(8, '0')
  }

  add(who: string, what: string): void {
    const line = `${this.#nowMs().toFixed(3).padStart(10)}  ${who.padEnd(6)} ${what}`
    if (this.#keep) this.lines.push(line)
    let low = this.#low
    let high = this.#high
    for (let index = 0; index < line.length; index++) {
      const code = line.charCodeAt(index)
      low = Math.imul(low ^ code, 2_654_435_761)
      high = Math.imul(high ^ code, 1_597_334_677)
    }
    this.#low = low ^ (high >>> 13)
    this.#high = high ^ (low >>> 16)
  }
}
