import { randomFillSync } from 'node:crypto'
import type { Random } from './time.ts'

const pool = new Uint8Array(4096)
let used = pool.length

/** The system's generator, drawn 4 KiB at a time: one id costs no system call. */
export const systemRandom: Random = {
  bytes(n) {
    if (n > pool.length) return randomFillSync(new Uint8Array(n))
    if (used + n > pool.length) {
      randomFillSync(pool)
      used = 0
    }
    const out = pool.slice(used, used + n)
    pool.fill(0, used, used + n)
    used += n
    return out
  },
}
