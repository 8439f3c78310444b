import { failure, makeIds } from '../../src/base/index.ts'
import { beginRun, exitCodeOf, type EngineContext } from '../../src/engine/index.ts'
import type { DesiredGraph } from '../../src/graph/index.ts'
import { emptyTables, type Entry, type Tables } from '../../src/journal/index.ts'
import { noOptions, reveal, type Value } from '../../src/model/index.ts'
import { makeRegistry } from '../../src/provider/index.ts'
import { decodeDoc, makeKeyring, makeRedactor } from '../../src/secret/index.ts'
import { unresolved, type TxRow } from '../../src/state/index.ts'
import type { CommitOptions } from '../../src/store/index.ts'
import { Fate } from '../sim/fate.ts'
import { Kernel, Process } from '../sim/kernel.ts'
import { Stream } from '../sim/random.ts'
import { MemorySpool } from '../sim/spool.ts'
import { SimStore, type SimStoreOptions } from '../sim/store.ts'
import { classes, ops, outcomes, Service, WINDOW_MS, type ModelClass, type ModelOp, type Outcome } from './service.ts'

/** Where the first holder breaks off: the records of spec/backend.md 12.1. `R1`: an intent of which nothing was sent, in two records. `R3`: the answer is kept, and not in the state. */
export const points = ['none', 'before R1', 'after R1', 'after R2', 'after send', 'after R3', 'after R4'] as const
export type Point = (typeof points)[number]

export interface Case {
  readonly class: ModelClass
  readonly op: ModelOp
  readonly point: Point
  readonly outcome: Outcome
  /** The first holder is stopped for so long, and goes on; else it is dead, and known to be. */
  readonly pauseMs?: number
  /** So many of the calls that follow are turned away at the door. */
  readonly turnedAway?: number
  /** The one that recovers dies around its n-th commit or call; another comes after it. */
  readonly dies?: { readonly n: number; readonly phase: 'before' | 'after' }
}
export const nameOf = (c: Case): string =>
  `${c.class} ${c.op}, ${c.outcome}, ${c.pauseMs === undefined ? 'killed' : `stopped for ${c.pauseMs / 1000} s`} ${c.point}${c.turnedAway ? `, then ${c.turnedAway} turned away` : ''}${c.dies ? `, recovery killed ${c.dies.phase} its event ${c.dies.n}` : ''}`

export interface Verdict {
  /** What is wrong; empty: nothing. */
  readonly wrong: readonly string[]
  readonly unknown: boolean
  /** What was asked of the service while it was recovered, in order: `look look create`. */
  readonly calls: string
  /** The recovery came as far as its death: there may be a later one to try. */
  readonly reached: boolean
}

const ring = makeKeyring(new Uint8Array(32).fill(7), 'st-model', new Stream(1, 'seal'))
const SCOPE = 'model/default'
type Hook = (what: string, phase: 'before' | 'after', entries?: readonly Entry[]) => Promise<void> | undefined

class HookedStore extends SimStore {
  readonly #hook: Hook
  readonly #change: (entries: readonly Entry[]) => readonly Entry[]
  constructor(o: SimStoreOptions, hook: Hook, change: (entries: readonly Entry[]) => readonly Entry[]) {
    super({ ...o, onCommit: (c) => void hook('commit', 'after', c.entries) })
    this.#hook = hook
    this.#change = change
  }
  override async commit(entries: readonly Entry[], options: CommitOptions): Promise<{ readonly seq: number }> {
    const stopped = this.#hook('commit', 'before', entries)
    if (stopped) await stopped
    return super.commit(this.#change(entries), options)
  }
}

/** One object, one change of it that breaks off, and those that come after. */
export class Life {
  readonly kernel: Kernel
  readonly service: Service
  readonly tables: Tables
  readonly #case: Case
  readonly #spool = new Map<string, string[]>()
  readonly #dead = new Set<string>()
  #holders = 0
  reached = false

  constructor(c: Case) {
    this.#case = c
    this.kernel = new Kernel(1, false)
    this.service = new Service(this.kernel, c.class)
    this.tables = emptyTables({ storeId: 'st-model', schema: 1, createdAt: this.kernel.now, keyCheck: undefined })
  }

  #process(hook: (p: Process) => Hook, change: (entries: readonly Entry[]) => readonly Entry[] = (e) => e): { readonly process: Process; readonly cx: EngineContext } {
    const n = ++this.#holders
    const process = new Process(this.kernel, `p${n}`, n, undefined)
    const random = new Stream(1, `ids ${n}`)
    const ids = makeIds(process, random)
    const holder = { id: ids.next('h'), host: 'model-host', bootId: 'boot', pid: n, startedAt: '0' }
    process.onDeath(() => this.#dead.add(holder.id))
    const on = hook(process)
    const store = new HookedStore({
      process, tables: this.tables, random: new Stream(1, `store ${n}`), storeId: 'st-model', fate: new Fate(this.kernel, undefined, []), slowReads: false, isDead: (id) => this.#dead.has(id), onCommit: () => undefined,
    }, on, change)
    const env = { id: ids.next('e'), app: 'model', name: 'default', revision: 0, partial: false, seq: 0, openRun: undefined }
    const redactor = makeRedactor()
    return {
      process,
      cx: {
        store, clock: process, random, ids, types: makeRegistry([this.service.type(process, on)]), env,
        host: { root: '/', home: '/', env: { id: env.id, app: env.app, name: env.name }, assetPath: (a) => a.path, redact: (s) => s, secrets: () => [] },
        ring, redactor, holder, emit: () => undefined, asset: (path) => ({ path, digest: 'sha256:0' }), keepAssets: async () => undefined,
        spool: new MemorySpool(this.#spool), parallelism: 1, serial: true,
      },
    }
  }

  /** The program before the change, and after it. */
  #graph(when: 'before' | 'after'): DesiredGraph | undefined {
    const { op } = this.#case
    if ((op === 'create' && when === 'before') || (op === 'delete' && when === 'after')) return undefined
    const size = when === 'before' ? 1 : 2
    const inputs = { k: 'obj' as const, keys: ['name', 'size'], args: [{ k: 'lit' as const, v: 'n' }, { k: 'lit' as const, v: size }] }
    const node = { address: 'n', type: `model:${this.#case.class}`, action: 'manage' as const, inputs, deps: [], options: noOptions, site: undefined }
    return { app: 'model', env: 'default', nodes: new Map([['n', node]]), components: new Map(), secrets: [], outputs: { k: 'obj', keys: [], args: [] } }
  }

  /** One command. Gives the exit code, or undefined when its process died. */
  async #command(cx: EngineContext, process: Process, graph: 'before' | 'after' | 'recover'): Promise<number | undefined> {
    const never = new AbortController().signal
    const work = async (): Promise<number> => {
      const session = await beginRun(cx, { lockTimeoutMs: 600_000, stop: never })
      try {
        if (graph === 'recover') return 0
        return exitCodeOf(await session.apply(await session.plan({ graph: this.#graph(graph) }), { onFailure: 'revert', stop: never, abort: never }))
      } finally {
        if (!process.dead) await session.end()
      }
    }
    return Promise.race([work().catch((e: { code?: string }) => (e.code === undefined ? Promise.reject(e) : e.code === 'HF4203' ? 10 : 13)), new Promise<undefined>((resolve) => process.onDeath(() => resolve(undefined)))])
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.kernel.after(ms, resolve))
  }

  async live(): Promise<Omit<Verdict, 'reached'>> {
    const c = this.#case
    if (c.op !== 'create') {
      const { process, cx } = this.#process(() => () => undefined)
      await this.#command(cx, process, 'before')
      await this.#sleep(60_000)
    }
    this.service.watched = { op: c.op, outcome: c.outcome }
    this.service.turnsAway = { op: c.op, left: c.turnedAway ?? 0 }
    const first = this.#breaksOff()
    if (c.pauseMs === undefined) {
      await first
      if (c.outcome === 'applied, window expired' && c.point !== 'none') await this.#sleep(WINDOW_MS + 20_000)
    } else await this.#sleep(1_000)
    const wrong: string[] = []
    const asked = this.service.calls.length
    await this.#recover()
    const calls = this.service.calls.slice(asked).join(' ')
    await first
    this.service.turnsAway = undefined
    this.service.watched = undefined // where nothing was sent, nothing went wrong
    // Whatever is still on its way lands.
    await this.#sleep(200_000)
    wrong.push(...this.#audit('after the recovery'))
    const [open] = this.#open()
    if (open && c.class !== 'D') wrong.push(`${open.op} is ${open.status}: ${open.evidence}`)
    if (!open && this.#mustBeAsked()) wrong.push('nobody knows what became of it, and no person was asked')
    const made = this.service.calls.filter((call) => call === 'create').length
    const { process, cx } = this.#process(() => () => undefined)
    const code = await this.#command(cx, process, 'after')
    await this.#sleep(200_000)
    wrong.push(...this.#audit('after the next apply'), ...this.#atTheEnd(open, code, this.service.calls.filter((call) => call === 'create').length - made))
    return { unknown: open !== undefined, wrong, calls }
  }

  /** The first holder, which breaks off where the case says. */
  async #breaksOff(): Promise<void> {
    const { point, op, pauseMs } = this.#case
    let done = false
    const { process, cx } = this.#process((p) => {
      const halt = (): Promise<void> => {
        done = true
        if (pauseMs === undefined) {
          p.kill(point)
          return new Promise(() => undefined)
        }
        p.pause(pauseMs)
        return new Promise((resolve) => p.deliver(resolve))
      }
      return (what, phase, entries) => {
        if (done || p.dead) return undefined
        const opens = entries?.some((e) => e.t === 'tx.open') === true
        const ends = entries?.some((e) => e.t === 'tx.move' && (e.to === 'completed' || e.to === 'failed' || e.to === 'unknown')) === true
        switch (point) {
          case 'before R1': return what === 'commit' && phase === 'before' && opens ? halt() : undefined
          case 'after R1': case 'after R2': return what === 'commit' && phase === 'after' && opens ? halt() : undefined
          case 'after send': return what === op && phase === 'after' ? halt() : undefined
          case 'after R3': {
            if (what !== 'commit' || phase !== 'before' || !ends) return undefined
            // The store is gone; what was answered is kept beside it, and then the process breaks off.
            done = true
            this.kernel.after(1, () => void (pauseMs === undefined ? p.kill(point) : p.pause(pauseMs)))
            return Promise.reject(failure('HF4006', { message: 'the disk is full' }))
          }
          case 'after R4': return what === 'commit' && phase === 'after' && ends ? halt() : undefined
          default: return undefined
        }
      }
    }, (entries) => (point === 'after R1' ? entries.map((e) => (e.t === 'tx.open' ? { ...e, row: { ...e.row, status: 'open' as const, firstSentAt: undefined, lastSentAt: undefined } } : e)) : entries))
    await this.#command(cx, process, 'after')
  }

  async #recover(): Promise<void> {
    const { dies } = this.#case
    if (dies) {
      let n = 0
      const { process, cx } = this.#process((p) => (_what, phase) => {
        if (p.dead) return new Promise(() => undefined)
        if (phase === 'before') n++
        if (n !== dies.n || phase !== dies.phase) return undefined
        this.reached = true
        p.kill('while it recovers')
        return new Promise(() => undefined)
      })
      await this.#command(cx, process, 'recover')
    }
    const { process, cx } = this.#process(() => () => undefined)
    await this.#command(cx, process, 'recover')
  }

  #open(): TxRow[] {
    return [...this.tables.txs.values()].filter(unresolved)
  }

  /** Class D, and the call may have been made, and its answer is not known to anybody. */
  #mustBeAsked(): boolean {
    const { class: cls, op, point, outcome, pauseMs } = this.#case
    if (cls !== 'D' || op === 'delete' || pauseMs !== undefined || point === 'before R1' || point === 'after R1') return false
    if (point === 'after R2' || point === 'after send') return true
    return outcome !== 'applied' && outcome !== 'rejected'
  }

  /** Records and world agree, as far as every change is settled. */
  #audit(when: string): string[] {
    const wrong: string[] = []
    const alive = this.service.alive()
    const open = new Set(this.#open().map((t) => t.uid))
    const rows = [...this.tables.resources.values()].flatMap((m) => [...m.values()]).filter(({ row }) => row.until === undefined)
    for (const { row, docs } of rows) {
      if (open.has(row.uid) || row.status === 'partial') continue
      const found = alive.filter((o) => o.mark.uid === row.uid && o.mark.ordinal === row.ordinal)
      if (found.length !== 1) wrong.push(`${when}: a record stands for ${found.length} objects`)
      const { size } = reveal(decodeDoc(docs.inputs, { table: 'resource', row: row.uid, field: 'inputs', type: row.type }, ring) as Value) as { size: number }
      if (found[0] && found[0].size !== size) wrong.push(`${when}: recorded as ${size}, and is ${found[0].size}`)
    }
    for (const o of alive) {
      if (alive.some((x) => x !== o && x.mark.uid === o.mark.uid && x.mark.ordinal === o.mark.ordinal)) wrong.push(`${when}: two objects of one node`)
      if (!open.has(o.mark.uid) && !rows.some(({ row }) => row.uid === o.mark.uid)) wrong.push(`${when}: nobody knows of ${o.id}`)
    }
    if (this.tables.leases.get(SCOPE) && this.#open().some((t) => t.status === 'sent' || t.status === 'open')) wrong.push(`${when}: a change was not looked at`)
    return wrong
  }

  #atTheEnd(open: TxRow | undefined, code: number | undefined, made: number): string[] {
    const { op } = this.#case
    const alive = this.service.alive()
    if (open) return [...(code === 12 || (op === 'delete' && code === 14) ? [] : [`the apply after a question ended with ${code}`]), ...(made > 0 ? ['something was made while a person was to be asked'] : [])]
    if (this.service.rejects) {
      if (op === 'create') return alive.length === 0 && code === 4 ? [] : [`rejected, and there are ${alive.length} objects; exit ${code}`]
      return alive.length === 1 && alive[0]?.size === 1 ? [] : [`rejected, and there are ${alive.map((o) => o.size).join()}`]
    }
    const want = op === 'delete' ? '' : '2'
    const have = alive.map((o) => String(o.size)).join()
    return have === want && code === 0 ? [] : [`there should be "${want}", and there is "${have}"; exit ${code}`]
  }
}

const EVENTS_MAX = 5_000

/** The model of spec/backend.md 12.6: classes, operations, crash points and outcomes, each with each. */
export const allCases: readonly Case[] = classes.flatMap((cls) => ops.flatMap((op) => points.flatMap((point) => outcomes.map((outcome): Case => ({ class: cls, op, point, outcome })))))

export interface Tally {
  cases: number
  unknown: number
  readonly wrong: string[]
}
export const newTally = (): Tally => ({ cases: 0, unknown: 0, wrong: [] })

export function add(tally: Tally, c: Case): Verdict {
  const v = judge(c)
  tally.cases++
  if (v.unknown) tally.unknown++
  for (const w of v.wrong) tally.wrong.push(`${nameOf(c)}: ${w}`)
  return v
}

const DEATHS_MAX = 60
/** The one that recovers dies before and after each of its commits and calls. */
export function withDeaths(tally: Tally, c: Case): void {
  for (const phase of ['before', 'after'] as const) for (let n = 1; n <= DEATHS_MAX; n++) if (!add(tally, { ...c, dies: { n, phase } }).reached) break
}

/** Acts in a macrotask: inside a microtask the kernel could drain nothing. */
export const inMacrotask = <T>(act: () => T): Promise<T> => new Promise((resolve, reject) => setImmediate(() => {
  try {
    resolve(act())
  } catch (e) {
    reject(e as Error)
  }
}))

/** Runs one case. Takes that it is called from a macrotask (see the kernel). */
export function judge(c: Case): Verdict {
  const life = new Life(c)
  let verdict: Omit<Verdict, 'reached'> = { unknown: false, wrong: ['it has not ended'], calls: '' }
  life.kernel.run(async () => { verdict = await life.live() }, EVENTS_MAX)
  const { violation } = life.kernel
  return { ...verdict, wrong: violation ? [`${violation.invariant}: ${violation.message}`] : verdict.wrong, reached: life.reached }
}
