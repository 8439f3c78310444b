import { assert, limits } from '../../base/index.ts'
import { chainHash, COMPACT_ROWS_MAX, compactedChain, GONE, loneToken, refusals, REQUEST_KEPT_MS, REQUESTS_SWEPT, type ChainedEvent } from '../../journal/index.ts'
import { runMoves, txMoves, type EventRow, type Holder, type OpenPart, type RunRow } from '../../state/index.ts'
import { hold, type GrantActs } from '../grant.ts'
import type { Committed } from '../port.ts'
import { clockPutOn, holderAlive } from '../holder.ts'
import { dropComponent, dropReference, putComponent, putReference, refuseReferenced } from './component-rows.ts'
import { isConstraint, type Cell, type Connection, type Row, type Statement } from './driver.ts'
import { grantRows, performGrant } from './lease-row.ts'
import { adoptRun, LONE_SPAN, putLoneRun, putLoneTask, runIdOf, withRunAndTask } from './lone-rows.ts'
import { closePart, openPart } from './part-rows.ts'
import { approvePlan, putPlan, usePlan } from './plan-rows.ts'
import { sumOf } from './sum.ts'
import { chainRow, eventRow } from './read.ts'
import { ENV_SPAN, HEAD_CELLS, HOLD_CELLS, loneRunDoc, loneTaskDoc, MOVE_COLUMNS, OP, RUN_CELLS, RUN_SPAN, TASK_CELLS } from './encode.ts'

/** An environment as the open database transaction sees it. Written back once, when the batch commits. */
interface EnvState {
  readonly k: number
  readonly id: string
  revision: number
  partial: number
  seq: number
  openRun: string | null
  /** Of the chain of its events. */
  chainSeq: number
  chainHash: string
}

/**
 * The SQL meaning of encoded transactions, on one connection, inside a database transaction that the caller began.
 * What `fold` says in memory, this says in SQL; the store suite compares them on random lists.
 */
export class Applier {
  private readonly db: Connection
  private readonly envs = new Map<string, EnvState>()
  private readonly words = new Map<string, number>()
  /** Numbers of texts that were found when the database transaction had made none: they are durable, and stay. */
  private readonly knownWords = new Map<string, number>()
  private madeWords = false
  private readonly counters = { txs: new Map<number, number>(), tasks: new Map<number, number>(), events: new Map<number, number>() }
  /** Token of the change that the transaction has completed so far. */
  private completed: string | undefined
  /** Of the lone change that comes next: where the cells of its run and its task stand. And where those stand that have been written with one. */
  private alongside: { readonly run: number | undefined; readonly task: number | undefined } = NOTHING_ALONGSIDE
  private readonly told = new Set<number>()
  /** What becomes of the lease that the transaction is made under. */
  private holding: GrantActs | undefined
  private readonly fences = new Map<string, boolean>()
  private c: Cell[] = []
  private i = 0

  constructor(db: Connection) {
    this.db = db
  }

  /** A database transaction has begun: nothing is known. */
  begin(): void {
    this.envs.clear()
    this.fences.clear()
    this.madeWords = false
    this.forgetNumbers()
  }

  private forgetNumbers(): void {
    this.words.clear()
    for (const map of Object.values(this.counters)) map.clear()
  }

  /** Before the database commits: environment rows are written once for all transactions of the batch. */
  flush(): void {
    const update = this.sql('update envs set revision = ?, partial = ?, seq = ?, open_run = ?, chain_seq = ?, chain_hash = ? where k = ?')
    for (const e of this.envs.values()) update.run(e.revision, e.partial, e.seq, e.openRun, e.chainSeq, e.chainHash, e.k)
  }

  /** Undo of a savepoint: the environment is as before. */
  remember(env: string): () => void {
    const known = this.envs.get(env)
    const copy = known && { ...known }
    return () => {
      this.forgetNumbers()
      this.fences.clear()
      if (copy) this.envs.set(env, copy)
      else this.envs.delete(env)
    }
  }

  /** Applies the transaction that starts at `start`; gives its seq, and the lease it has taken. A refusal is thrown; what was written before it is the caller's to roll back. */
  apply(cells: Cell[], start: number): Committed {
    const id = cells[start] as string
    const scope = cells[start + 1] as string | null
    const expectSeq = cells[start + 3] as number | null
    const end = start + HEAD_CELLS + (cells[start + 4] as number)
    this.c = cells
    this.i = start + HEAD_CELLS
    this.holding = undefined
    this.alongside = NOTHING_ALONGSIDE
    this.told.clear()
    if (cells[this.i] === OP.holdCheck) {
      this.i++
      this.checkHold()
    }
    if (scope !== null && !this.holds(scope, cells[start + 2] as number)) throw refusals.fenceLost(scope)
    while (cells[this.i] === OP.fenceAlso) {
      const [also, at] = cells.slice(this.i + 1, this.i + 3) as [string, number]
      if (!this.holds(also, at)) throw refusals.fenceLost(also)
      this.i += 3
    }
    let env = this.envOf(id)
    if (expectSeq !== null && (env?.seq ?? 0) !== expectSeq) throw refusals.stale(expectSeq, env?.seq ?? 0)
    this.completed = undefined
    if (!env) {
      assert(cells[this.i] === OP.envCreate, `commit: there is no environment ${id}, and the first entry does not create it`)
      this.i++
      env = this.createEnv()
    }
    const seq = ++env.seq
    const said: ChainedEvent[] = []
    while (this.i < end) {
      const op = cells[this.i++] as number
      if (op === OP.event) {
        const c = this.take(3)
        const event: ChainedEvent = [cells[c] as number, cells[c + 1] as string, cells[c + 2] as string]
        this.putEvent(env, seq, said.length, event)
        said.push(event)
      } else this.operation(op, env, seq)
    }
    if (said.length > 0) {
      env.chainHash = chainHash(env.chainHash, id, seq, said)
      env.chainSeq = seq
    }
    const lease = (this.holding as GrantActs | undefined)?.putLease
    return lease ? { seq, lease } : { seq }
  }

  /** A row of an export, encoded as one entry: it becomes what it was, without being a commit of its own. */
  restore(cells: Cell[], seq: number): void {
    this.c = cells
    this.i = HEAD_CELLS
    while (this.i < cells.length) {
      const op = cells[this.i++] as number
      if (op === OP.envCreate) this.createEnv()
      else if (op === OP.guardLone) this.take(5) // what it was decided on is long past
      else this.operation(op, this.envOf(cells[0] as string) as EnvState, seq)
    }
  }

  restoreEvent(e: EventRow): void {
    this.putEvent(this.envOf(e.env) as EnvState, e.seq, e.n, [e.at, e.kind, e.data])
  }

  private putEvent(env: EnvState, seq: number, n: number, [at, kind, data]: ChainedEvent): void {
    this.sql('insert into events (k, seq, n, at, kind, data) values (?, ?, ?, ?, ?, ?)').run(this.nextIn('events', env.k, ENV_SPAN), seq, n, at, kind, data)
  }

  private operation(op: number, env: EnvState, seq: number): void {
    const { k } = env
    const c = this.c
    switch (op) {
      case OP.envCreate:
        this.createEnv()
        return
      case OP.envCommit: {
        const at = this.take(3)
        return this.commitEnv(env, c[at] as number, c[at + 1] as number, c[at + 2] as number)
      }
      case OP.envOpen:
        env.openRun = c[this.take(1)] as string | null
        return
      case OP.partOpen: return openPart(this.db, k, JSON.parse(c[this.take(1)] as string) as OpenPart)
      case OP.partClose: {
        const at = this.take(2)
        return closePart(this.db, env, c[at] as number, c[at + 1] as number | null)
      }
      case OP.runPut: return this.putRun(k, this.take(RUN_CELLS))
      case OP.planPut: return putPlan(this.db, k, this.cells(8))
      case OP.planUse: return usePlan(this.db, this.cells(2))
      case OP.planApprove: return approvePlan(this.db, this.cells(2))
      case OP.txOpen: return this.openTx(k)
      case OP.txMove: return this.moveTx(k)
      case OP.resourcePut: return this.putResource(env, seq)
      case OP.resourceUntil: {
        const at = this.take(3)
        const uid = c[at] as string
        const until = c[at + 2] as number | null
        const done = this.sql('update resources set until = ?, seq = ? where env = ? and uid = ? and since = ?').run(until, seq, k, uid, c[at + 1] as Cell)
        assert(Number(done.changes) === 1, `resource.until: there is no row ${uid} since ${String(c[at + 1])}`)
        if (until === null) {
          const row = this.sql('select count(*) as n from resources where env = ? and uid = ? and until is null').get(k, uid) as Row
          assert(row.n === 1, `${uid} would have two rows without an end`)
        }
        return
      }
      case OP.resourceDrop: {
        const at = this.take(2)
        const row = this.sql('delete from resources where env = ? and uid = ? and since = ? returning doc').get(k, c[at] as Cell, c[at + 1] as Cell)
        if (!row) return
        this.sql('delete from docs where id = ?').run(row.doc as number)
        this.untag(k, c[at] as string, c[at + 1] as number)
        return
      }
      case OP.claimPut: {
        const at = this.take(3)
        const key = c[at] as string
        const done = this.sql(`insert into claims (key, env, uid, until) values (?, ?, ?, ?)
          on conflict (key) do update set uid = excluded.uid, until = excluded.until where uid = excluded.uid or (until is not null and env = excluded.env)`).run(key, k, c[at + 1] as Cell, c[at + 2] as Cell)
        if (Number(done.changes) === 0) throw this.claimTaken(key)
        return
      }
      case OP.claimDrop: {
        const at = this.take(2)
        if (c[at + 1] === null) this.sql('delete from claims where uid = ? and env = ?').run(c[at] as Cell, k)
        else this.sql('delete from claims where key = ? and uid = ? and env = ?').run(c[at + 1] as Cell, c[at] as Cell, k)
        return
      }
      case OP.taskPut: return this.putTask(this.take(TASK_CELLS))
      case OP.alongside: {
        const at = this.take(2)
        const place = (i: number) => (c[i] === 0 ? undefined : i + (c[i] as number))
        this.alongside = { run: place(at), task: place(at + 1) }
        return
      }
      case OP.outputsPut: {
        const at = this.take(2)
        this.sql('insert into outputs (env, since, doc, sum) values (?, ?, ?, ?) on conflict (env, since) do update set doc = excluded.doc, sum = excluded.sum').run(k, c[at] as Cell, c[at + 1] as Cell, sumOf(env.id, c[at], c[at + 1]))
        return
      }
      case OP.secretPut: {
        const at = this.take(4)
        this.sql(`insert into secrets (env, name, fp, sealed, at) values (?, ?, ?, ?, ?)
          on conflict (env, name) do update set fp = excluded.fp, sealed = excluded.sealed, at = excluded.at`).run(k, ...c.slice(at, at + 4))
        return
      }
      case OP.secretDrop:
        this.sql('delete from secrets where env = ? and name = ?').run(k, c[this.take(1)] as Cell)
        return
      case OP.trashPut: {
        const at = this.take(5)
        this.sql(`insert into trash (env, id, address, type, at, doc) values (?, ?, ?, ?, ?, ?)
          on conflict (id) do update set address = excluded.address, type = excluded.type, at = excluded.at, doc = excluded.doc`).run(k, ...c.slice(at, at + 5))
        return
      }
      case OP.trashDrop:
        this.sql('delete from trash where id = ?').run(c[this.take(1)] as Cell)
        return
      case OP.tags: {
        const at = this.take(3)
        const pairs = this.take(2 * (c[at + 2] as number))
        const insert = this.sql('insert into tags (env, uid, since, key, value) values (?, ?, ?, ?, ?)')
        for (let i = 0; i < (c[at + 2] as number); i++) insert.run(k, c[at] as Cell, c[at + 1] as Cell, c[pairs + 2 * i] as Cell, c[pairs + 2 * i + 1] as Cell)
        return
      }
      case OP.holdSettle: return this.settleHold()
      case OP.guardLone: return this.guardLone(k)
      case OP.envDrop: return this.dropEnv(env)
      case OP.componentPut: return putComponent(this.db, k, this.cells(5))
      case OP.componentDrop: return dropComponent(this.db, k, c[this.take(1)] as string)
      case OP.referencePut: return putReference(this.db, k, this.cells(5), (address, uid) => this.busy(address, uid))
      case OP.referenceDrop: return dropReference(this.db, k, this.cells(2))
      case OP.resolvedPut: {
        const at = this.take(2)
        this.sql('insert into resolved (uid, env, doc) values (?, ?, ?) on conflict (uid) do update set env = excluded.env, doc = excluded.doc').run(c[at] as Cell, k, c[at + 1] as Cell)
        return
      }
      case OP.resolvedDrop:
        this.sql('delete from resolved where uid = ? and env = ?').run(c[this.take(1)] as Cell, k)
        return
      case OP.requestPut: {
        const at = this.take(6)
        if (this.sql('select 1 from requests where scope = ? and id = ?').get(c[at] as Cell, c[at + 1] as Cell)) throw refusals.requestKnown(c[at + 1] as string)
        this.sql('delete from requests where k in (select k from requests order by k limit ?) and at < ?').run(REQUESTS_SWEPT, (c[at + 5] as number) - REQUEST_KEPT_MS)
        this.sql('insert into requests (scope, id, method, digest, result, at) values (?, ?, ?, ?, ?, ?)').run(...c.slice(at, at + 6))
        return
      }
      case OP.keyCheck:
        this.sql('update store_meta set key_check = ?').run(c[this.take(1)] as Cell)
        return
      case OP.eventsCompact: return this.compactEvents(env, Math.min(c[this.take(1)] as number, seq - 1))
      default: assert(false, `apply: unknown operation ${op}`)
    }
  }

  private createEnv(): EnvState {
    const at = this.take(7)
    const [id, app, name, revision, partial, openRun, parts] = this.c.slice(at, at + 7) as [string, string, string, number, number, string | null, string | null]
    if (this.sql('select 1 from envs where id = ? or (app = ? and name = ?)').get(id, app, name)) throw refusals.envExists(app, name)
    const row = this.sql('insert into envs (id, app, name, revision, partial, seq, open_run, parts) values (?, ?, ?, ?, ?, 0, ?, ?)').run(id, app, name, revision, partial, openRun, parts)
    const env: EnvState = { k: Number(row.lastInsertRowid), id, revision, partial, seq: 0, openRun, chainSeq: 0, chainHash: '' }
    this.envs.set(id, env)
    return env
  }

  private compactEvents(env: EnvState, upTo: number): void {
    const range = [env.k * ENV_SPAN, (env.k + 1) * ENV_SPAN]
    const old = this.sql('select * from events where k >= ? and k < ? and seq <= ? order by k').all(...range, upTo).map((v) => eventRow(v, env.id))
    const chain = { ...chainRow(this.sql('select * from envs where k = ?').get(env.k) as Row), seq: env.chainSeq, hash: env.chainHash }
    const { compactedTo, baseSeq, baseHash } = compactedChain(chain, upTo, old)
    this.sql('update envs set compacted_to = ?, base_seq = ?, base_hash = ? where k = ?').run(compactedTo, baseSeq, baseHash, env.k)
    this.sql('delete from events where k >= ? and k < ? and seq <= ?').run(...range, upTo)
    this.counters.events.delete(env.k) // with all of them gone, keys begin anew
  }

  private commitEnv(env: EnvState, from: number, to: number, partial: number): void {
    if (env.revision !== from) throw refusals.revisionMoved(from, env.revision)
    env.revision = to
    env.partial = partial
    if (this.sql('select 1 from claims where env = ? and until is not null and until <= ? limit 1').get(env.k, to)) this.sql('delete from claims where env = ? and until is not null and until <= ?').run(env.k, to)
    const upTo = to - limits.historyRevisions
    if (upTo < 1) return
    this.sql('delete from outputs where env = ? and since < (select max(since) from outputs where env = ? and since <= ?)').run(env.k, env.k, upTo)
    // Most commits find nothing that old, and one look says so.
    if (!this.sql('select 1 from resources where env = ? and until is not null and until <= ? limit 1').get(env.k, upTo)) return
    const old = 'select doc, uid, since from resources where env = ? and until is not null and until <= ? order by until, uid, since limit ?'
    this.sql(`delete from tags where env = ? and (uid, since) in (select uid, since from (${old}))`).run(env.k, env.k, upTo, COMPACT_ROWS_MAX)
    this.sql(`delete from docs where id in (select doc from (${old}))`).run(env.k, upTo, COMPACT_ROWS_MAX)
    this.sql(`delete from resources where env = ? and (uid, since) in (select uid, since from (${old}))`).run(env.k, env.k, upTo, COMPACT_ROWS_MAX)
  }

  private untag(k: number, uid: string, since: number): void {
    this.sql('delete from tags where env = ? and uid = ? and since = ?').run(k, uid, since)
  }

  private checkHold(): void {
    const at = this.take(HOLD_CELLS)
    const [scope, holder, ttlMs, nowMs, keep, force] = this.c.slice(at, at + HOLD_CELLS) as [string, string, number, number, number, string | null]
    const rows = grantRows(this.db)
    for (const l of rows.leases) this.fences.set(`${l.scope} ${l.fence}`, l.mode === 'X' || l.mode === 'IX')
    const decided = hold(rows, {
      scope, holder: JSON.parse(holder) as Holder, ttlMs, nowMs, after: keep === 1 ? 'keep' : 'release', ...(force !== null && { force: JSON.parse(force) as number[] }),
    }, holderAlive, clockPutOn)
    if ('heldBy' in decided) throw refusals.heldBy(decided.heldBy, nowMs)
    this.holding = decided.acts
  }

  /** What the check found stands: nobody can take a lease while the database transaction is open. */
  private settleHold(): void {
    this.take(HOLD_CELLS)
    const acts = this.holding as GrantActs
    performGrant(this.db, acts, (text) => this.word(text))
    if (acts.dropLeases.length > 0 || acts.putLease) this.fences.clear()
  }

  private dropEnv(env: EnvState): void {
    const { k } = env
    const row = this.sql('select app, name from envs where k = ?').get(k) as Row
    const name = (row.app as string).startsWith('/') ? (row.name as string) : `${row.app}/${row.name}`
    const unless = (text: string, value: Cell, by: string) => {
      if (this.sql(text).get(value)) throw refusals.stateInUse(name, by)
    }
    unless('select 1 from resources where env = ? and until is null limit 1', k, 'it has resources')
    unless('select 1 from components where env = ? limit 1', k, 'it has components')
    unless('select 1 from envs where app = ? limit 1', `/${env.id}`, 'it has children')
    unless(`select 1 from txs indexed by txs_unresolved where ${UNRESOLVED} and env = ? limit 1`, k, 'it has changes that are not settled')
    this.sql('update envs set app = ?, name = ? where k = ?').run(GONE, env.id, k)
  }

  private guardLone(k: number): void {
    const at = this.take(5)
    const [uid, address, type, base, deletes] = this.c.slice(at, at + 5) as [string, string, string, string | null, number]
    if (deletes) refuseReferenced(this.db, uid, address)
    if (base === null) {
      if (this.sql('select 1 from resources where env = ? and address = ? and type = ? and until is null').get(k, address, type)) throw refusals.moved(address)
    } else if (!this.sql('select 1 from resources where env = ? and uid = ? and until is null and fingerprint = ?').get(k, uid, base)) throw refusals.moved(address)
  }

  private putTask(at: number): void {
    if (this.told.delete(at)) return
    const [run, id, doc] = this.c.slice(at, at + TASK_CELLS) as [string, string, string]
    if (putLoneTask(this.db, run, id, doc)) return
    this.sql('insert into tasks (k, id, doc) values (?, ?, ?)').run(this.nextIn('tasks', this.word(run), RUN_SPAN), id, doc)
  }

  /** `txs.run`, from the cells of a run. */
  private runDoc(at: number): string {
    return `[${this.word(this.c[at + 7] as string)},${loneRunDoc(this.c.slice(at, at + RUN_CELLS))}`
  }

  private takeAlongside() {
    const { alongside } = this
    this.alongside = NOTHING_ALONGSIDE
    return alongside
  }

  private putRun(k: number, at: number): void {
    if (this.told.delete(at)) return
    const id = this.c[at] as string
    const status = this.c[at + 3] as RunRow['status']
    const check = (old: RunRow['status'] | undefined) => checkRun(id, old, status)
    if (putLoneRun(this.db, id, () => this.runDoc(at), check)) return
    check(this.sql('select status from runs where id = ?').get(id)?.status as RunRow['status'] | undefined)
    this.sql(`insert into runs (env, id, kind, plan, status, phase, from_rev, to_rev, holder, started_at, ended_at, result) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      on conflict (id) do update set kind = excluded.kind, plan = excluded.plan, status = excluded.status, phase = excluded.phase, from_rev = excluded.from_rev,
        to_rev = excluded.to_rev, holder = excluded.holder, started_at = excluded.started_at, ended_at = excluded.ended_at, result = excluded.result`).run(k, ...this.c.slice(at, at + 11))
  }

  private openTx(k: number): void {
    const at = this.take(15)
    const c = this.c
    const target = this.sql('insert into docs (inputs, outputs, sum) values (?, ?, ?)').run(c[at] as Cell, c[at + 1] as Cell, sumOf(c[at], c[at + 1])).lastInsertRowid
    const [id, token] = [c[at + 2] as string, c[at + 5] as string]
    const isLone = loneToken(id) === token
    const place = isLone ? this.nextIn('txs', -k, LONE_SPAN) : this.nextIn('txs', this.word(id), RUN_SPAN)
    const { run, task } = this.takeAlongside()
    try {
      this.sql(`insert into txs (k, env, target, capability, token, uid, status, applied, epoch, attempts, first_sent_at, last_sent_at, ended_at, evidence, run, task)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`).run(place, k, Number(target), this.word(c[at + 3] as string), ...c.slice(at + 5, at + 15), run === undefined ? null : this.runDoc(run), task === undefined ? null : loneTaskDoc(c[task + 1] as string, c[task + 2] as string))
    } catch (e) {
      const taken = isConstraint(e, 'txs.') && this.sql('select 1 from txs where token = ?').get(c[at + 5] as Cell)
      assert(!taken, `tx.open: ${String(c[at + 5])} exists already`)
      throw isConstraint(e, 'txs.uid') ? this.busy(c[at + 4] as string, c[at + 6] as string) : e
    }
    if (task !== undefined) this.told.add(task)
    const stands = isLone && adoptRun(this.db, token, id, (text) => this.word(text), (old) => run !== undefined && mayBecome(old, c[run + 3] as RunRow['status']))
    if (run !== undefined && !stands) this.told.add(run)
  }

  private moveTx(k: number): void {
    const at = this.take(5)
    const c = this.c
    const token = c[at] as string
    const to = c[at + 1] as keyof typeof txMoves
    const target = c[at + 2] as string | null
    const count = c[at + 4] as number
    const pairs = this.take(2 * count)
    let columns = ''
    const values: Cell[] = [to]
    for (let i = 0; i < count; i++) {
      columns += `, ${MOVE_COLUMNS[c[pairs + 2 * i] as number]} = ?`
      values.push(c[pairs + 2 * i + 1] as Cell)
    }
    const { run, task } = this.takeAlongside()
    try {
      let whole = false
      const set = `update txs set status = ?${columns}`
      const where = `where token = ? and env = ? and (${sourcesOf[to]})`
      if (run !== undefined && task !== undefined) {
        const more = withRunAndTask[c[run + 3] as RunRow['status']]
        whole = Number(this.sql(`${set}${more.set} ${where}${more.where}`).run(...values, this.runDoc(run), loneTaskDoc(c[task + 1] as string, c[task + 2] as string), token, k, c[task + 1] as Cell).changes) === 1
        if (whole) this.told.add(run).add(task)
      }
      if (!whole && Number(this.sql(`${set} ${where}`).run(...values, token, k).changes) === 0) {
        const old = this.sql('select status, env from txs where token = ?').get(token)
        assert(old, `tx.move: there is no transaction ${token}`)
        assert(old.env === k, 'tx.move: belongs to another environment than the commit')
        assert(false, `tx.move: ${token} cannot move from ${old.status} to ${to}`)
      }
    } catch (e) {
      if (!isConstraint(e, 'txs.uid')) throw e
      const me = this.sql("select uid, (select outputs ->> '$[0][3]' from docs where id = target) as address from txs where token = ?").get(token) as Row
      throw this.busy(me.address as string, me.uid as string)
    }
    if (target !== null) this.sql("update docs set inputs = ?, outputs = json_set(outputs, '$[1]', json(?)), sum = null where id = (select target from txs where token = ?)").run(target, c[at + 3] as Cell, token)
    if (to === 'completed') this.completed = token
  }

  private putResource({ k, id }: EnvState, seq: number): void {
    const at = this.take(13)
    const c = this.c
    const inputs = c[at] as string | null
    const outputs = c[at + 1] as string | null
    const uid = c[at + 3] as string
    const since = c[at + 4] as number
    let doc: number | undefined
    let otherOpen = false
    for (const row of this.sql('select since, doc from resources where env = ? and uid = ? and (since = ? or until is null)').all(k, uid, since)) {
      if (row.since === since) doc = row.doc as number
      else otherOpen = true
    }
    if (doc !== undefined) this.untag(k, uid, since)
    assert(inputs !== null || doc !== undefined, `resource.put: ${String(c[at + 8])} comes without documents, and there is no row since ${since}`)
    assert(!otherOpen || c[at + 5] !== null, `${uid} would have two rows without an end`)
    if (inputs !== null) {
      const same = this.sameInputs(inputs)
      const text = same === null ? inputs : null
      if (doc === undefined) doc = Number(this.sql('insert into docs (inputs, outputs, same, sum) values (?, ?, ?, ?)').run(text, outputs, same, sumOf(text, outputs)).lastInsertRowid)
      else this.sql('update docs set inputs = ?, outputs = ?, same = ?, sum = ? where id = ?').run(text, outputs, same, sumOf(text, outputs), doc)
    }
    this.sql(`insert into resources (env, seq, doc, alone, uid, since, until, ordinal, status, address, type, fingerprint, shape, meta, sum) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      on conflict (env, uid, since) do update set seq = excluded.seq, alone = excluded.alone, until = excluded.until, ordinal = excluded.ordinal, status = excluded.status, address = excluded.address,
        type = excluded.type, fingerprint = excluded.fingerprint, shape = excluded.shape, meta = excluded.meta, sum = excluded.sum`).run(k, seq, doc as number, ...c.slice(at + 2, at + 13), sumOf(id, uid, since, ...c.slice(at + 6, at + 13)))
  }

  /** A change that completes in this transaction has its inputs in its target already, and the target of a completed change never changes. */
  private sameInputs(inputs: string): number | null {
    if (this.completed === undefined) return null
    const row = this.sql('select d.id from txs t join docs d on d.id = t.target where t.token = ? and d.inputs = ?').get(this.completed, inputs)
    return row ? (row.id as number) : null
  }

  /** Next key in the range of an owner. */
  private nextIn(table: 'txs' | 'tasks' | 'events', owner: number, span: number): number {
    const counters = this.counters[table]
    let k = counters.get(owner)
    if (k === undefined) {
      const last = this.sql(`select max(k) as k from ${table} where k >= ? and k < ?`).get(owner * span, (owner + 1) * span)?.k as number | null
      k = last === null ? owner * span : last + 1
    }
    assert(k < (owner + 1) * span && k <= Number.MAX_SAFE_INTEGER, `${table}: no key is left`)
    counters.set(owner, k + 1)
    return k
  }

  private busy(address: string, uid: string) {
    const row = this.sql(`select token, ${runIdOf('txs')} as run from txs where uid = ? and (status = 'open' or status = 'sent' or status = 'unknown' or (status = 'failed' and applied = 'partly'))`).get(uid) as Row
    return refusals.busy(address, row.token as string, row.run as string)
  }

  private claimTaken(key: string) {
    const row = this.sql(`select c.uid, e.app, e.name, (select address from resources r where r.env = c.env and r.uid = c.uid order by since desc limit 1) as address
      from claims c join envs e on e.k = c.env where c.key = ?`).get(key) as Row
    return refusals.claimTaken(key, { app: row.app as string, env: row.name as string, uid: row.uid as string, address: (row.address as string | null) ?? undefined })
  }

  private envOf(id: string): EnvState | undefined {
    const known = this.envs.get(id)
    if (known) return known
    const row = this.sql(`select json_array(k, revision, partial, seq, open_run, chain_seq, chain_hash, (select max(v.k) from events v where v.k >= e.k * ${ENV_SPAN} and v.k < (e.k + 1) * ${ENV_SPAN})) as list
      from envs e where id = ?`).get(id)
    if (!row) return undefined
    const [k, revision, partial, seq, openRun, chainSeq, chainHash, lastEvent] = JSON.parse(row.list as string) as [number, number, number, number, string | null, number, string, number | null]
    this.counters.events.set(k, lastEvent === null ? k * ENV_SPAN : lastEvent + 1)
    const env: EnvState = { k, id, revision, partial, seq, openRun, chainSeq, chainHash }
    this.envs.set(id, env)
    return env
  }

  /** Number of a text that stands in many rows. One that was made is known for its database transaction only: what is rolled back was never numbered. */
  word(text: string): number {
    const known = this.knownWords.get(text) ?? this.words.get(text)
    if (known !== undefined) return known
    const found = this.sql('select k from words where text = ?').get(text)?.k as number | undefined
    if (found !== undefined && !this.madeWords) {
      if (this.knownWords.size >= WORDS_KNOWN_MAX) this.knownWords.clear()
      this.knownWords.set(text, found)
      return found
    }
    const k = found ?? Number(this.sql('insert into words (text) values (?)').run(text).lastInsertRowid)
    this.madeWords = true
    this.words.set(text, k)
    return k
  }

  /** Nobody can take a lease over while the database transaction is open, so one look per batch is enough. */
  private holds(scope: string, fence: number): boolean {
    const key = `${scope} ${fence}`
    let held = this.fences.get(key)
    if (held === undefined) {
      held = this.sql("select 1 from leases where scope = ? and fence = ? and (mode = 'X' or mode = 'IX')").get(scope, fence) !== undefined
      this.fences.set(key, held)
    }
    return held
  }

  /** Index of the first of the next `count` cells. */
  private take(count: number): number {
    const at = this.i
    this.i += count
    return at
  }

  private cells(count: number): Cell[] {
    const at = this.take(count)
    return this.c.slice(at, at + count)
  }

  private sql(text: string): Statement {
    return this.db.prepare(text)
  }
}

const WORDS_KNOWN_MAX = 64

const NOTHING_ALONGSIDE = { run: undefined, task: undefined }

const mayBecome = (old: RunRow['status'], status: RunRow['status']): boolean => old === status || (runMoves[old] as readonly string[]).includes(status)

function checkRun(id: string, old: RunRow['status'] | undefined, status: RunRow['status']): void {
  assert(old === undefined || mayBecome(old, status), `run.put: ${id} cannot move from ${old} to ${status}`)
}

const UNRESOLVED = "(status = 'open' or status = 'sent' or status = 'unknown' or (status = 'failed' and applied = 'partly'))"

/** Condition on the status that may become the key: the table of moves, read backwards. No `in (...)`: SQLite builds a table for it with every execution. */
const sourcesOf: Record<keyof typeof txMoves, string> = Object.fromEntries(
  Object.keys(txMoves).map((to) => {
    const from = Object.entries(txMoves).filter(([, tos]) => (tos as readonly string[]).includes(to)).map(([f]) => `status = '${f}'`)
    return [to, from.length ? from.join(' or ') : '0']
  }),
) as Record<keyof typeof txMoves, string>
