/** What was found, a line each as it is found. */
import { availableParallelism, cpus, release, totalmem } from 'node:os'

const WHAT_WIDTH = 52

export class Facts {
  #held = 0
  #failed = 0

  get failed(): number {
    return this.#failed
  }

  chapter(name: string): void {
    console.log(`\n${name}`)
  }

  /** `what` is the claim, `found` what there was to see. */
  add(what: string, found: string, holds: boolean): void {
    if (holds) this.#held++
    else this.#failed++
    console.log(`  ${holds ? 'ok  ' : 'FAIL'} ${what.padEnd(WHAT_WIDTH)} ${found}`)
  }

  /** Neither held nor failed: this Docker cannot show it. */
  unknown(what: string, why: string): void {
    console.log(`  –    ${what.padEnd(WHAT_WIDTH)} not looked at: ${why}`)
  }

  /** The last lines. */
  sum(versions: string): void {
    const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
    console.log(`
on ${availableParallelism()} CPUs (${cpus()[0]?.model ?? 'unknown'}), ${memory}, kernel ${release()}; ${versions}
${this.#held} facts hold, ${this.#failed} do not`)
  }
}
