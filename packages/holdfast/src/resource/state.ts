import { failure, isFailure, mutant, sha256hex } from '../base/index.ts'
import { UnknownValue, type Address, type Value } from '../model/index.ts'
import type { Entry } from '../journal/index.ts'
import { decodeDoc } from '../secret/index.ts'
import { unresolved, type EnvRow, type OpenPart, type ResourceDocs, type ResourceRow, type TrashRow, type TxRow } from '../state/index.ts'
import { holderAlive, type Fence } from '../store/index.ts'
import type { EngineContext } from './context.ts'
import type { Fields } from './facts.ts'
import { hide, hideInputs } from './hide.ts'

type Row = Omit<ResourceRow, 'seq'> & { readonly seq?: number }

/** What a run holds that changes a part of an environment. */
export interface Part {
  readonly tag: number
  readonly scopes: readonly string[]
  holds(address: Address): boolean
  /** Nodes beyond it that it depends on; nobody changes them meanwhile. */
  readonly reads: ReadonlySet<Address>
}

/**
 * What the store holds about one environment, as far as a run needs it: rows in memory, documents read when asked for.
 * Every commit of the run goes through {@link commit}, which makes the same entries true here, so memory and store never differ.
 */
export class EnvState {
  readonly cx: EngineContext
  /** Of a run of a part, `openRun` is the one that has begun under its tag. */
  env: EnvRow
  fence: Fence | undefined
  /** The run holds a part of the environment, while others may change other parts. */
  part: Part | undefined
  /** Runs of parts that were open when the state was read. */
  parts: readonly OpenPart[] = []
  /** Rows that stand: provisional ones and those of the base that were not touched; pending deletes too. By uid. */
  readonly current = new Map<string, Row>()
  /** Rows of the base that the open run replaced or removed. By uid. */
  readonly base = new Map<string, Row>()
  /** The uid that stands at an address (pending deletes do not). */
  readonly at = new Map<Address, string>()
  /** Failed half-way and not settled: the next change of the uid supersedes it. uid -> token. */
  readonly partly = new Map<string, string>()
  /** Transactions whose outcome only a person, or who opened them, can decide, by address. */
  readonly unknown = new Map<Address, TxRow>()
  /** Was being made when the state was read: its claims stand, and no row yet. By address. */
  readonly making = new Map<Address, TxRow>()
  /** Open changes that no run plans, whose process is gone. */
  readonly ownerless = new Set<string>()
  /** What the namespace of a component is made of, where that is not its name. */
  readonly seeds = new Map<string, string>()
  trash: readonly TrashRow[] = []
  /** What objects had that were made again when a run was taken back, by uid. */
  readonly remade = new Map<string, Fields>()
  readonly #outputs = new Map<string, Value>()
  readonly #docs = new Map<string, ResourceDocs>()
  readonly #namespaces = new Map<string, string>()

  constructor(cx: EngineContext, fence: Fence | undefined) {
    this.cx = cx
    this.env = cx.env
    this.fence = fence
  }

  /** `part`: what the run holds; all else is seen as it was committed, and is not the run's to change. */
  static async load(cx: EngineContext, fence?: Fence, part?: Part): Promise<EnvState> {
    const s = new EnvState(cx, fence)
    const rows = await s.#readRows(part)
    if (s.env.seq === 0) return s
    for (const r of rows) {
      if (r.status === 'deleting' && mutant('pending-delete-forgotten')) continue
      s.current.set(r.uid, r)
      if (r.status !== 'deleting') s.at.set(r.address, r.uid)
    }
    if (s.env.openRun !== undefined && !s.part) for (const r of await cx.store.resources(s.env.id, 'open')) if (r.until === s.next && r.since <= s.env.revision) s.base.set(r.uid, r)
    for (const tx of await cx.store.txs({ env: s.env.id, unresolved: true })) {
      if (s.part && !s.holds(tx.address)) {
        if (s.part.reads.has(tx.address) && tx.target.change === undefined) s.unknown.set(tx.address, tx) // nobody knows what stands there now
        continue
      }
      s.#note(tx)
      if (tx.op === 'create' && tx.target.change === undefined && (tx.status === 'open' || tx.status === 'sent')) s.making.set(tx.address, tx)
      if (tx.target.change === undefined || (tx.status !== 'open' && tx.status !== 'sent')) continue
      const run = await cx.store.run(tx.run)
      if (run && holderAlive(run.holder) === false) s.ownerless.add(tx.token)
    }
    for (const c of await cx.store.components(s.env.id)) if (c.seed !== c.name) s.seeds.set(c.name, c.seed)
    s.trash = await cx.store.trash(s.env.id)
    return s
  }

  /**
   * The environment and its rows, both of one moment. What runs of parts have written belongs to them alone: a reader, and a run of another part, sees
   * what was committed.
   */
  async #readRows(part: Part | undefined): Promise<readonly Row[]> {
    const { cx } = this
    for (;;) {
      this.env = (await cx.store.env(cx.env.app, cx.env.name)) ?? cx.env
      if (this.env.seq === 0) return []
      this.parts = this.env.parts ?? []
      const { revision, openRun, parts } = this.env
      const own = parts?.find((p) => p.tag === part?.tag)
      const rows = own ? await cx.store.resources(this.env.id, 'all') : await cx.store.resources(this.env.id, parts && !mutant('part-sees-others') ? 'base' : 'current')
      if (this.fence && !part) return rows // nobody else commits
      const after = await cx.store.envById(this.env.id)
      if (after?.revision !== revision || after.openRun !== openRun || (after.parts !== undefined) !== (parts !== undefined)) continue
      if (part && openRun === undefined) this.#become(part, own)
      return own ? this.#asOwn(rows, own.tag, revision) : rows
    }
  }

  #become(part: Part, own: OpenPart | undefined): void {
    this.part = part
    this.env = { ...this.env, openRun: own?.run }
  }

  /** What stands for a run of a part: its own rows, and of all others the committed ones. */
  #asOwn(all: readonly Row[], tag: number, revision: number): readonly Row[] {
    const rows: Row[] = []
    for (const r of all) {
      if (r.since === tag && r.until === undefined) rows.push(r)
      else if (r.since > revision) continue
      else if (r.until === tag) this.base.set(r.uid, r)
      else if (r.until === undefined || r.until > revision) rows.push(r)
    }
    return rows
  }

  /** Whether a run of a part may change what stands at the address. One of the whole may change everything. */
  holds(address: Address): boolean {
    return this.part === undefined || this.part.holds(address)
  }

  /** Names the open run, or says that there is none any more. `to`: with the commit of that revision. */
  opens(run: string | undefined, to?: number): Entry[] {
    const { env, part } = this
    if (!part) return [{ t: 'env.open', env: env.id, run }]
    return [
      ...(env.openRun === undefined ? [] : [{ t: 'part.close' as const, env: env.id, tag: part.tag, ...(to === undefined ? {} : { to }) }]),
      ...(run === undefined ? [] : [{ t: 'part.open' as const, env: env.id, part: { tag: part.tag, run, scopes: part.scopes } }]),
    ]
  }

  /** What others have committed meanwhile: the revision, and the rows at these addresses as far as they are not the run's own. */
  async catchUp(addresses: Iterable<Address>): Promise<void> {
    const { store } = this.cx
    const env = await store.envById(this.env.id)
    if (env) this.env = { ...env, openRun: this.env.openRun }
    for (const a of addresses) {
      if (this.holds(a)) continue
      const [row] = await store.find(this.env.id, 'committed', { address: a })
      const old = this.rowAt(a)
      if (row?.uid === old?.uid && row?.since === old?.since) continue
      if (old) {
        this.current.delete(old.uid)
        this.at.delete(a)
        this.#outputs.delete(old.uid)
      }
      if (!row) continue
      this.current.set(row.uid, row)
      this.at.set(a, row.uid)
    }
    await this.preload(addresses)
  }

  #note(tx: TxRow): void {
    // A change that no run plans is for whoever opened it: to a run it is something to wait for, however it stands.
    if (tx.target.change !== undefined) this.unknown.set(tx.address, tx)
    else if (tx.status === 'failed') this.partly.set(tx.uid, tx.token)
    else if (tx.status === 'unknown') this.unknown.set(tx.address, tx)
  }

  /** What keeps the objects of one component and type apart from all others; asked for with every call. */
  namespaceOf(component: string, type: string, storeId: string): string {
    const of = `${this.seeds.get(component) ?? component}\0${type}`
    let made = this.#namespaces.get(of)
    if (made === undefined) this.#namespaces.set(of, made = sha256hex(`holdfast:namespace\0${storeId}\0${this.env.id}\0${of}`).slice(0, 32))
    return made
  }

  /** What stands in the place of the revision in the rows of the open run: that which it will commit, or the tag of its part. */
  get next(): number {
    return this.part?.tag ?? this.env.revision + 1
  }

  /**
   * Changes of unknown outcome that are part of what the open run does: how they end shows in the next revision, and in the way back to the base. Not a
   * deletion that an earlier revision left over, which shows in neither, nor what no run plans, which is its caller's.
   */
  get undecided(): readonly TxRow[] {
    return [...this.unknown.values()].filter((tx) => tx.target.change === undefined && !this.#leftOver(tx))
  }

  #leftOver(tx: TxRow): boolean {
    const row = tx.op === 'delete' ? this.current.get(tx.uid) : undefined
    return row?.status === 'deleting' && !this.provisional(row)
  }

  /** What a change that is not settled depends on, by address. */
  unknownDeps(token: string): readonly Address[] {
    for (const tx of this.unknown.values()) if (tx.token === token) return tx.target.row?.meta.deps ?? []
    return []
  }

  /** The row at an address, if one stands there. */
  rowAt(address: Address): Row | undefined {
    const uid = this.at.get(address)
    return uid === undefined ? undefined : this.current.get(uid)
  }

  /** The row was written by the open run. */
  provisional(row: Row): boolean {
    return row.since === this.next
  }

  /** Makes entries true, in the store first. */
  async commit(entries: readonly Entry[]): Promise<void> {
    const fence = mutant('outcome-not-fenced') && entries[0]?.t === 'tx.move' ? undefined : this.fence
    const write = () => this.cx.store.commit(entries, { env: this.env.id, fence })
    const { seq } = await (mutant('commit-repeated') ? write().catch((e) => (isFailure(e) && e.code === 'HF4006' ? write() : Promise.reject(e))) : write())
    this.env = { ...this.env, seq }
    for (const e of entries) this.#apply(e, seq)
  }

  #apply(e: Entry, seq: number): void {
    switch (e.t) {
      case 'resource.put': {
        const row: Row = { ...e.row, seq }
        if (row.until === undefined) {
          const old = this.current.get(row.uid)
          if (old && this.at.get(old.address) === row.uid) this.at.delete(old.address)
          this.current.set(row.uid, row)
          if (row.status !== 'deleting') this.at.set(row.address, row.uid)
          if (row.since <= this.env.revision) this.base.delete(row.uid)
        } else if (row.until === this.next) this.base.set(row.uid, row)
        // Without documents only the row is another: what the object gave stands.
        if (e.docs) {
          this.#docs.set(`${row.uid}@${row.since}`, e.docs)
          this.#outputs.delete(row.uid)
        }
        break
      }
      case 'resource.until': {
        if (e.until === undefined) {
          const row = this.base.get(e.uid)
          if (!row || row.since !== e.since) break
          this.base.delete(e.uid)
          this.current.set(e.uid, { ...row, until: undefined })
          if (row.status !== 'deleting') this.at.set(row.address, e.uid)
        } else {
          const row = this.current.get(e.uid)
          if (!row || row.since !== e.since) break
          this.current.delete(e.uid)
          if (this.at.get(row.address) === e.uid) this.at.delete(row.address)
          if (row.since <= this.env.revision) this.base.set(e.uid, { ...row, until: e.until })
        }
        this.#outputs.delete(e.uid)
        break
      }
      case 'resource.drop': {
        const row = this.current.get(e.uid)
        if (row?.since === e.since) {
          this.current.delete(e.uid)
          if (this.at.get(row.address) === e.uid) this.at.delete(row.address)
        }
        this.#docs.delete(`${e.uid}@${e.since}`)
        this.#outputs.delete(e.uid)
        break
      }
      case 'env.commit':
        this.env = { ...this.env, revision: e.to, partial: e.partial }
        this.base.clear()
        break
      case 'env.open': this.env = { ...this.env, openRun: e.run }; break
      case 'part.open': this.env = { ...this.env, openRun: e.part.run }; break
      case 'part.close':
        this.env = { ...this.env, openRun: undefined }
        if (e.to !== undefined) this.#renumber(e.tag, e.to)
        break
      case 'tx.open': this.#note(e.row); break
      case 'tx.move':
        if (!unresolved({ status: e.to, applied: e.set.applied })) {
          for (const [uid, token] of this.partly) if (token === e.token) this.partly.delete(uid)
          for (const [address, tx] of this.unknown) if (tx.token === e.token) this.unknown.delete(address)
        }
        break
      case 'trash.put': this.trash = [...this.trash.filter((t) => t.id !== e.row.id), e.row]; break
      case 'trash.drop': this.trash = this.trash.filter((t) => t.id !== e.id); break
      default:
    }
  }

  #renumber(tag: number, to: number): void {
    if (mutant('part-not-renumbered')) return
    for (const row of this.current.values()) {
      if (row.since !== tag) continue
      this.current.set(row.uid, { ...row, since: to })
      const docs = this.#docs.get(`${row.uid}@${tag}`)
      if (docs) this.#docs.set(`${row.uid}@${to}`, docs)
      this.#docs.delete(`${row.uid}@${tag}`)
    }
  }

  async docs(row: { readonly uid: string; readonly since: number }): Promise<ResourceDocs> {
    const key = `${row.uid}@${row.since}`
    const known = this.#docs.get(key)
    if (known) return known
    const [docs] = await this.cx.store.docs([row])
    // Rows and documents are read one after the other: a command that holds no lease, or has lost it, may see them change between.
    if (!docs) throw failure('HF2401', { message: 'The state was changed by another command while it was read.', hint: 'Run the command again.' })
    return docs
  }

  /** Forgets cached documents of rows nothing will ask for again: memory follows what is in flight. */
  release(row: { readonly uid: string; readonly since: number }): void {
    this.#docs.delete(`${row.uid}@${row.since}`)
  }

  decode(row: { readonly uid: string; readonly type: string }, field: 'inputs' | 'outputs', text: string): Fields {
    const fields = decodeDoc(text, { table: 'resource', row: row.uid, field, type: row.type }, this.cx.ring) as Fields
    const type = field === 'inputs' ? this.cx.types.get(row.type) : undefined
    // What was written in clear before its place was sensitive is secret from now on.
    return type ? hideInputs(type, fields, (v, path) => hide(v, this.cx.ring, row.type, path)) : fields
  }

  async inputsOf(row: Row): Promise<Fields> {
    return this.decode(row, 'inputs', (await this.docs(row)).inputs)
  }

  async outputsOf(row: Row): Promise<Fields> {
    const known = this.#outputs.get(row.uid)
    if (known) return known as Fields
    const out = this.decode(row, 'outputs', (await this.docs(row)).outputs)
    this.#outputs.set(row.uid, out as Value)
    return out
  }

  /** Outputs of a row of the base; never taken from the memory of what stands now. */
  async outputsOfBase(row: Row): Promise<Fields> {
    return this.decode(row, 'outputs', (await this.docs(row)).outputs)
  }

  /** Reads the outputs of many rows in one round trip, so that {@link outputsNow} answers for them. */
  async preload(addresses: Iterable<Address>): Promise<void> {
    const rows: Row[] = []
    for (const a of addresses) {
      const row = this.rowAt(a)
      if (row && !this.#outputs.has(row.uid)) rows.push(row)
    }
    if (rows.length === 0) return
    const docs = await this.cx.store.docs(rows)
    rows.forEach((row, i) => {
      const d = docs[i]
      if (d) this.#outputs.set(row.uid, this.decode(row, 'outputs', d.outputs) as Value)
    })
  }

  remember(uid: string, outputs: Fields): void {
    this.#outputs.set(uid, outputs as Value)
  }

  /** Outputs of the node at an address; unknown when nothing stands there. They were preloaded or just written. */
  outputsNow(address: Address): Value {
    const row = this.rowAt(address)
    return (row && this.#outputs.get(row.uid)) ?? new UnknownValue(address)
  }

  type(name: string, address: Address) {
    const t = this.cx.types.get(name)
    if (!t) throw failure('HF3114', { address, message: `${address} is a ${name}, and no such type is declared or installed.` })
    return t
  }
}
