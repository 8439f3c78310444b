import type { Clock, EpochMs, Millis } from '../../src/base/index.ts'

const EPOCH_MS = 1_767_225_600_000

interface Timer {
  readonly at: EpochMs
  readonly n: number
  readonly act: () => void
}

/**
 * Virtual time of one case. It stands still while something can go on, and moves to the next timer when nothing can: a wait costs nothing, and the
 * order of what happens follows from the case alone.
 */
export class Time {
  now: EpochMs = EPOCH_MS
  readonly #timers: Timer[] = []
  #n = 0

  after(ms: Millis, act: () => void): () => void {
    const timer: Timer = { at: this.now + Math.max(0, ms), n: this.#n++, act }
    this.#timers.push(timer)
    return () => {
      const i = this.#timers.indexOf(timer)
      if (i >= 0) this.#timers.splice(i, 1)
    }
  }

  /** Lets the earliest timer fire. False: there is none. */
  tick(): boolean {
    let first = 0
    for (let i = 1; i < this.#timers.length; i++) {
      const [a, b] = [this.#timers[i] as Timer, this.#timers[first] as Timer]
      if (a.at < b.at || (a.at === b.at && a.n < b.n)) first = i
    }
    const [timer] = this.#timers.splice(first, 1)
    if (!timer) return false
    this.now = Math.max(this.now, timer.at)
    timer.act()
    return true
  }

  clear(): void {
    this.#timers.length = 0
  }
}

/** The clock of one process: what it waits for never comes once it is dead. */
export class ProcessClock implements Clock {
  dead = false
  readonly #time: Time
  constructor(time: Time) {
    this.#time = time
  }

  now(): EpochMs {
    return this.#time.now
  }

  mono(): Millis {
    return this.#time.now - EPOCH_MS
  }

  sleep(ms: Millis, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const stop = () => {
        cancel()
        reject(signal?.reason)
      }
      const cancel = this.#time.after(ms, () => {
        if (this.dead) return
        signal?.removeEventListener('abort', stop)
        resolve()
      })
      signal?.addEventListener('abort', stop, { once: true })
    })
  }
}

/** Every continuation that can run has run. */
export const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
