import type { Clock, Random } from './time.ts'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** Makes ids that sort by the time they were made (ULID layout, strictly increasing within one maker). */
export interface Ids {
  /** `prefix-` and 26 characters; `next('r')` gives `r-01JD...`. */
  next(prefix: string): string
}

/**
 * Monotonic ids keep index pages dense: a run's rows land beside each other, so a commit touches few pages.
 * Source: the ULID specification (48 bits of time, 80 bits of randomness, +1 within one millisecond).
 */
export function makeIds(clock: Clock, random: Random): Ids {
  let lastMs = -1
  let tail = new Uint8Array(16)
  return {
    next(prefix) {
      const ms = Math.max(clock.now(), lastMs)
      if (ms === lastMs) {
        for (let i = 15; i >= 0; i--) {
          const v = ((tail[i] as number) + 1) & 31
          tail[i] = v
          if (v !== 0) break
        }
      } else {
        tail = random.bytes(16).map((b) => b & 31)
        tail[0] = (tail[0] as number) & 15 // head room, so that +1 cannot wrap within a millisecond
        lastMs = ms
      }
      let head = ''
      let t = ms
      for (let i = 0; i < 10; i++) {
        head = ALPHABET[t % 32] + head
        t = Math.floor(t / 32)
      }
      let rest = ''
      for (const b of tail) rest += ALPHABET[b]
      return `${prefix}-${head}${rest}`
    },
  }
}
