/** A binary heap: `pop` gives the item that `before` puts first. Costs O(log n) each. */
export class Heap<T> {
  readonly #items: T[] = []
  readonly #before: (a: T, b: T) => boolean

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before
  }

  get size(): number {
    return this.#items.length
  }

  peek(): T | undefined {
    return this.#items[0]
  }

  push(item: T): void {
    const a = this.#items
    let i = a.push(item) - 1
    while (i > 0) {
      const p = (i - 1) >> 1
      if (!this.#before(item, a[p] as T)) break
      a[i] = a[p] as T
      i = p
    }
    a[i] = item
  }

  pop(): T | undefined {
    const a = this.#items
    const first = a[0]
    const last = a.pop()
    if (a.length === 0 || last === undefined) return first
    let i = 0
    for (;;) {
      let c = 2 * i + 1
      if (c >= a.length) break
      if (c + 1 < a.length && this.#before(a[c + 1] as T, a[c] as T)) c++
      if (!this.#before(a[c] as T, last)) break
      a[i] = a[c] as T
      i = c
    }
    a[i] = last
    return first
  }
}
