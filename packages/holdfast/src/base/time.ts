/** A moment, read from a {@link Clock}: milliseconds since 1970-01-01 UTC. */
export type EpochMs = number
/** A duration in milliseconds. */
export type Millis = number

/** The only source of time. The engine never calls `Date.now` or `setTimeout` itself, so a simulator can drive it. */
export interface Clock {
  now(): EpochMs
  /** Monotonic; for measuring and for deadlines. */
  mono(): Millis
  /** Resolves after `ms`; rejects with `signal.reason` when aborted. */
  sleep(ms: Millis, signal?: AbortSignal): Promise<void>
}

/** The only source of randomness. */
export interface Random {
  bytes(n: number): Uint8Array
}

const MAX_TIMER_MS = 2_147_483_647

export const systemClock: Clock = {
  now: () => Date.now(),
  mono: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const stop = () => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', stop)
        resolve()
      }, Math.min(ms, MAX_TIMER_MS))
      signal?.addEventListener('abort', stop, { once: true })
    }),
}

/** Resolves when every continuation that could run has run: two turns of the loop. For a world whose time is imagined. */
export const whenIdle = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Reads `0s`, `500ms`, `2m`, `1h`, `7d`; undefined when the text is no duration. */
export function parseDuration(text: string): Millis | undefined {
  const m = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim())
  return m ? Math.round(Number(m[1]) * (UNITS[m[2] as string] as number)) : undefined
}
