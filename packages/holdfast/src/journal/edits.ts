/** Every change of a table goes through these, so that it can be taken back. */
export class Edits {
  private readonly undo: (() => void)[] = []

  /** Everything is as before the first of them. */
  takeBack(): void {
    for (let i = this.undo.length - 1; i >= 0; i--) (this.undo[i] as () => void)()
  }

  /** A change was made in another way; `undo` is its way back. */
  made(undo: () => void): void {
    this.undo.push(undo)
  }

  set<K, V>(map: Map<K, V>, key: K, value: V): void {
    const had = map.has(key)
    const old = map.get(key) as V
    map.set(key, value)
    this.undo.push(had ? () => map.set(key, old) : () => map.delete(key))
  }

  drop<K, V>(map: Map<K, V>, key: K): void {
    if (!map.has(key)) return
    const old = map.get(key) as V
    map.delete(key)
    this.undo.push(() => map.set(key, old))
  }

  add<V>(set: Set<V>, value: V): void {
    if (set.has(value)) return
    set.add(value)
    this.undo.push(() => set.delete(value))
  }

  remove<V>(set: Set<V>, value: V): void {
    if (set.delete(value)) this.undo.push(() => set.add(value))
  }

  /** As `remove`, and an empty bucket goes: the number of buckets stays the number of revisions in use. */
  leave<K, V>(buckets: Map<K, Set<V>>, key: K, value: V): void {
    const set = buckets.get(key) as Set<V>
    this.remove(set, value)
    if (set.size === 0) this.drop(buckets, key)
  }
}
