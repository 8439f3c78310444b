import { assert, limits } from '../../base/index.ts'
import { chainHash, refusals, REQUEST_KEPT_MS, REQUESTS_SWEPT, type ChainedEvent } from '../../journal/index.ts'
import type { EventRow, OpenPart } from '../../state/index.ts'
import type { Committed } from '../port.ts'
import { dropClaim, freeClaims, putClaim } from './claim-rows.ts'
import { dropComponent, dropReference, putComponent, putReference, refuseReferenced } from './component-rows.ts'
import type { Cell, Connection, Statement } from './driver.ts'
import { HEAD_CELLS, HOLD_CELLS, OP, RUN_CELLS, TASK_CELLS } from './encode.ts'
import { createEnv, dropEnv, readEnv, writeEnv, type EnvState } from './env-rows.ts'
import { compactEvents, putEvent } from './event-rows.ts'
import { Fences } from './fences.ts'
import { Numbers } from './numbers.ts'
import { closePart, openPart } from './part-rows.ts'
import { approvePlan, putPlan, usePlan } from './plan-rows.ts'
import { compactHistory, dropResource, endResource, putResource, putTags } from './resource-rows.ts'
import { sumOf } from './sum.ts'
import { TxRows } from './tx-rows.ts'

/**
 * The SQL meaning of encoded transactions, on one connection, inside a database transaction that the caller began.
 * What `fold` says in memory, this says in SQL, with the files beside it; the store suite compares them on random lists.
 */
export class Applier {
  private readonly db: Connection
  private readonly envs = new Map<string, EnvState>()
  private readonly numbers: Numbers
  private readonly fences: Fences
  private readonly txs: TxRows
  private c: Cell[] = []
  private i = 0

  constructor(db: Connection) {
    this.db = db
    this.numbers = new Numbers(db)
    this.fences = new Fences(db)
    this.txs = new TxRows(db, this.numbers)
  }

  /** A database transaction has begun: nothing is known. */
  begin(): void {
    this.envs.clear()
    this.fences.forget()
    this.numbers.begin()
  }

  /** Before the database commits: environment rows are written once for all transactions of the batch. */
  flush(): void {
    for (const e of this.envs.values()) writeEnv(this.db, e)
  }

  /** Undo of a savepoint: the environment is as before. */
  remember(env: string): () => void {
    const known = this.envs.get(env)
    const copy = known && { ...known }
    return () => {
      this.numbers.forget()
      this.fences.forget()
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
    this.fences.begin()
    this.txs.begin()
    if (cells[this.i] === OP.holdCheck) {
      this.i++
      this.fences.checkHold(this.cells(HOLD_CELLS))
    }
    if (scope !== null) this.fences.check(scope, cells[start + 2] as number)
    while (cells[this.i] === OP.fenceAlso) {
      this.fences.check(cells[this.i + 1] as string, cells[this.i + 2] as number)
      this.i += 3
    }
    let env = this.envOf(id)
    if (expectSeq !== null && (env?.seq ?? 0) !== expectSeq) throw refusals.stale(expectSeq, env?.seq ?? 0)
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
        putEvent(this.db, env, seq, said.length, event, this.numbers)
        said.push(event)
      } else this.operation(op, env, seq)
    }
    if (said.length > 0) {
      env.chainHash = chainHash(env.chainHash, id, seq, said)
      env.chainSeq = seq
    }
    const lease = this.fences.taken
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
    putEvent(this.db, this.envOf(e.env) as EnvState, e.seq, e.n, [e.at, e.kind, e.data], this.numbers)
  }

  private operation(op: number, env: EnvState, seq: number): void {
    const { k } = env
    const { c, db, txs } = this
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
      case OP.partOpen: return openPart(db, k, JSON.parse(c[this.take(1)] as string) as OpenPart)
      case OP.partClose: {
        const at = this.take(2)
        return closePart(db, env, c[at] as number, c[at + 1] as number | null)
      }
      case OP.runPut: return txs.putRun(k, c, this.take(RUN_CELLS))
      case OP.planPut: return putPlan(db, k, this.cells(8))
      case OP.planUse: return usePlan(db, this.cells(2))
      case OP.planApprove: return approvePlan(db, this.cells(2))
      case OP.txOpen: return txs.open(k, c, this.take(15))
      case OP.txMove: {
        const at = this.take(5)
        return txs.move(k, c, at, this.take(2 * (c[at + 4] as number)))
      }
      case OP.resourcePut: return putResource(db, env, seq, c, this.take(13), txs.completed)
      case OP.resourceUntil: {
        const at = this.take(3)
        return endResource(db, k, seq, c[at] as string, c[at + 1] as Cell, c[at + 2] as number | null)
      }
      case OP.resourceDrop: {
        const at = this.take(2)
        return dropResource(db, k, c[at] as string, c[at + 1] as number)
      }
      case OP.claimPut: {
        const at = this.take(3)
        return putClaim(db, k, c[at] as string, c[at + 1] as Cell, c[at + 2] as Cell)
      }
      case OP.claimDrop: {
        const at = this.take(2)
        return dropClaim(db, k, c[at] as Cell, c[at + 1] as Cell)
      }
      case OP.taskPut: return txs.putTask(c, this.take(TASK_CELLS))
      case OP.alongside: return txs.comesWith(c, this.take(2))
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
        const count = c[at + 2] as number
        return putTags(db, k, c, at, this.take(2 * count), count)
      }
      case OP.holdSettle:
        this.take(HOLD_CELLS)
        return this.fences.settleHold((text) => this.numbers.word(text))
      case OP.guardLone: return this.guardLone(k)
      case OP.envDrop: return dropEnv(db, env)
      case OP.componentPut: return putComponent(db, k, this.cells(5))
      case OP.componentDrop: return dropComponent(db, k, c[this.take(1)] as string)
      case OP.referencePut: return putReference(db, k, this.cells(5), (address, uid) => txs.busy(address, uid))
      case OP.referenceDrop: return dropReference(db, k, this.cells(2))
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
      case OP.eventsCompact: return compactEvents(db, env, Math.min(c[this.take(1)] as number, seq - 1), this.numbers)
      default: assert(false, `apply: unknown operation ${op}`)
    }
  }

  private createEnv(): EnvState {
    const env = createEnv(this.db, this.cells(7))
    this.envs.set(env.id, env)
    return env
  }

  private envOf(id: string): EnvState | undefined {
    const known = this.envs.get(id)
    if (known) return known
    const env = readEnv(this.db, id, this.numbers)
    if (env) this.envs.set(id, env)
    return env
  }

  private commitEnv(env: EnvState, from: number, to: number, partial: number): void {
    if (env.revision !== from) throw refusals.revisionMoved(from, env.revision)
    env.revision = to
    env.partial = partial
    freeClaims(this.db, env.k, to)
    compactHistory(this.db, env.k, to - limits.historyRevisions)
  }

  /** A change that no run plans was decided on what its caller read: that must still be so. */
  private guardLone(k: number): void {
    const [uid, address, type, base, deletes] = this.cells(5) as [string, string, string, string | null, number]
    if (deletes) refuseReferenced(this.db, uid, address)
    const still = base === null
      ? !this.sql('select 1 from resources where env = ? and address = ? and type = ? and until is null').get(k, address, type)
      : this.sql('select 1 from resources where env = ? and uid = ? and until is null and fingerprint = ?').get(k, uid, base)
    if (!still) throw refusals.moved(address)
  }

  /** Number of a text that stands in many rows. */
  word(text: string): number {
    return this.numbers.word(text)
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
