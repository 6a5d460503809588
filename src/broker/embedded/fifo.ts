/**
 * A queue in a growing ring. `Array.shift` moves every element of a large array, and these queues
 * hold tens of thousands.
 */
export class Fifo<T> {
  #items: (T | undefined)[] = new Array<T | undefined>(16)
  #head = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  push(item: T): void {
    if (this.#length === this.#items.length) this.#grow()
    this.#items[this.#index(this.#length)] = item
    this.#length += 1
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head] = undefined
    this.#head = this.#index(1)
    this.#length -= 1
    return item
  }

  /** Swaps the first element with the one at `position`, counted from the first. */
  swapWithFirst(position: number): void {
    if (position >= this.#length) return
    const other = this.#index(position)
    const item = this.#items[other]
    this.#items[other] = this.#items[this.#head]
    this.#items[this.#head] = item
  }

  clear(): void {
    this.#items = new Array<T | undefined>(16)
    this.#head = 0
    this.#length = 0
  }

  /** The size is a power of two, so that a mask does for a remainder. */
  #index(position: number): number {
    return (this.#head + position) & (this.#items.length - 1)
  }

  #grow(): void {
    const grown = new Array<T | undefined>(this.#items.length * 2)
    for (let position = 0; position < this.#length; position++) {
      grown[position] = this.#items[this.#index(position)]
    }
    this.#items = grown
    this.#head = 0
  }
}
