import { failure, type Random } from '../../src/base/index.ts'
import type { Entry, Tables } from '../../src/journal/index.ts'
import { MemoryStore, type CommitOptions } from '../../src/store/index.ts'
import type { Stream } from '../sim/random.ts'
import type { Op } from './case.ts'
import { ProcessClock, type Time } from './time.ts'
import type { Caller } from './world.ts'

/** What became true, in order. */
export interface Committed {
  readonly entries: readonly Entry[]
  readonly options: CommitOptions
}

/** One process: its clock, its signals, and how it ends. */
export class Process implements Caller {
  readonly id: string
  readonly clock: ProcessClock
  readonly stop = new AbortController()
  readonly abort = new AbortController()
  readonly end: Op['end']
  /** Whether its end was reached. */
  ended = false
  /** It was killed; otherwise it came to an end by itself. */
  died = false
  readonly #time: Time
  readonly #turns: Stream
  readonly #turnsMax: number

  constructor(id: string, time: Time, turns: Stream, turnsMax: number, end: Op['end']) {
    this.id = id
    this.clock = new ProcessClock(time)
    this.end = end
    this.#time = time
    this.#turns = turns
    this.#turnsMax = turnsMax
  }

  get dead(): boolean {
    return this.clock.dead
  }

  pause(): Promise<void> | undefined {
    const n = this.#turnsMax === 0 ? 0 : this.#turns.below(this.#turnsMax + 1)
    return n === 0 ? undefined : new Promise((resolve) => void this.#time.after(n, () => {
      if (!this.dead) resolve()
    }))
  }

  /** Its n-th commit is about to be decided, or has been. */
  at(commit: number, phase: 'before' | 'after'): void {
    const { end } = this
    if (!end || end.commit !== commit || end.phase !== phase) return
    this.ended = true
    if (end.how === 'dies') this.clock.dead = true
    if (end.how === 'stop' || end.how === 'abort') this.stop.abort(new Error('interrupted'))
    if (end.how === 'abort') this.abort.abort(new Error('interrupted twice'))
  }

  /** The disk takes no more of what this process writes. */
  full(commit: number): boolean {
    const { end } = this
    return end?.how === 'full' && (commit > end.commit || (commit === end.commit && end.phase === 'before'))
  }
}

/** The store as one process sees it: MemoryStore, with the end of the process around one of its commits. */
export class ProcessStore extends MemoryStore {
  readonly #process: Process
  readonly #asked = new Map<number, Committed>()

  /** Takes `file`: where each commit goes, too, before it is acknowledged. */
  constructor(process: Process, tables: Tables, random: Random, onCommit: (c: Committed) => void, file?: { commit(c: Committed): Promise<unknown> }) {
    const asked = new Map<number, Committed>()
    super({
      clock: process.clock, random, tables, isDead: (holder) => holder.id !== process.id,
      faults: {
        before: async (n) => {
          process.at(n, 'before')
          if (process.dead) this.crash()
        },
        after: async (n) => {
          const c = asked.get(n)
          if (c) {
            asked.delete(n)
            onCommit(c)
            if (file) await file.commit(c)
          }
          process.at(n, 'after')
          if (process.dead) this.crash()
        },
      },
    })
    this.#asked = asked
    this.#process = process
  }

  get isDead(): boolean {
    return this.#process.dead
  }

  override commit(entries: readonly Entry[], options: CommitOptions): Promise<{ readonly seq: number }> {
    if (this.#process.full(this.commitsMade + 1)) {
      this.#process.ended = true
      return Promise.reject(failure('HF4006', { message: 'the disk is full' }))
    }
    this.#asked.set(this.commitsMade + 1, { entries, options })
    return super.commit(entries, options)
  }
}
