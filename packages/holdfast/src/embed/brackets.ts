import type { Clock, HoldfastError } from '../base/index.ts'
import type { Entry } from '../journal/index.ts'
import { unresolved, type EnvRow, type Holder, type TxRow } from '../state/index.ts'
import { asMutation, notKept } from './failures.ts'
import type { OpenChange, Snapshot, SnapshotMutation, SnapshotProvider } from './ports.ts'
import type { Around, PortStore } from './port-store.ts'
import { Records, type Pinned } from './records.ts'
import { identityOf, openChange, takeSnapshot } from './snapshot.ts'

export interface BracketParts {
  readonly snapshots: SnapshotProvider
  readonly target: string
  readonly by: Holder
  readonly store: PortStore
  readonly env: string
  readonly clock: Clock
  /** The bracket around the run, open already. */
  readonly run: SnapshotMutation
  readonly intents: ReadonlyMap<string, readonly Entry[]>
}

/** Being changed: its outcome is not known. */
const atWork = (tx: TxRow): boolean => tx.status === 'open' || tx.status === 'sent'

interface Held {
  readonly mutation: SnapshotMutation
  readonly token: string | undefined
}

/**
 * The brackets of one run: the commits of the engine, as a snapshot provider sees them.
 *
 * Always true: an intent is marked before it is written, and so before a provider of resources is called; the snapshot that ends a change holds its outcome
 * and that of no change whose end comes after it; ends are in the order of commits, one at a time. When an end was refused, nothing more is ended: the
 * snapshot never holds an outcome whose mutation is open.
 */
export class Brackets implements Around {
  readonly #p: BracketParts
  readonly #records: Records
  readonly #held = new Map<string, SnapshotMutation>()
  readonly #intents: Map<string, readonly Entry[]>
  #run: SnapshotMutation
  #last: Promise<void> = Promise.resolve()
  /** Why nothing more can be kept. */
  broken: HoldfastError | undefined

  constructor(parts: BracketParts) {
    this.#p = parts
    this.#records = new Records(parts.store.tables, parts.env)
    this.#run = parts.run
    this.#intents = new Map(parts.intents)
  }

  async commit(entries: readonly Entry[], write: () => Promise<{ readonly seq: number }>): Promise<{ readonly seq: number }> {
    if (this.broken) throw this.broken
    const moved = this.#moved(entries)
    const begun: Held[] = []
    let ends: readonly Ending[] = []
    try {
      for (const tx of moved) {
        const known = this.#held.has(tx.token)
        if (known && !atWork(tx)) continue
        const mutation = await this.#begin(tx, entries)
        if (!known) begun.push({ token: tx.token, mutation })
      }
      // The new revision is durable before anything that it does not have is deleted: the run goes on in a bracket of its own.
      const flips = entries.some((e) => e.t === 'env.commit')
      const next = flips ? await this.#beginRun() : undefined
      if (next) begun.push({ token: undefined, mutation: next })

      const touched = this.#records.touched(entries)
      // In memory it is true, or refused, when the call returns.
      const written = write()
      this.#records.refresh(touched)
      ends = [
        ...moved.filter((tx) => !atWork(tx)).map(({ token }): Held => ({ token, mutation: this.#held.get(token) as SnapshotMutation })),
        ...(next ? [{ token: undefined, mutation: this.#run }] : []),
      ].map((held) => ({ held, taken: this.#take() }))
      const done = await written
      if (next) this.#run = next
      begun.length = 0
      await Promise.all(ends.map(({ held, taken }) => this.#end(held, taken)))
      return done
    } catch (e) {
      for (const { taken } of ends) taken.release()
      // What was begun in vain: the state refused it, or another mark did not come about.
      for (const held of begun) await this.#end(held, this.#take())
      throw e
    }
  }

  /** The run is over: what is known now is persisted. What is still at work stays open, for the next run. */
  async finish(stray: readonly OpenChange[]): Promise<void> {
    if (this.broken) return
    for (const about of stray) {
      const mutation = await this.#ask(() => this.#p.snapshots.beginMutation(this.#p.target, about, this.#p.by))
      await this.#end({ token: about.id, mutation }, this.#take())
    }
    await this.#end({ token: undefined, mutation: this.#run }, this.#take())
  }

  /** The transactions that the entries open or move, as they are after them. One that a new one takes the place of needs no bracket of its own. */
  #moved(entries: readonly Entry[]): readonly TxRow[] {
    const rows = new Map<string, TxRow>()
    for (const e of entries) {
      if (e.t === 'tx.open') rows.set(e.row.token, e.row)
      if (e.t !== 'tx.move') continue
      const known = rows.get(e.token) ?? this.#p.store.tables.txs.get(e.token)
      if (known) rows.set(e.token, { ...known, ...e.set, status: e.to })
    }
    const opens = entries.some((e) => e.t === 'tx.open')
    return [...rows.values()].filter((tx) => !(opens && tx.status === 'abandoned' && !this.#held.has(tx.token)))
  }

  async #begin(tx: TxRow, entries: readonly Entry[]): Promise<SnapshotMutation> {
    const { tables } = this.#p.store
    const known = this.#intents.get(tx.token)
    const intent = known ?? entries.filter((e) => e.t !== 'tx.open' || e.row.token !== tx.token)
    const about = openChange(atWork(tx) ? tx : (tables.txs.get(tx.token) ?? tx), () => ({ store: identityOf(tables), env: tables.envs.get(this.#p.env) as EnvRow, run: tables.runs.get(tx.run), entries: intent }))
    const mutation = await this.#ask(() => this.#p.snapshots.beginMutation(this.#p.target, about, this.#p.by))
    this.#intents.set(tx.token, intent)
    this.#held.set(tx.token, mutation)
    return mutation
  }

  #beginRun(): Promise<SnapshotMutation> {
    return this.#ask(() => this.#p.snapshots.beginMutation(this.#p.target, undefined, this.#p.by))
  }

  async #ask(act: () => Promise<SnapshotMutation>): Promise<SnapshotMutation> {
    try {
      return asMutation(await act())
    } catch (e) {
      throw notKept(this.#p.target, 'the change could not be marked, so it was not begun', e)
    }
  }

  #take(): Taken {
    const { target, store, env, clock } = this.#p
    const resources: Pinned = this.#records.pin()
    const snapshot = takeSnapshot({ target, tables: store.tables, env, resources, at: clock.now(), intentOf: (token) => this.#intents.get(token) ?? [] })
    return { snapshot, release: resources.release }
  }

  #end({ token, mutation }: Held, { snapshot, release }: Taken): Promise<void> {
    const ended = this.#last.then(async () => {
      try {
        if (this.broken) throw this.broken
        await mutation.end(snapshot)
        if (token === undefined) return
        this.#held.delete(token)
        const tx = this.#p.store.tables.txs.get(token)
        if (!tx || !unresolved(tx)) this.#intents.delete(token)
      } catch (e) {
        this.broken ??= notKept(this.#p.target, 'the end of a change could not be written', e)
        throw this.broken
      } finally {
        release()
      }
    })
    this.#last = ended.catch(() => undefined)
    return ended
  }
}

interface Taken {
  readonly snapshot: Snapshot
  release(): void
}

interface Ending {
  readonly held: Held
  readonly taken: Taken
}
