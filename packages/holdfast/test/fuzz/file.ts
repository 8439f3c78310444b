import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock, Random } from '../../src/base/index.ts'
import { emptyTables, type Tables } from '../../src/journal/index.ts'
import { MemoryStore, openSqliteStore, type Store } from '../../src/store/index.ts'
import type { Committed, ProcessStore } from './process.ts'

/** What is read of the file. Leases and places in their queues end by the clock of the case, and stay in memory. */
const reads = [
  'meta', 'envs', 'env', 'envById', 'resources', 'find', 'components', 'component', 'references', 'resolved', 'request', 'docs', 'claims', 'claimsOf', 'txs', 'tx', 'runs', 'run', 'tasks',
  'plans', 'plan', 'outputs', 'secrets', 'trash', 'events', 'eventsKept',
] as const satisfies readonly (keyof Store)[]
const inMemory = new Set(['leases', 'tickets'])

/** An empty state with the id of the cases, as it lies in a file; made once. */
let empty: Promise<Buffer> | undefined

async function emptyFile(tables: Tables, clock: Clock, random: Random): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-fuzz-state-'))
  try {
    const path = join(folder, 'state.db')
    const store = await openSqliteStore({ path, clock, random })
    await store.import(new MemoryStore({ clock, random, tables: emptyTables(tables.meta) }).export())
    await store.close()
    return readFileSync(path)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * The state of one case in a SQLite file: everything that the engine reads of it comes from there, and each of its commits is there before it is told so.
 * The tables in memory decide first, and every check looks at them; that both say the same is a check of its own.
 * Commits go one after the other, so that the same case does the same.
 */
export class StateFile {
  readonly #folder: string
  readonly path: string
  readonly #clock: Clock
  readonly #random: Random
  #store: Store
  #last: Promise<unknown> = Promise.resolve()
  /** Commits that are on their way. */
  busy = 0

  private constructor(folder: string, path: string, clock: Clock, random: Random, store: Store) {
    this.#folder = folder
    this.path = path
    this.#clock = clock
    this.#random = random
    this.#store = store
  }

  static async make(tables: Tables, clock: Clock, random: Random): Promise<StateFile> {
    const bytes = await (empty ??= emptyFile(tables, clock, random))
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-fuzz-state-'))
    const path = join(folder, 'state.db')
    writeFileSync(path, bytes, { mode: 0o600 })
    return new StateFile(folder, path, clock, random, await openSqliteStore({ path, clock, random }))
  }

  /** The store of one process, over this file. */
  over(store: ProcessStore): Store {
    const own: Partial<Record<string, unknown>> = Object.fromEntries(reads.map((name) => [name, async (...args: unknown[]) => (store.isDead ? new Promise(() => {}) : (this.#store[name] as (...a: unknown[]) => unknown)(...args))]))
    return new Proxy<Store>(store, {
      get(target, key) {
        if (typeof key === 'string' && own[key]) return own[key]
        const member = Reflect.get(target, key, target) as unknown
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
  }

  commit({ entries, options: { env, expectSeq } }: Committed): Promise<unknown> {
    this.busy++
    // The fence was looked at where the leases are.
    this.#last = this.#last.then(() => this.#store.commit(entries, { env, expectSeq })).finally(() => { this.busy-- })
    return this.#last
  }

  /** A process has died: the next one opens the file anew. */
  async reopen(): Promise<void> {
    await this.#last
    await this.#store.close()
    this.#store = await openSqliteStore({ path: this.path, clock: this.#clock, random: this.#random })
  }

  /** The first line in which the file is not what stands in memory; undefined: there is none. */
  async differsFrom(tables: Tables): Promise<string | undefined> {
    await this.#last
    const [file, memory] = [await linesOf(this.#store), await linesOf(new MemoryStore({ clock: this.#clock, random: this.#random, tables }))]
    for (let i = 0; i < Math.max(file.length, memory.length); i++) if (file[i] !== memory[i]) return `${file[i]} in the file, ${memory[i]} in memory`
    return undefined
  }

  async remove(): Promise<void> {
    try {
      await this.#last.catch(() => undefined)
      await this.#store.close()
    } finally {
      rmSync(this.#folder, { recursive: true, force: true })
    }
  }
}

async function linesOf(store: Store): Promise<string[]> {
  const lines: string[] = []
  for await (const line of store.export()) if (!inMemory.has((JSON.parse(line) as { readonly table: string }).table)) lines.push(line)
  // The last line counts what was left out, too, and the first tells when the file was made.
  return lines.slice(1, -1)
}
