import { failure, systemClock, type Clock, type Millis } from '../../base/index.ts'
import type { FlowCallRow, FlowRow, FlowTaskRow, Holder } from '../../state/index.ts'
import { readForget, UNFINISHED, type FlowChange, type FlowJournal, type ForgetQuery, type StoredFlow } from '../flow-port.ts'
import { holderAlive } from '../holder.ts'

interface Kept { flow: FlowRow; tasks: Map<number, FlowTaskRow> }

/** A journal that lives as long as the process: the port's meaning in the fewest words, and the model that the file is compared with. */
export class MemoryFlowJournal implements FlowJournal {
  readonly path = undefined
  readonly #clock: Clock
  readonly #flows = new Map<string, Kept>()
  readonly #calls = new Map<string, FlowCallRow>()
  /** Above every fence of what was forgotten. */
  #nextFence = 0

  constructor(options: { readonly clock?: Clock } = {}) {
    this.#clock = options.clock ?? systemClock
  }

  async load(id: string): Promise<StoredFlow | undefined> {
    const kept = this.#flows.get(id)
    return kept && { flow: kept.flow, tasks: [...kept.tasks.values()].sort((a, b) => a.at - b.at) }
  }

  async list(): Promise<readonly FlowRow[]> {
    return [...this.#flows.values()].map((k) => k.flow)
  }

  async unfinished(): Promise<readonly FlowRow[]> {
    const now = this.#clock.now()
    return (await this.list()).filter((f) => f.factory !== undefined && f.rejected === undefined && (UNFINISHED as readonly string[]).includes(f.state) && !isHeld(f, now))
  }

  async create(row: Pick<FlowRow, 'id' | 'name' | 'structure' | 'store' | 'factory' | 'createdAt'>): Promise<boolean> {
    if (this.#flows.has(row.id)) return false
    this.#flows.set(row.id, { flow: { ...row, state: 'PENDING', rejected: undefined, holder: undefined, fence: this.#nextFence, expiresAt: undefined, endedAt: undefined, born: this.#nextFence }, tasks: new Map() })
    return true
  }

  async claim(id: string, holder: Holder, ttlMs: Millis): Promise<{ readonly fence: number } | { readonly heldBy: Holder }> {
    const kept = this.#kept(id)
    const now = this.#clock.now()
    const { flow } = kept
    if (isHeld(flow, now) && flow.holder?.id !== holder.id) return { heldBy: flow.holder as Holder }
    kept.flow = { ...flow, holder, fence: flow.fence + 1, expiresAt: now + ttlMs }
    return { fence: kept.flow.fence }
  }

  async renew(id: string, fence: number, ttlMs: Millis): Promise<boolean> {
    const kept = this.#flows.get(id)
    if (!kept || kept.flow.fence !== fence) return false
    kept.flow = { ...kept.flow, expiresAt: this.#clock.now() + ttlMs }
    return true
  }

  async commit(id: string, fence: number, change: FlowChange): Promise<void> {
    const kept = this.#kept(id)
    if (kept.flow.fence !== fence) throw fenced(id)
    if (change.clear) kept.tasks.clear()
    for (const t of change.tasks ?? []) kept.tasks.set(t.at, t)
    const rejected = change.set?.rejected ?? kept.flow.rejected
    kept.flow = { ...kept.flow, ...change.set, rejected: rejected || undefined, ...(change.release ? { holder: undefined, expiresAt: undefined } : {}) }
  }

  async forget(query: ForgetQuery): Promise<number> {
    const { before, states, setAside } = readForget(query)
    const now = this.#clock.now()
    const over = (f: FlowRow) => states.includes(f.state) && f.endedAt !== undefined && f.endedAt < before
    const aside = (f: FlowRow) => setAside && f.state === 'PENDING' && f.rejected !== undefined && f.createdAt < before
    const gone = (await this.list()).filter((f) => (over(f) || aside(f)) && !isHeld(f, now))
    for (const { id, fence } of gone) {
      const calls = [...this.#calls.values()].filter((c) => c.flow === id)
      this.#nextFence = Math.max(this.#nextFence, fence + 1, ...calls.map((c) => c.fence + 1))
      for (const c of calls) this.#calls.delete(c.id)
      this.#flows.delete(id)
    }
    return gone.length
  }

  async offer(call: FlowCallRow): Promise<void> {
    this.#calls.set(call.id, { ...call, fence: Math.max(call.fence, this.#nextFence) })
  }

  async take(types: readonly string[], worker: string, ttlMs: Millis): Promise<FlowCallRow | undefined> {
    const next = [...this.#calls.values()].filter((c) => c.state === 'WAITING' && types.includes(c.type)).sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))[0]
    if (!next) return undefined
    const taken: FlowCallRow = { ...next, state: 'RUNNING', worker, fence: next.fence + 1, expiresAt: this.#clock.now() + ttlMs }
    this.#calls.set(taken.id, taken)
    return taken
  }

  async beat(id: string, fence: number, ttlMs: Millis, progress?: string): Promise<boolean> {
    const call = this.#running(id, fence)
    if (call) this.#calls.set(id, { ...call, expiresAt: this.#clock.now() + ttlMs, progress: progress ?? call.progress })
    return call !== undefined
  }

  async answer(id: string, fence: number, state: 'SUCCESS' | 'FAILURE', answer: string): Promise<boolean> {
    const call = this.#running(id, fence)
    if (call) this.#calls.set(id, { ...call, state, answer, expiresAt: undefined })
    return call !== undefined
  }

  async calls(flow: string): Promise<readonly FlowCallRow[]> {
    return [...this.#calls.values()].filter((c) => c.flow === flow)
  }

  async reclaim(flow: string, now: number): Promise<void> {
    for (const c of this.#calls.values()) {
      if (c.flow === flow && c.state === 'RUNNING' && (c.expiresAt as number) <= now) this.#calls.set(c.id, { ...c, state: 'WAITING', worker: undefined, attempt: c.attempt + 1, fence: c.fence + 1, expiresAt: undefined, progress: undefined })
    }
  }

  async dropCall(id: string): Promise<void> {
    this.#calls.delete(id)
  }

  async close(): Promise<void> {}

  #running(id: string, fence: number): FlowCallRow | undefined {
    const call = this.#calls.get(id)
    return call?.state === 'RUNNING' && call.fence === fence ? call : undefined
  }

  #kept(id: string): Kept {
    const kept = this.#flows.get(id)
    if (!kept) throw fenced(id)
    return kept
  }
}

const isHeld = (f: FlowRow, now: number): boolean => f.holder !== undefined && (f.expiresAt as number) > now && holderAlive(f.holder) !== false
const fenced = (id: string) => failure('HF4203', { message: `Another process has taken over the flow ${id}.`, hint: 'The new holder goes on with it.' })
