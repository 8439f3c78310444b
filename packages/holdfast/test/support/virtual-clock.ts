import type { Clock, EpochMs, Millis } from '../../src/base/index.ts'

interface Timer {
  readonly at: EpochMs
  readonly fire: () => void
}

/**
 * Time that passes only when nothing else can happen: once every continuation has run, the earliest sleeper wakes.
 * For code whose only waiting is on this clock and on promises; a real file or socket would be overtaken.
 */
export class VirtualClock implements Clock {
  #now: EpochMs
  readonly #timers = new Set<Timer>()
  #driving = false

  constructor(now: EpochMs = 1_767_225_600_000) {
    this.#now = now
  }

  now = (): EpochMs => this.#now
  mono = (): Millis => this.#now

  /** Time passes while nobody sleeps: between two commands. */
  pass(ms: Millis): void {
    this.#now += ms
  }

  sleep = (ms: Millis, signal?: AbortSignal): Promise<void> => new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const stop = () => {
      this.#timers.delete(timer)
      reject(signal?.reason)
    }
    const timer: Timer = {
      at: this.#now + Math.max(0, ms),
      fire: () => {
        signal?.removeEventListener('abort', stop)
        resolve()
      },
    }
    signal?.addEventListener('abort', stop, { once: true })
    this.#timers.add(timer)
    this.#drive()
  })

  #drive(): void {
    if (this.#driving) return
    this.#driving = true
    setImmediate(() => setImmediate(() => {
      this.#driving = false
      let first: Timer | undefined
      for (const t of this.#timers) if (!first || t.at < first.at) first = t
      if (!first) return
      this.#timers.delete(first)
      this.#now = Math.max(this.#now, first.at)
      first.fire()
      if (this.#timers.size > 0) this.#drive()
    }))
  }
}
