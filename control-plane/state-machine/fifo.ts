/** First in, first out, O(1) at both ends. Whoever fills it bounds it. */
export class Fifo<T> {
  /** `#items[#head …]` are in the queue; what lies before is dead. */
  #items: (T | undefined)[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  /** The oldest item, left in place. */
  get first(): T | undefined {
    return this.#items[this.#head]
  }

  get last(): T | undefined {
    return this.size === 0 ? undefined : this.#items.at(-1)
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** Takes the oldest item out. */
  shift(): T | undefined {
    if (this.size === 0) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head] = undefined
    this.#head++
    // Moving the rest costs O(rest); waiting until half is dead makes that O(1) an item.
    if (this.#head * 2 >= this.#items.length) {
      this.#items.splice(0, this.#head)
      this.#head = 0
    }
    return item
  }

  /** Takes everything out, oldest first. */
  takeAll(): readonly T[] {
    const all = this.#items.slice(this.#head) as T[] // Only dead places hold undefined.
    this.#items = []
    this.#head = 0
    return all
  }
}
