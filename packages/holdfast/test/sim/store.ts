import { failure, limits } from '../../src/base/index.ts'
import type { Entry, Tables } from '../../src/journal/index.ts'
import type { LeaseRow } from '../../src/state/index.ts'
import { MemoryStore, type CommitOptions, type Leases } from '../../src/store/index.ts'
import type { Fate } from './fate.ts'
import type { Awaited, Kernel, Process } from './kernel.ts'
import { Dice, type Stream } from './random.ts'

/** What became true, in order. */
export interface Committed {
  readonly entries: readonly Entry[]
  readonly options: CommitOptions
}

export interface SimStoreOptions {
  readonly process: Process
  readonly tables: Tables
  readonly random: Stream
  readonly storeId: string
  readonly fate: Fate
  /** A look into the store takes time. */
  readonly slowReads: boolean
  readonly isDead: (holderId: string) => boolean
  readonly onCommit: (c: Committed, process: Process) => void
  readonly onGrant?: (lease: LeaseRow, tookOver: LeaseRow | undefined) => void
}

interface Asked {
  readonly begun: Awaited
  readonly committed: Committed | undefined
}

/** The store as one process sees it: MemoryStore, with time between request, decision and answer, and with a death on the way. */
export class SimStore extends MemoryStore {
  readonly #options: SimStoreOptions
  readonly #asked: Map<number, Asked>
  #committing: Committed | undefined

  constructor(o: SimStoreOptions) {
    const { process, random } = o
    const { kernel } = process
    const asked = new Map<number, Asked>()
    const committing = () => this.#committing
    super({
      clock: process, random, storeId: o.storeId, tables: o.tables, isDead: (holder) => o.isDead(holder.id),
      faults: {
        before: (n) => {
          const begun = process.begins('commit')
          if (process.dead) return never
          asked.set(n, { begun, committed: committing() })
          const label = `${process.name} commit ${begun.n}`
          const ms = o.fate.slow(label) || new Dice(kernel.seed, label).below(4)
          // The request is on its way: it arrives whether or not the process is awake, and not at all when it was killed.
          return ms === 0 ? undefined as unknown as Promise<void> : new Promise((resolve) => kernel.after(ms, resolve))
        },
        after: (n) => {
          const { begun, committed } = asked.get(n) as Asked
          asked.delete(n)
          if (committed) {
            kernel.note(process.name, `commit ${begun.n} ${summary(committed.entries)}`)
            o.onCommit(committed, process)
          }
          process.happened(begun)
          const ms = new Dice(kernel.seed, `${process.name} committed ${begun.n}`).below(3)
          return new Promise((resolve) => kernel.after(ms, () => process.deliver(resolve)))
        },
      },
    })
    this.#options = o
    this.#asked = asked
    process.onDeath(() => this.crash())
    Object.defineProperty(this, 'lease', { value: leaseOf(this, this.lease, process, kernel, o.onGrant) })
    // A look is a moment at which a process may die, too, and between two looks another may write.
    Object.defineProperty(this, 'read', { value: (look: (t: Tables) => unknown) => this.#look(look) })
  }

  async #look(look: (t: Tables) => unknown): Promise<unknown> {
    const { process, slowReads, tables } = this.#options
    const begun = process.begins('look')
    if (process.dead) return never
    if (slowReads) {
      const ms = new Dice(process.kernel.seed, `${process.name} look ${begun.all}`).below(4)
      if (ms > 0) await new Promise<void>((resolve) => void process.kernel.after(ms, () => process.deliver(resolve)))
    }
    const answer = look(tables)
    process.happened(begun)
    return process.dead ? never : answer
  }

  override commit(entries: readonly Entry[], options: CommitOptions): Promise<{ readonly seq: number }> {
    const { process, fate } = this.#options
    const outcome = entries.some((e) => e.t === 'tx.move' && (e.to === 'completed' || e.to === 'failed'))
    const label = `${process.name} commit ${process.reached.commit + 1}`
    if (outcome && fate.full(label)) {
      if (new Dice(process.kernel.seed, `${label} true`).chance(0.3)) return this.#unanswered(entries, options)
      process.kernel.note(process.name, 'commit refused: the disk is full')
      return Promise.reject(failure('HF4006', { message: 'the disk is full' }))
    }
    return this.#write(entries, options)
  }

  /** It becomes true, and its caller is told that the store failed. */
  async #unanswered(entries: readonly Entry[], options: CommitOptions): Promise<never> {
    const { process } = this.#options
    process.kernel.count('commit answer lost')
    await this.#write(entries, options)
    process.kernel.note(process.name, 'the answer to the commit is lost')
    throw failure('HF4006', { message: 'the writer of the store ended' })
  }

  #write(entries: readonly Entry[], options: CommitOptions): Promise<{ readonly seq: number }> {
    // Taken up by `before`, which is called before this returns.
    this.#committing = { entries, options }
    try {
      return super.commit(entries, options)
    } finally {
      this.#committing = undefined
    }
  }
}

/** Leases are renewed by a heartbeat on the virtual clock, so that a process that is stopped loses its own. */
function leaseOf(store: MemoryStore, inner: Leases, process: Process, kernel: Kernel, onGrant: SimStoreOptions['onGrant']): Leases {
  const kept = new Set<number>()
  return {
    async acquire(scope, holder, ttlMs, options) {
      const answer = await inner.acquire(scope, holder, ttlMs, options)
      if ('granted' in answer) onGrant?.(answer.granted, answer.tookOver)
      kernel.note(process.name, 'granted' in answer ? `lease ${answer.granted.fence}` : 'lease held')
      kernel.count('granted' in answer ? (answer.tookOver ? 'lease taken over' : 'lease') : 'lease held by another')
      return answer
    },
    keep(lease: LeaseRow, everyMs, onLost) {
      kept.add(lease.fence)
      const beat = () => {
        if (!kept.has(lease.fence)) return
        const row = store.tables.leases.get(lease.scope)
        if (row?.fence !== lease.fence) {
          kernel.count('lease lost')
          return onLost('another process took the lease over')
        }
        store.tables.leases.set(lease.scope, { ...row, expiresAt: process.now() + limits.leaseTtlMs })
        again()
      }
      const again = () => void kernel.after(everyMs, () => process.deliver(beat))
      again()
    },
    keepLater(lease, everyMs, onLost) {
      this.keep(lease, everyMs, onLost)
    },
    unkeep(lease) {
      kept.delete(lease.fence)
    },
    release(lease) {
      kept.delete(lease.fence)
      return inner.release(lease)
    },
    transfer(lease, to, ttlMs) {
      kept.delete(lease.fence)
      return inner.transfer(lease, to, ttlMs)
    },
    leave: (ticket) => inner.leave(ticket),
  }
}

const never: Promise<never> = new Promise(() => {})

function summary(entries: readonly Entry[]): string {
  return entries.map((e) => (e.t === 'tx.move' ? `${e.t}:${e.to}` : e.t === 'tx.open' ? `${e.t}:${e.row.op} ${e.row.address}` : e.t === 'event' ? e.kind : e.t)).join(' ')
}
