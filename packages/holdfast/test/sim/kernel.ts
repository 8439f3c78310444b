import type { Clock, EpochMs, Millis } from '../../src/base/index.ts'
import { drain, turn } from './drain.ts'
import { Stream } from './random.ts'
import type { CrashPoint } from './scenario.ts'

/** A rule that did not hold. Names are those of spec/reliability.md 2.5. */
export class Violation extends Error {
  override readonly name = 'Violation'
  readonly invariant: string
  constructor(invariant: string, message: string) {
    super(message)
    this.invariant = invariant
  }
}

interface Timer {
  readonly at: EpochMs
  readonly tie: number
  act: (() => void) | undefined
}

const EPOCH_MS = 1_767_225_600_000

/**
 * Virtual time. One event after the other: take the earliest, set the clock, act, let every continuation run, take the next. Idle time costs nothing.
 * Events of one moment come in random order.
 */
export class Kernel {
  readonly seed: number
  readonly schedule: Stream
  readonly lines: string[] | undefined
  now: EpochMs = EPOCH_MS
  events = 0
  violation: Violation | undefined
  /** How often what happened, by name: what the seeds reached. No part of the digest. */
  readonly counts = new Map<string, number>()
  readonly #heap: Timer[] = []
  #h1 = 0x811c9dc5
  #h2 = 0x9e3779b9

  constructor(seed: number, trace: boolean) {
    this.seed = seed
    this.schedule = new Stream(seed, 'schedule')
    this.lines = trace ? [] : undefined
  }

  /** Acts after `delayMs`. Gives a function that takes the event back. */
  after(delayMs: Millis, act: () => void): () => void {
    const timer: Timer = { at: this.now + Math.max(0, delayMs), tie: this.schedule.u32(), act }
    push(this.#heap, timer)
    return () => { timer.act = undefined }
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }

  /** One line of the history; every line enters the digest of the seed. */
  note(who: string, what: string): void {
    const text = `${this.now - EPOCH_MS} ${who} ${what}`
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i)
      this.#h1 = Math.imul(this.#h1 ^ c, 0x01000193)
      this.#h2 = Math.imul(this.#h2 + c, 0x85ebca6b) ^ (this.#h2 >>> 15)
    }
    this.lines?.push(text)
  }

  /** What is only for a person who reads the trace. */
  remark(who: string, what: () => string): void {
    this.lines?.push(`${this.now - EPOCH_MS} ${who} ${what()}`)
  }

  get digest(): string {
    return (this.#h1 >>> 0).toString(16).padStart(8, '0') + (this.#h2 >>> 0).toString(16).padStart(8, '0')
  }

  /** The first rule that did not hold is the one that counts. */
  fail(invariant: string, message: string): void {
    if (this.violation) return
    this.violation = new Violation(invariant, message)
    this.note('!', `${invariant}: ${message}`)
  }

  check(condition: boolean, invariant: string, message: () => string): void {
    if (!condition) this.fail(invariant, message())
  }

  /**
   * Runs until `script` has ended, then until nothing is left to happen.
   *
   * Takes    that it is called from a macrotask: inside a microtask nothing can be drained.
   * Fails    (I-LIVE) when the script waits for something that never happens, or after `eventsMax` events.
   */
  run(script: () => Promise<void>, eventsMax: number): void {
    const end = this.#begin(script)
    drain()
    while (this.#next(eventsMax)) drain()
    end()
  }

  /** The same where continuations can only be drained by turns of the event loop. */
  async runByTurns(script: () => Promise<void>, eventsMax: number): Promise<void> {
    const end = this.#begin(script)
    await turn()
    while (this.#next(eventsMax)) await turn()
    end()
  }

  #begin(script: () => Promise<void>): () => void {
    let ended = false
    script().then(() => { ended = true }, (e: unknown) => {
      ended = true
      this.fail(e instanceof Violation ? e.invariant : 'I-BUG', e instanceof Error ? `${e.message}\n${e.stack}` : String(e))
    })
    return () => {
      if (!this.violation && !ended) this.fail('I-LIVE', 'nothing is left to happen, and the scenario has not ended')
    }
  }

  /** Makes the next event happen. False when there is none, or a rule did not hold. */
  #next(eventsMax: number): boolean {
    for (;;) {
      if (this.violation) return false
      const next = pop(this.#heap)
      if (!next) return false
      if (!next.act) continue
      this.now = next.at
      next.act()
      if (++this.events > eventsMax) this.fail('I-LIVE', `still going after ${eventsMax} events`)
      return true
    }
  }
}

/** One thing that a process waits for: the n-th of its kind, and of all. */
export interface Awaited {
  readonly what: 'commit' | 'call' | 'time' | 'look'
  readonly n: number
  readonly all: number
}

/** A process: it can be killed, and it can be stopped for a while (a long pause of the garbage collector, SIGSTOP). */
export class Process implements Clock {
  readonly name: string
  readonly pid: number
  readonly kernel: Kernel
  dead = false
  /** Nothing is delivered to it before. */
  pausedUntil = 0
  #onDeath: (() => void)[] = []

  readonly #crash: CrashPoint | undefined
  /** How many commits, calls and things of any kind it has waited for. */
  readonly reached = { commit: 0, call: 0, await: 0 }

  constructor(kernel: Kernel, name: string, pid: number, crash: CrashPoint | undefined) {
    this.kernel = kernel
    this.name = name
    this.pid = pid
    this.#crash = crash
  }

  /** Something begins that the process will wait for; it may die before that is on its way. */
  begins(what: Awaited['what']): Awaited {
    const { reached } = this
    reached.await++
    if (what === 'commit' || what === 'call') reached[what]++
    const a: Awaited = { what, n: what === 'commit' || what === 'call' ? reached[what] : 0, all: reached.await }
    if (this.#crash?.phase === 'before') this.#mayDie(this.#crash, a)
    return a
  }

  /** It has become true, and the process does not know yet. */
  happened(a: Awaited): void {
    if (this.#crash?.phase === 'after') this.#mayDie(this.#crash, a)
  }

  #mayDie(crash: CrashPoint, a: Awaited): void {
    if (this.dead || !(crash.at === 'await' ? crash.n === a.all : crash.at === a.what && crash.n === a.n)) return
    this.kernel.count(`crash ${crash.phase} a ${a.what}`)
    this.kill(`${crash.phase} ${crash.at} ${crash.n}${crash.at === 'await' ? `, a ${a.what}` : ''}`)
  }

  now(): EpochMs {
    return this.kernel.now
  }

  mono(): Millis {
    return this.kernel.now - EPOCH_MS
  }

  /** Something reaches the process: at once, when it is awake again, or never. */
  deliver(act: () => void): void {
    if (this.dead) return
    if (this.kernel.now < this.pausedUntil) this.kernel.after(this.pausedUntil - this.kernel.now, () => this.deliver(act))
    else act()
  }

  sleep(ms: Millis, signal?: AbortSignal): Promise<void> {
    const begun = this.begins('time')
    return new Promise((resolve, reject) => {
      if (this.dead) return
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      const stop = () => {
        cancel()
        reject(signal?.reason)
      }
      const cancel = this.kernel.after(ms, () => this.deliver(() => {
        signal?.removeEventListener('abort', stop)
        this.happened(begun)
        resolve()
      }))
      signal?.addEventListener('abort', stop, { once: true })
    })
  }

  onDeath(act: () => void): void {
    this.#onDeath.push(act)
  }

  /** Its promises never settle again; what it sent before is on its way. */
  kill(why: string): void {
    if (this.dead) return
    this.dead = true
    this.kernel.note(this.name, `killed: ${why}`)
    for (const act of this.#onDeath) act()
  }

  pause(ms: Millis): void {
    if (this.dead) return
    this.pausedUntil = Math.max(this.pausedUntil, this.kernel.now + ms)
    this.kernel.note(this.name, `paused for ${ms}`)
  }
}

const before = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.tie < b.tie)

function push(heap: Timer[], t: Timer): void {
  let i = heap.length
  heap.push(t)
  while (i > 0) {
    const up = (i - 1) >> 1
    const parent = heap[up] as Timer
    if (!before(t, parent)) break
    heap[i] = parent
    i = up
  }
  heap[i] = t
}

function pop(heap: Timer[]): Timer | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (first === undefined || last === undefined || heap.length === 0) return first
  let i = 0
  for (;;) {
    let down = 2 * i + 1
    if (down >= heap.length) break
    if (down + 1 < heap.length && before(heap[down + 1] as Timer, heap[down] as Timer)) down++
    if (!before(heap[down] as Timer, last)) break
    heap[i] = heap[down] as Timer
    i = down
  }
  heap[i] = last
  return first
}
