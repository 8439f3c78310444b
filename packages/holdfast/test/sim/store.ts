import { failure, limits } from '../../src/base/index.ts'
import type { Entry, Tables } from '../../src/journal/index.ts'
import type { LeaseRow } from '../../src/state/index.ts'
import { MemoryStore, type CommitOptions, type Leases } from '../../src/store/index.ts'
import type { Kernel, Process } from './kernel.ts'
import type { Stream } from './random.ts'

export interface StoreFaults {
  /** A commit takes far longer than usual: it may reach the store after the lease has gone to another. */
  readonly slowCommit: number
  /** The store takes no outcome: its disk is full. */
  readonly full: number
}

/** Where a process dies: around its n-th commit, or around its n-th call of a provider. */
export interface CrashPoint {
  readonly at: 'commit' | 'call'
  readonly n: number
  /** Before it becomes true, or after, before the answer. */
  readonly phase: 'before' | 'after'
}

/** What became true, in order. */
export interface Committed {
  readonly entries: readonly Entry[]
  readonly options: CommitOptions
}

export interface SimStoreOptions {
  readonly process: Process
  readonly tables: Tables | undefined
  readonly random: Stream
  readonly disk?: Stream
  readonly storeId: string
  readonly faults: StoreFaults
  readonly crash: CrashPoint | undefined
  readonly isDead: (holderId: string) => boolean
  readonly onCommit: (c: Committed, tables: Tables, process: Process) => void
}

/** The store as one process sees it: MemoryStore, with time between request, decision and answer, and with a death on the way. */
export class SimStore extends MemoryStore {
  readonly #asked = new Map<number, Committed>()
  readonly #options: SimStoreOptions

  constructor(o: SimStoreOptions) {
    const { process, random } = o
    const { kernel } = process
    const asked = new Map<number, Committed>()
    const dies = (n: number, phase: CrashPoint['phase']): boolean => o.crash?.at === 'commit' && o.crash.n === n && o.crash.phase === phase
    super({
      clock: process, random, storeId: o.storeId, ...(o.tables ? { tables: o.tables } : {}), isDead: (holder) => o.isDead(holder.id),
      faults: {
        before: (n) => {
          if (dies(n, 'before')) process.kill(`before commit ${n}`)
          if (process.dead) return never
          const ms = random.chance(o.faults.slowCommit) ? random.between(1000, 50_000) : random.below(4)
          // The request is on its way: it arrives whether or not the process is awake, and not at all when it was killed.
          return ms === 0 ? undefined as unknown as Promise<void> : new Promise((resolve) => kernel.after(ms, resolve))
        },
        after: (n) => {
          const c = asked.get(n)
          if (c) {
            asked.delete(n)
            kernel.note(process.name, `commit ${summary(c.entries)}`)
            o.onCommit(c, this.tables, process)
          }
          if (dies(n, 'after')) process.kill(`after commit ${n}`)
          return new Promise((resolve) => kernel.after(random.below(3), () => process.deliver(resolve)))
        },
      },
    })
    this.#asked = asked
    this.#options = o
    process.onDeath(() => this.crash())
    Object.defineProperty(this, 'lease', { value: leaseOf(this, this.lease, process, kernel) })
  }

  override commit(entries: readonly Entry[], options: CommitOptions): Promise<{ readonly seq: number }> {
    const outcome = entries.some((e) => e.t === 'tx.move' && (e.to === 'completed' || e.to === 'failed'))
    if (outcome && this.#options.disk?.chance(this.#options.faults.full)) {
      this.#options.process.kernel.note(this.#options.process.name, 'commit refused: the disk is full')
      return Promise.reject(failure('HF4006', { message: 'the disk is full' }))
    }
    this.#asked.set(this.commitsMade + 1, { entries, options })
    return super.commit(entries, options)
  }
}

/** Leases are renewed by a heartbeat on the virtual clock, so that a process that is stopped loses its own. */
function leaseOf(store: MemoryStore, inner: Leases, process: Process, kernel: Kernel): Leases {
  const kept = new Set<number>()
  return {
    async acquire(scope, holder, ttlMs, options) {
      const answer = await inner.acquire(scope, holder, ttlMs, options)
      kernel.note(process.name, 'granted' in answer ? `lease ${answer.granted.fence}` : 'lease held')
      return answer
    },
    keep(lease: LeaseRow, everyMs, onLost) {
      kept.add(lease.fence)
      const beat = () => {
        if (!kept.has(lease.fence)) return
        const row = store.tables.leases.get(lease.scope)
        if (row?.fence !== lease.fence) return onLost('another process took the lease over')
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
