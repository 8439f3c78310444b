import { MemoryStore } from '../../src/store/index.ts'
import type { EventRow } from '../../src/state/index.ts'
import type { Lab } from './lab.ts'
import { Stream } from './random.ts'

/** I-WATCH: somebody who watches sees each event once, in order, and none is left out. Now and then it is away, and goes on from what it saw last. */
export class Watching {
  readonly #lab: Lab
  readonly #seen: EventRow[] = []
  readonly #store: MemoryStore

  constructor(lab: Lab) {
    this.#lab = lab
    const clock = { now: () => lab.kernel.now, mono: () => lab.kernel.now, sleep: () => new Promise<void>(() => {}) }
    this.#store = new MemoryStore({ clock, random: new Stream(0, 'watching'), storeId: lab.storeId, tables: lab.tables })
    this.#watch().catch((e: unknown) => lab.kernel.fail('I-WATCH', `watching failed: ${e instanceof Error ? e.message : String(e)}`))
  }

  async #watch(): Promise<void> {
    let from: Record<string, number> = {}
    for (;;) {
      let given = 0
      let last: EventRow | undefined
      for await (const e of this.#store.watch(undefined, { from })) {
        // Away at the beginning of a commit: it was not seen, so it is given again.
        if (given > 7 && last && e.seq !== last.seq) break
        this.#seen.push(e)
        last = e
        given++
      }
      if (!last) return
      from = { [last.env]: last.seq }
    }
  }

  end(): void {
    const { kernel, tables } = this.#lab
    const all = [...tables.events.values()].flat()
    kernel.count('watched')
    kernel.check(this.#seen.length === all.length && all.every((e, i) => this.#seen[i] === e), 'I-WATCH', () => `${this.#seen.length} events were seen of ${all.length}, or not in order`)
  }
}
