import { failure, isFailure, type HoldfastError } from '../../base/index.ts'
import { refusals } from '../../journal/index.ts'
import type { LeaseRow } from '../../state/index.ts'
import { grant, handOver, type Acquired, type GrantActs, type GrantRequest, type HandOver } from '../grant.ts'
import { clockPutOn, holderAlive } from '../holder.ts'
import type { Committed } from '../port.ts'
import { Applier } from './apply.ts'
import { isPoison, resultCode, storeFailure, type Cell, type Connection } from './driver.ts'
import { HEAD_CELLS } from './encode.ts'
import type { Failpoint } from './failpoint.ts'
import { grantRows, performGrant } from './lease-row.ts'
import { connect, rollback } from './open.ts'

/** How one transaction of a batch ended, or why nothing of it was written. */
export type TxResult = Committed | Error

/**
 * Everything that writes to the file, on one connection. The same code runs inline for the first few commits and in the writer thread after that.
 * After a failure of the disk the connection is given up: a full disk is tried again on a new one; an I/O error stops all writing, because what the
 * file system has kept of the last commit is not known before the file is opened by a new process.
 */
export class WriterCore {
  private readonly path: string
  private readonly failpoint: Failpoint
  private db: Connection
  private applier: Applier
  private stopped: HoldfastError | undefined

  constructor(path: string, db: Connection, failpoint: Failpoint) {
    this.path = path
    this.db = db
    this.failpoint = failpoint
    this.applier = new Applier(db)
  }

  /** The connection in use. */
  get connection(): Connection {
    return this.db
  }

  /**
   * Commits encoded transactions as one database transaction. First without savepoints; if one is refused, all of it again with one savepoint
   * each, so that only the refused ones are not written.
   */
  commit(batch: Cell[]): TxResult[] {
    const starts: number[] = []
    for (let i = 0; i < batch.length; i += HEAD_CELLS + (batch[i + HEAD_CELLS - 1] as number)) starts.push(i)
    try {
      try {
        return this.durably(() => starts.map((start) => this.applier.apply(batch, start)))
      } catch (e) {
        if (resultCode(e) !== undefined || isFailure(e) && e.code.startsWith('HF400')) throw e
        if (starts.length === 1) return [e as Error]
      }
      return this.durably(() => starts.map((start) => this.inSavepoint(batch, start)))
    } catch (e) {
      const why = storeFailure(e, this.path, 'write') as Error
      return starts.map(() => why)
    }
  }

  private inSavepoint(batch: Cell[], start: number): TxResult {
    const putBack = this.applier.remember(batch[start] as string)
    this.db.exec('savepoint one')
    try {
      const committed = this.applier.apply(batch, start)
      this.db.exec('release one')
      return committed
    } catch (e) {
      if (resultCode(e) !== undefined) throw e
      this.db.exec('rollback to one; release one')
      putBack()
      return e as Error
    }
  }

  /** Runs `act` in a database transaction that is on disk when this returns. */
  private durably<T>(act: () => T): T {
    if (this.stopped) throw this.stopped
    try {
      this.db.exec('begin immediate')
      this.applier.begin()
      const result = act()
      this.applier.flush()
      this.failpoint.before()
      this.db.exec('commit')
      this.failpoint.after()
      return result
    } catch (e) {
      rollback(this.db)
      if (isPoison(e)) this.giveUpConnection(e)
      throw e
    }
  }

  private giveUpConnection(e: unknown): void {
    const full = resultCode(e) === 13
    if (!full) this.stopped = failure('HF4006', { message: `Nothing more is written to ${this.path} by this process, because the disk failed: ${(e as Error).message}.` })
    if (!full) return
    try {
      const next = connect(this.path, 'write')
      this.db.close()
      this.db = next
      this.applier = new Applier(next)
    } catch (again) {
      this.stopped = storeFailure(again, this.path, 'write') as HoldfastError
    }
  }

  acquire(request: GrantRequest): Acquired {
    // Asked again inside the transaction; this look spares a poller the write lock.
    const seen = this.decide(request)
    if (isEmpty(seen.acts)) return seen.answer
    try {
      if (seen.acts.beat) {
        const { id, expiresAt } = seen.acts.putTicket as NonNullable<GrantActs['putTicket']>
        this.db.prepare('update tickets set expires_at = ? where id = ?').run(expiresAt, id)
        return seen.answer
      }
      return this.durably(() => {
        const { answer, acts } = this.decide(request)
        performGrant(this.db, acts)
        return answer
      })
    } catch (e) {
      throw storeFailure(e, this.path, 'write')
    }
  }

  private decide(request: GrantRequest): { readonly answer: Acquired; readonly acts: GrantActs } {
    return grant(grantRows(this.db), request, holderAlive, clockPutOn)
  }

  /** A heartbeat: not a durable commit in the sense of the failpoints. Gives false when the lease is somebody else's. */
  renew(scope: string, fence: number, expiresAt: number): boolean {
    return Number(this.db.prepare('update leases set expires_at = max(expires_at, ?) where scope = ? and fence = ?').run(expiresAt, scope, fence).changes) === 1
  }

  release(scope: string, fence: number): void {
    try {
      this.durably(() => this.db.prepare('delete from leases where scope = ? and fence = ?').run(scope, fence))
    } catch (e) {
      throw storeFailure(e, this.path, 'write')
    }
  }

  transfer(wish: HandOver): LeaseRow {
    try {
      return this.durably(() => {
        const done = handOver(grantRows(this.db), wish)
        if (!done) throw refusals.fenceLost(wish.scope)
        performGrant(this.db, done.acts)
        return done.granted
      })
    } catch (e) {
      throw storeFailure(e, this.path, 'write')
    }
  }

  /** Moves everything into the main file, as far as readers allow it, and closes. The last connection to close removes the log. */
  close(): void {
    try {
      this.db.exec('pragma wal_checkpoint(truncate)')
    } catch {
      // Somebody reads an older commit: the log stays until they have finished, and the next writer takes it over.
    }
    this.db.close()
  }

  leave(ticket: number): void {
    try {
      this.durably(() => this.db.prepare('delete from tickets where id = ?').run(ticket))
    } catch (e) {
      throw storeFailure(e, this.path, 'write')
    }
  }
}

const isEmpty = (acts: GrantActs): boolean => acts.putLease === undefined && acts.putTicket === undefined
