import { Worker } from 'node:worker_threads'
import { assert, Bug, failure, limits, type Millis } from '../../base/index.ts'
import type { LeaseRow } from '../../state/index.ts'
import type { Acquired, GrantRequest, HandOver } from '../grant.ts'
import type { Committed } from '../port.ts'
import { WriterCore, type TxResult } from './core.ts'
import { settleClosed, type Cell, type Connection } from './driver.ts'
import type { EncodedTx } from './encode.ts'
import { sharedCounter, type Failpoint } from './failpoint.ts'
import { receiveError, type FromWriter, type ToWriter, type WriterData } from './messages.ts'
import { becomeReader } from './open.ts'
import { Renewals } from './renewals.ts'
import { writerEntry } from './worker-entry.ts'

/** A second commit waiting while this many have been made inline: from here on a thread is worth its start (about 30 ms). */
const INLINE_COMMITS = 8
/** Batches at the writer: one being written, one on its way, so that neither side waits for the other. */
const BATCHES_OUT_MAX = 2

interface Caller {
  readonly resolve: (committed: Committed) => void
  readonly reject: (why: Error) => void
}
interface Asked extends Caller {
  readonly encode: () => EncodedTx
}
interface Waiting extends Caller {
  readonly tx: EncodedTx
}

/**
 * The main thread's side of writing. It begins inline: a plan, or a run of a few changes, never starts a thread. It goes over to the writer thread
 * when commits come in numbers or a lease is to be kept; until the thread says it is ready, commits go on inline.
 *
 * Group commit needs no timer: what is asked for while a batch is being written is the next batch.
 * The queue is bounded by `limits.commitBatchMax` transactions or `limits.commitBatchBytesMax` characters; callers beyond that wait for room, in order.
 */
export class WriterClient {
  private readonly path: string
  private readonly serial: boolean
  private readonly core: WriterCore
  private readonly renewals: Renewals
  /** By fence. */
  private readonly kept = new Map<number, { readonly lease: LeaseRow; readonly everyMs: Millis; readonly onLost: (reason: string) => void }>()
  private readonly later = new Map<number, NodeJS.Timeout>()
  private mode: 'inline' | 'starting' | 'thread' | 'noThread' | 'dead' | 'closed' = 'inline'
  private worker: Worker | undefined
  private madeInline = 0

  private queue: Waiting[] = []
  private queuedBytes = 0
  private readonly overflow = new Fifo<Asked>()
  private pumpPlanned = false

  private nextId = 1
  private readonly out = new Map<number, Waiting[]>()
  private readonly calls = new Map<number, { readonly resolve: (m: FromWriter) => void; readonly reject: (why: Error) => void }>()

  constructor(path: string, db: Connection, failpoint: Failpoint, serial: boolean) {
    this.path = path
    this.serial = serial
    this.core = new WriterCore(path, db, failpoint)
    this.renewals = new Renewals(this.core, (_scope, fence, reason) => this.lost(fence, reason))
  }

  /** Connection for reading: the writer's own while it is inline. */
  get connection(): Connection {
    return this.core.connection
  }

  /** `encode` is called when there is room in the queue: what waits beyond it costs nothing but the caller's own entries. */
  commit(encode: () => EncodedTx): Promise<Committed> {
    assert(this.mode !== 'closed', 'the store is closed')
    return new Promise((resolve, reject) => {
      const asked: Asked = { encode, resolve, reject }
      if (this.overflow.length > 0 || this.isFull()) this.overflow.push(asked)
      else this.admit(asked)
    })
  }

  private admit({ encode, resolve, reject }: Asked): void {
    try {
      const tx = encode()
      this.queue.push({ tx, resolve, reject })
      this.queuedBytes += tx.bytes
      this.planPump()
    } catch (e) {
      reject(e as Error)
    }
  }

  private isFull(): boolean {
    return this.queue.length >= limits.commitBatchMax || this.queuedBytes >= limits.commitBatchBytesMax
  }

  private planPump(): void {
    if (this.pumpPlanned) return
    this.pumpPlanned = true
    setImmediate(() => {
      this.pumpPlanned = false
      this.pump()
    })
  }

  private pump(): void {
    if (this.mode === 'thread') {
      while (this.queue.length > 0 && this.out.size < (this.serial ? 1 : BATCHES_OUT_MAX)) this.sendBatch()
      return
    }
    const waiting = this.queue.length
    if (waiting === 0) return
    const batch = this.takeBatch()
    this.settle(batch, this.mode === 'dead' ? batch.map(() => this.threadDied()) : this.core.commit(join(batch)))
    this.madeInline += batch.length
    if (waiting > 1 && this.madeInline >= INLINE_COMMITS) this.startThread()
    if (this.queue.length > 0) this.planPump()
  }

  private sendBatch(): void {
    const batch = this.takeBatch()
    const id = this.nextId++
    this.out.set(id, batch)
    this.post({ t: 'commit', id, cells: join(batch) })
    this.worker?.ref()
  }

  private takeBatch(): Waiting[] {
    const max = this.serial ? 1 : limits.commitBatchMax
    let bytes = 0
    let n = 0
    while (n < this.queue.length && n < max && (n === 0 || bytes + (this.queue[n] as Waiting).tx.bytes <= limits.commitBatchBytesMax)) bytes += (this.queue[n++] as Waiting).tx.bytes
    const batch = this.queue.splice(0, n)
    this.queuedBytes -= bytes
    while (!this.isFull()) {
      const next = this.overflow.shift()
      if (!next) break
      this.admit(next)
    }
    return batch
  }

  private settle(batch: readonly Waiting[], results: readonly TxResult[]): void {
    for (let i = 0; i < batch.length; i++) {
      const r = results[i] as TxResult
      if (r instanceof Error) (batch[i] as Waiting).reject(r)
      else (batch[i] as Waiting).resolve(r)
    }
  }

  async acquire(request: GrantRequest): Promise<Acquired> {
    if (!this.onThread()) return this.core.acquire(request)
    const answer = await this.call((id) => ({ t: 'acquire', id, request }))
    return (answer as Extract<FromWriter, { t: 'acquired' }>).result
  }

  keep(lease: LeaseRow, everyMs: Millis, onLost: (reason: string) => void): void {
    this.kept.set(lease.fence, { lease, everyMs, onLost })
    if (this.mode === 'inline') this.startThread()
    this.keepSomewhere(lease, everyMs)
  }

  keepLater(lease: LeaseRow, everyMs: Millis, onLost: (reason: string) => void): void {
    this.unkeep(lease.fence)
    const timer = setTimeout(() => {
      this.later.delete(lease.fence)
      this.keep(lease, everyMs, onLost)
    }, everyMs)
    timer.unref()
    this.later.set(lease.fence, timer)
  }

  unkeep(fence: number): void {
    clearTimeout(this.later.get(fence))
    this.later.delete(fence)
    if (!this.kept.delete(fence)) return
    this.renewals.stop(fence)
    if (this.worker) this.post({ t: 'unkeep', fence })
  }

  private keepSomewhere(lease: LeaseRow, everyMs: Millis): void {
    const ttlMs = lease.expiresAt - lease.grantedAt
    if (this.worker) this.post({ t: 'keep', scope: lease.scope, fence: lease.fence, ttlMs, everyMs })
    else this.renewals.start(lease.scope, lease.fence, ttlMs, everyMs)
  }

  async release(lease: LeaseRow): Promise<void> {
    this.kept.delete(lease.fence)
    if (this.onThread()) {
      await this.call((id) => ({ t: 'release', id, scope: lease.scope, fence: lease.fence }))
      return
    }
    this.renewals.stop(lease.fence)
    if (this.worker) this.post({ t: 'unkeep', fence: lease.fence })
    this.core.release(lease.scope, lease.fence)
  }

  async transfer(wish: HandOver): Promise<LeaseRow> {
    const { fence } = wish
    this.unkeep(fence)
    if (!this.onThread()) return this.core.transfer(wish)
    const answer = await this.call((id) => ({ t: 'transfer', id, wish }))
    return (answer as Extract<FromWriter, { t: 'transferred' }>).granted
  }

  async leave(ticket: number): Promise<void> {
    if (this.onThread()) await this.call((id) => ({ t: 'leave', id, ticket }))
    else this.core.leave(ticket)
  }

  private lost(fence: number, reason: string): void {
    const kept = this.kept.get(fence)
    this.kept.delete(fence)
    kept?.onLost(reason)
  }

  private startThread(): void {
    if (this.mode !== 'inline') return
    try {
      const data: WriterData = { path: this.path, counter: sharedCounter() }
      const worker = new Worker(writerEntry(), { workerData: data, execArgv: [], name: 'holdfast-store' } as ConstructorParameters<typeof Worker>[1])
      this.worker = worker
      this.mode = 'starting'
      worker.unref()
      worker.on('message', (m: FromWriter) => this.receive(m))
      worker.on('error', (e) => this.threadEnded(e))
      worker.on('exit', () => this.threadEnded(new Error('it ended')))
    } catch {
      this.mode = 'noThread' // The thread is for speed and for heartbeats under load; without it everything still holds.
    }
  }

  private receive(m: FromWriter): void {
    switch (m.t) {
      case 'ready':
        if (this.mode !== 'starting') return
        this.mode = 'thread'
        becomeReader(this.core.connection)
        this.pump()
        return
      case 'committed': {
        const batch = this.out.get(m.id) as Waiting[]
        this.out.delete(m.id)
        this.settle(batch, m.results.map((r) => ('seq' in r ? r : receiveError(r))))
        this.rest()
        // Those who were told come back with their next commit in this turn: they belong into the next batch.
        this.planPump()
        return
      }
      case 'lost': return this.lost(m.fence, m.reason)
      case 'acquired':
      case 'transferred':
      case 'done':
      case 'failed': {
        const call = this.calls.get(m.id)
        this.calls.delete(m.id)
        if (m.t === 'failed') call?.reject(receiveError(m.error))
        else call?.resolve(m)
        this.rest()
        return
      }
      default: m satisfies never
    }
  }

  private call(message: (id: number) => ToWriter): Promise<FromWriter> {
    const id = this.nextId++
    return new Promise((resolve, reject) => {
      this.calls.set(id, { resolve, reject })
      this.post(message(id))
      this.worker?.ref()
    })
  }

  /** A thread that only renews leases does not keep the process alive. */
  private rest(): void {
    if (this.out.size === 0 && this.calls.size === 0 && this.queue.length === 0) this.worker?.unref()
  }

  private threadEnded(e: Error): void {
    if (this.mode === 'closed' || this.mode === 'dead' || this.mode === 'noThread') return
    this.worker = undefined
    if (this.mode === 'starting') {
      this.mode = 'noThread'
      for (const { lease, everyMs } of this.kept.values()) this.keepSomewhere(lease, everyMs)
      return
    }
    this.mode = 'dead'
    this.threadError = e
    for (const batch of this.out.values()) this.settle(batch, batch.map(() => this.threadDied()))
    this.out.clear()
    for (const call of this.calls.values()) call.reject(this.threadDied())
    this.calls.clear()
    for (const fence of [...this.kept.keys()]) this.lost(fence, 'the writer thread ended')
    this.planPump()
  }
  private threadError: Error | undefined

  private threadDied(): Error {
    return failure('HF4006', { message: `The writer of ${this.path} ended: ${this.threadError?.message ?? 'unknown reason'}. What was acknowledged is safe.`, cause: this.threadError })
  }

  private onThread(): boolean {
    assert(this.mode !== 'closed', 'the store is closed')
    if (this.mode === 'dead') throw this.threadDied()
    return this.mode === 'thread'
  }

  private post(m: ToWriter): void {
    if (!this.worker) throw new Bug('the writer thread is not there')
    this.worker.postMessage(m)
  }

  /** Writes what is queued, then closes every connection of the store; the writer's last, because the last one removes the log. */
  async close(): Promise<void> {
    if (this.mode === 'closed') return
    while (this.queue.length > 0 || this.overflow.length > 0 || this.out.size > 0) await new Promise((next) => setImmediate(next))
    this.kept.clear()
    for (const timer of this.later.values()) clearTimeout(timer)
    this.later.clear()
    this.renewals.stopAll()
    const { worker, mode } = this
    if (mode === 'thread' && worker) {
      this.core.connection.close()
      await settleClosed()
      const ended = new Promise((done) => worker.once('exit', done))
      await this.call((id) => ({ t: 'close', id }))
      this.mode = 'closed'
      worker.ref()
      await ended
      return
    }
    this.mode = 'closed'
    // A thread that is starting is asked, never ended by force: the library of SQLite takes the whole process along when its thread is ended inside it.
    if (mode === 'starting' && worker) {
      const ended = new Promise((done) => worker.once('exit', done))
      await Promise.race([ended, this.call((id) => ({ t: 'close', id }))]) // one that fails while it starts does not answer
      worker.ref()
      await ended
    }
    if (mode === 'dead') this.core.connection.close()
    else this.core.close()
    await settleClosed()
  }
}

function join(batch: readonly Waiting[]): Cell[] {
  if (batch.length === 1) return (batch[0] as Waiting).tx.cells
  const out: Cell[] = []
  for (const w of batch) for (const c of w.tx.cells) out.push(c)
  return out
}

/** First in, first out, without moving what waits. */
class Fifo<T> {
  private items: (T | undefined)[] = []
  private head = 0

  get length(): number {
    return this.items.length - this.head
  }
  push(item: T): void {
    this.items.push(item)
  }
  shift(): T | undefined {
    if (this.length === 0) return undefined
    const item = this.items[this.head]
    this.items[this.head++] = undefined
    if (this.head === this.items.length) {
      this.items = []
      this.head = 0
    }
    return item
  }
}
