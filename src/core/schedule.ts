/** What is due when: a binary heap by time. Equal times keep no order. */
interface Entry<T> {
  readonly atMs: number
  readonly item: T
}

export class Schedule<T> {
  #heap: Entry<T>[] = []

  get size(): number {
    return this.#heap.length
  }

  get nextAtMs(): number | null {
    return this.#heap[0]?.atMs ?? null
  }

  add(atMs: number, item: T): void {
    const heap = this.#heap
    const entry = { atMs, item }
    let index = heap.push(entry) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent]
      if (above === undefined || above.atMs <= atMs) break
      heap[index] = above
      index = parent
    }
    heap[index] = entry
  }

  /** Takes out the next item that is due, or answers undefined. */
  takeDue(nowMs: number): T | undefined {
    const first = this.#heap[0]
    if (first === undefined || first.atMs > nowMs) return undefined
    const last = this.#heap.pop()
    if (last !== undefined && this.#heap.length > 0) this.#sink(last)
    return first.item
  }

  #sink(entry: Entry<T>): void {
    const heap = this.#heap
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      const right = left + 1
      let child = heap[left]
      if (child === undefined) break
      let at = left
      const other = heap[right]
      if (other !== undefined && other.atMs < child.atMs) {
        child = other
        at = right
      }
      if (child.atMs >= entry.atMs) break
      heap[index] = child
      index = at
    }
    heap[index] = entry
  }
}
