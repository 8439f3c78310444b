import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { assert, clockKind, failure, misfit, optionKind, systemClock, systemRandom, type Clock, type EpochMs, type Kind, type Kinds, type Millis } from '../../base/index.ts'
import type { FlowCallRow, FlowRow, FlowTaskRow, Holder } from '../../state/index.ts'
import { readForget, UNFINISHED, type FlowChange, type FlowJournal, type ForgetQuery, type StoredFlow } from '../flow-port.ts'
import { holderAlive } from '../holder.ts'
import { isPoison, settleClosed, storeFailure, type Cell, type Connection, type Row } from './driver.ts'
import { failpointSetting, makeFailpoint, type Failpoint } from './failpoint.ts'
import { flowMigrations } from './flow-migrations.ts'
import { CHECKPOINT_PAGES, connect, createFile, mayWrite, migrate, rollback, tightenMode, type FileKind } from './open.ts'

/** The smallest page: each step of a flow is a commit of its own, changes one or two short rows beside each other, and writes whole pages. */
const PAGE_BYTES = 512
const FLOW_FILE: FileKind = { what: 'a journal of flows', versions: 'flow_versions', list: flowMigrations, pageBytes: PAGE_BYTES, checkpointPages: CHECKPOINT_PAGES }
/** Tasks of one flow that the keys of their rows leave room for. */
const TASKS_MAX = 2 ** 22

export interface FlowJournalOptions {
  /** A file of its own; made when it is not there. */
  readonly path: string
  readonly clock?: Clock
}

const OPTIONS: Kinds = new Map<string, Kind>([['path', optionKind.text], ['clock', clockKind]])

/**
 * Opens the journal of the public workflow engine: flows, their tasks and their calls, in one SQLite file.
 *
 * Durable  what was acknowledged survives a crash of the process and of the machine (write-ahead log, every commit synced).
 * Fails    HF3203 for options that are not valid, HF4001 damaged or not a journal, HF4002 newer schema, HF4003 not writable, HF4004 busy, HF4006 disk full, HF4007 no usable SQLite.
 */
export async function openFlowJournal(options: FlowJournalOptions): Promise<FlowJournal> {
  const wrong = misfit(options, OPTIONS, ['path'])
  if (wrong !== undefined) throw failure('HF3203', { message: `A journal of flows: ${wrong}.`, details: { kind: 'InvalidFormat' } })
  const path = resolve(options.path)
  const clock = options.clock ?? systemClock
  const failpoint = makeFailpoint(failpointSetting(process.env))
  if (!existsSync(path)) createFile(path)
  if (!mayWrite(path)) throw failure('HF4003', { message: `${path} or its folder cannot be written by this user.` })
  let db: Connection | undefined
  try {
    tightenMode(path)
    db = connect(path, 'write', FLOW_FILE)
    migrate(db, path, clock, systemRandom, failpoint, flowMigrations, FLOW_FILE)
    return new SqliteFlowJournal(path, db, clock, failpoint)
  } catch (e) {
    db?.close()
    if (db) await settleClosed()
    throw storeFailure(e, path, 'read')
  }
}

interface Asked {
  readonly act: () => unknown
  readonly resolve: (value: never) => void
  readonly reject: (why: unknown) => void
}

class SqliteFlowJournal implements FlowJournal {
  readonly path: string
  readonly #db: Connection
  readonly #clock: Clock
  readonly #failpoint: Failpoint
  /** Number of a flow in the file; it never changes. */
  readonly #keys = new Map<string, number>()
  #queue: Asked[] = []
  #planned = false
  #stopped: Error | undefined

  constructor(path: string, db: Connection, clock: Clock, failpoint: Failpoint) {
    this.path = path
    this.#db = db
    this.#clock = clock
    this.#failpoint = failpoint
  }

  async load(id: string): Promise<StoredFlow | undefined> {
    return this.#read(() => {
      const row = this.#db.prepare('select * from flows where id = ?').get(id)
      if (!row) return undefined
      return { flow: flowRow(row), tasks: this.#db.prepare('select * from flow_tasks where id between ? and ? order by id').all(...range(row.k as number)).map(taskRow) }
    })
  }

  async list(): Promise<readonly FlowRow[]> {
    return this.#read(() => this.#db.prepare('select * from flows order by k').all().map(flowRow))
  }

  async unfinished(): Promise<readonly FlowRow[]> {
    return this.#read(() => {
      const now = this.#clock.now()
      // The state comes first: it stands before the structure, so that nothing long is read of what has ended: a twentieth of the time of a whole list.
      const rows = this.#db.prepare(`select * from flows where state in (${UNFINISHED.map((s) => `'${s}'`).join(', ')}) and factory is not null and coalesce(rejected, '') = '' order by k`).all().map(flowRow)
      return rows.filter((f) => !f.holder || (f.expiresAt as number) <= now || holderAlive(f.holder) === false)
    })
  }

  create(row: Pick<FlowRow, 'id' | 'name' | 'structure' | 'store' | 'factory' | 'createdAt'>): Promise<boolean> {
    return this.#durably(() => this.#db.prepare(`insert into flows (id, name, state, structure, store, factory, fence, born, created_at) select ?, ?, 'PENDING', ?, ?, ?, next, next, ? from flow_fences where true
      on conflict (id) do nothing`).run(row.id, row.name, pack(row.structure), cell(row.store), cell(row.factory), row.createdAt).changes === 1)
  }

  claim(id: string, holder: Holder, ttlMs: Millis): Promise<{ readonly fence: number } | { readonly heldBy: Holder }> {
    return this.#durably(() => {
      const row = this.#db.prepare('select k, holder, fence, expires_at from flows where id = ?').get(id)
      if (!row) throw fenced(id)
      this.#keys.set(id, row.k as number)
      const now = this.#clock.now()
      if (row.holder !== null && row.expires_at > now) {
        const heldBy = JSON.parse(row.holder as string) as Holder
        if (heldBy.id !== holder.id && holderAlive(heldBy) !== false) return { heldBy }
      }
      this.#db.prepare('update flows set holder = ?, fence = fence + 1, expires_at = ? where k = ?').run(JSON.stringify(holder), now + ttlMs, row.k as number)
      return { fence: (row.fence as number) + 1 }
    })
  }

  async renew(id: string, fence: number, ttlMs: Millis): Promise<boolean> {
    return this.#write(() => this.#db.prepare('update flows set expires_at = ? where id = ? and fence = ?').run(this.#clock.now() + ttlMs, id, fence).changes === 1)
  }

  commit(id: string, fence: number, change: FlowChange): Promise<void> {
    return this.#durably(() => {
      const k = this.#key(id)
      const held = this.#db.prepare('select fence from flows where k = ? and id = ?').get(k, id)
      if (held?.fence !== fence) throw fenced(id)
      if (change.clear) this.#db.prepare('delete from flow_tasks where id between ? and ?').run(...range(k))
      const put = this.#db.prepare(PUT_TASK)
      for (const t of change.tasks ?? []) {
        put.run(k * TASKS_MAX + t.at, t.name, code(KINDS, t.kind), code(STATES, t.state), code(INTENTIONS, t.intention), t.attempt, t.epoch, cell(t.result), cell(t.failure), cell(t.undoResult), cell(t.undoFailure), cell(t.history), cell(t.wakeAt), cell(t.progress))
      }
      const set: string[] = []
      const values: Cell[] = []
      for (const [column, value] of [['state', change.set?.state], ['structure', change.set?.structure === undefined ? undefined : pack(change.set.structure)], ['store', change.set?.store], ['rejected', change.set?.rejected], ['ended_at', change.set?.endedAt]] as const) {
        if (value === undefined) continue
        set.push(`${column} = ?`)
        values.push(value)
      }
      if (change.release) set.push('holder = null', 'expires_at = null')
      if (set.length > 0) this.#db.prepare(`update flows set ${set.join(', ')} where k = ?`).run(...values, k)
    })
  }

  async forget(query: ForgetQuery): Promise<number> {
    const { before, states, setAside } = readForget(query)
    const look = `select k, id, fence, holder, expires_at from flows
      where k > ? and ((state in (${states.map(() => '?').join(', ')}) and ended_at < ?)${setAside ? " or (state = 'PENDING' and coalesce(rejected, '') <> '' and created_at < ?)" : ''}) order by k limit ${FORGET_AT_ONCE}`
    let done = 0
    for (let last = 0, more = true; more;) {
      const gone = await this.#durably(() => {
        const rows = this.#db.prepare(look).all(last, ...states, before, ...(setAside ? [before] : []))
        more = rows.length === FORGET_AT_ONCE
        last = (rows.at(-1)?.k as number | undefined) ?? last
        const now = this.#clock.now()
        const free = rows.filter((r) => r.holder === null || (r.expires_at as number) <= now || holderAlive(JSON.parse(r.holder as string) as Holder) === false)
        for (const { k, id, fence } of free as { k: number; id: string; fence: number }[]) {
          const called = this.#db.prepare('select max(fence) as fence from flow_calls where flow = ?').get(id)?.fence as number | null
          this.#db.prepare('update flow_fences set next = max(next, ?)').run(Math.max(fence, called ?? 0) + 1)
          this.#db.prepare('delete from flow_calls where flow = ?').run(id)
          this.#db.prepare('delete from flow_tasks where id between ? and ?').run(...range(k))
          this.#db.prepare('delete from flows where k = ?').run(k)
          this.#keys.delete(id)
        }
        return free.length
      })
      done += gone
    }
    return done
  }

  offer(c: FlowCallRow): Promise<void> {
    return this.#durably(() => {
      this.#db.prepare('insert or replace into flow_calls (id, flow, task, type, action, doc, state, worker, fence, attempt, expires_at, answer, created_at) values (?, ?, ?, ?, ?, ?, ?, ?, max(?, (select next from flow_fences)), ?, ?, ?, ?)')
        .run(c.id, c.flow, c.task, c.type, c.action, c.doc, c.state, cell(c.worker), c.fence, c.attempt, cell(c.expiresAt), cell(c.answer), c.createdAt)
    })
  }

  async take(types: readonly string[], worker: string, ttlMs: Millis): Promise<FlowCallRow | undefined> {
    const find = `select id from flow_calls where state = 'WAITING' and type in (${types.map(() => '?').join(', ')}) order by created_at, id limit 1`
    // Looked at before a transaction is begun: a worker that finds nothing to do writes nothing.
    if (types.length === 0 || !this.#read(() => this.#db.prepare(find).get(...types))) return undefined
    return this.#durably(() => {
      const row = this.#db.prepare(`update flow_calls set state = 'RUNNING', worker = ?, fence = fence + 1, expires_at = ? where id = (${find}) and state = 'WAITING' returning *`)
        .get(worker, this.#clock.now() + ttlMs, ...types)
      return row && callRow(row)
    })
  }

  async beat(id: string, fence: number, ttlMs: Millis, progress?: string): Promise<boolean> {
    return this.#write(() => this.#db.prepare("update flow_calls set expires_at = ?, progress = coalesce(?, progress) where id = ? and fence = ? and state = 'RUNNING'")
      .run(this.#clock.now() + ttlMs, cell(progress), id, fence).changes === 1)
  }

  answer(id: string, fence: number, state: 'SUCCESS' | 'FAILURE', answer: string): Promise<boolean> {
    return this.#durably(() =>
      this.#db.prepare("update flow_calls set state = ?, answer = ?, expires_at = null where id = ? and fence = ? and state = 'RUNNING'").run(state, answer, id, fence).changes === 1)
  }

  async calls(flow: string): Promise<readonly FlowCallRow[]> {
    return this.#read(() => this.#db.prepare('select * from flow_calls where flow = ? order by created_at, id').all(flow).map(callRow))
  }

  async reclaim(flow: string, now: EpochMs): Promise<void> {
    const late = this.#read(() => this.#db.prepare("select 1 from flow_calls where flow = ? and state = 'RUNNING' and expires_at <= ?").get(flow, now))
    if (late) await this.#durably(() => this.#db.prepare(`update flow_calls set state = 'WAITING', worker = null, expires_at = null, progress = null, attempt = attempt + 1, fence = fence + 1
      where flow = ? and state = 'RUNNING' and expires_at <= ?`).run(flow, now))
  }

  async dropCall(id: string): Promise<void> {
    await this.#durably(() => this.#db.prepare('delete from flow_calls where id = ?').run(id))
  }

  async close(): Promise<void> {
    while (this.#queue.length > 0) await new Promise((next) => setImmediate(next))
    if (this.#stopped?.message === CLOSED) return
    this.#stopped = new Error(CLOSED)
    try {
      this.#db.exec('pragma wal_checkpoint(truncate)')
    } catch {
      // Another process uses the file: the last one to close it moves the log.
    }
    this.#db.close()
    await settleClosed()
  }

  #key(id: string): number {
    let k = this.#keys.get(id)
    if (k === undefined) {
      const row = this.#db.prepare('select k from flows where id = ?').get(id)
      if (!row) throw fenced(id)
      this.#keys.set(id, (k = row.k as number))
    }
    return k
  }

  #read<T>(act: () => T): T {
    try {
      return act()
    } catch (e) {
      throw storeFailure(e, this.path, 'read')
    }
  }

  /** A single statement that nobody waits to be durable. */
  #write<T>(act: () => T): T {
    try {
      return act()
    } catch (e) {
      throw storeFailure(e, this.path, 'write')
    }
  }

  /** Group commit without a timer: what is asked for until the event loop comes round is one database transaction. */
  #durably<T>(act: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#stopped) return reject(this.#stopped)
      this.#queue.push({ act, resolve: resolve as (value: never) => void, reject })
      if (this.#planned) return
      this.#planned = true
      setImmediate(() => {
        this.#planned = false
        this.#flush()
      })
    })
  }

  #flush(): void {
    const queue = this.#queue
    this.#queue = []
    const alone = queue.length === 1
    const told: (() => void)[] = []
    try {
      this.#db.prepare('begin immediate').run()
      for (const { act, resolve, reject } of queue) {
        if (!alone) this.#db.exec('savepoint one')
        try {
          const value = act()
          if (!alone) this.#db.exec('release one')
          told.push(() => resolve(value as never))
        } catch (e) {
          if (isPoison(e)) throw e
          if (alone) {
            rollback(this.#db)
            reject(storeFailure(e, this.path, 'write'))
            return
          }
          this.#db.exec('rollback to one; release one')
          told.push(() => reject(storeFailure(e, this.path, 'write')))
        }
      }
      this.#failpoint.before()
      this.#db.prepare('commit').run()
      this.#failpoint.after()
    } catch (e) {
      rollback(this.#db)
      const why = storeFailure(e, this.path, 'write') as Error
      // What the disk has kept is known only to the next process that opens the file.
      if (isPoison(e)) this.#stopped = why
      for (const { reject } of queue) reject(why)
      return
    }
    for (const tell of told) tell()
  }
}

/** Flows that one commit forgets at most. */
const FORGET_AT_ONCE = 200
const CLOSED = 'the journal is closed'
const PUT_TASK = `insert or replace into flow_tasks (id, name, kind, state, intention, attempt, epoch, result, failure, undo_result, undo_failure, history, wake_at, progress)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
const cell = (v: string | number | undefined): Cell => v ?? null
const fenced = (id: string) => failure('HF4203', { message: `Another process has taken over the flow ${id}.`, hint: 'The new holder goes on with it.' })

const flowRow = (r: Row): FlowRow => ({
  id: r.id, name: r.name, state: r.state, structure: unpack(r.structure), store: r.store ?? undefined, factory: r.factory ?? undefined, rejected: r.rejected || undefined,
  holder: r.holder === null ? undefined : JSON.parse(r.holder) as Holder, fence: r.fence, expiresAt: r.expires_at ?? undefined, createdAt: r.created_at, endedAt: r.ended_at ?? undefined, born: r.born,
})
/** The structure of a large flow says nearly the same thing a thousand times. */
const pack = (text: string): string => deflateRawSync(text).toString('base64')
const unpack = (packed: string): string => inflateRawSync(Buffer.from(packed, 'base64')).toString()

const range = (k: number): [number, number] => [k * TASKS_MAX, (k + 1) * TASKS_MAX - 1]

/** Words are kept as their place in these lists, which only ever grow at the end. */
const KINDS = ['task', 'retry'] as const
const STATES = ['PENDING', 'RUNNING', 'SUCCESS', 'FAILURE', 'REVERTING', 'REVERTED', 'REVERT_FAILURE', 'RETRYING', 'IGNORE'] as const
const INTENTIONS = ['EXECUTE', 'REVERT', 'RETRY', 'IGNORE'] as const
const code = <T extends string>(list: readonly T[], word: T): number => list.indexOf(word)
function word<T extends string>(list: readonly T[], place: number): T {
  const found = list[place]
  assert(found !== undefined, `the journal holds the word ${place}, which this version does not know`)
  return found
}

const taskRow = (r: Row): FlowTaskRow => ({
  at: (r.id as number) % TASKS_MAX, name: r.name, kind: word(KINDS, r.kind), state: word(STATES, r.state), intention: word(INTENTIONS, r.intention), attempt: r.attempt, epoch: r.epoch, result: r.result ?? undefined, failure: r.failure ?? undefined,
  undoResult: r.undo_result ?? undefined, undoFailure: r.undo_failure ?? undefined, history: r.history ?? undefined, wakeAt: r.wake_at ?? undefined, progress: r.progress ?? undefined,
})
const callRow = (r: Row): FlowCallRow => ({
  id: r.id, flow: r.flow, task: r.task, type: r.type, action: r.action, doc: r.doc, state: r.state, worker: r.worker ?? undefined, fence: r.fence, attempt: r.attempt,
  expiresAt: r.expires_at ?? undefined, answer: r.answer ?? undefined, createdAt: r.created_at, progress: r.progress ?? undefined,
})
