import type { Random } from '../../src/base/index.ts'

/** What is drawn from 32 random bits at a time. */
abstract class Chance {
  abstract u32(): number

  /** In [0, 1). */
  fraction(): number {
    return this.u32() / 4294967296
  }

  /** In [0, n). */
  below(n: number): number {
    return Math.floor(this.fraction() * n)
  }

  /** In [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  chance(p: number): boolean {
    return p > 0 && this.fraction() < p
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  /** Swarm: 0 in half of all seeds, else up to `most` (spec/reliability.md 2.3). */
  swarm(most: number): number {
    return this.chance(0.5) ? 0 : this.fraction() * most
  }
}

/**
 * What is drawn for one thing that happens, named by (seed, label): the way of a request, its fault, the time of a commit. What else happens does not
 * change it, so a life keeps its meaning when a part of it is left out.
 */
export class Dice extends Chance {
  #state: number

  constructor(seed: number, label: string) {
    super()
    let h = 0x811c9dc5 ^ (seed | 0) ^ Math.imul(Math.floor(seed / 4294967296), 0x9e3779b1)
    for (let i = 0; i < label.length; i++) h = Math.imul(h ^ label.charCodeAt(i), 0x01000193)
    this.#state = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d)
  }

  u32(): number {
    // mulberry32
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }
}

/**
 * A stream of random numbers named by (seed, name). Each part of a simulation draws from its own stream: one draw more in the world does not
 * reshuffle the schedule, so a seed keeps its meaning (spec/reliability.md 2.2).
 */
export class Stream extends Chance implements Random {
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: number, name: string) {
    super()
    // The seed and the name are mixed into 128 bits; the generator is sfc32.
    let h = 1779033703 ^ name.length
    const mix = (x: number) => {
      h = Math.imul(h ^ x, 3432918353)
      h = (h << 13) | (h >>> 19)
    }
    for (let i = 0; i < name.length; i++) mix(name.charCodeAt(i))
    mix(seed | 0)
    mix(Math.floor(seed / 4294967296) | 0)
    const word = () => {
      h = Math.imul(h ^ (h >>> 16), 2246822507)
      h = Math.imul(h ^ (h >>> 13), 3266489909)
      h ^= h >>> 16
      return h >>> 0
    }
    this.#a = word()
    this.#b = word()
    this.#c = word()
    this.#d = word() | 1
    for (let i = 0; i < 12; i++) this.u32()
  }

  u32(): number {
    const t = (this.#a + this.#b + this.#d) | 0
    this.#d = (this.#d + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t | 0
    return t >>> 0
  }

  bytes(n: number): Uint8Array {
    const out = new Uint8Array(n)
    for (let i = 0; i < n; i += 4) {
      const w = this.u32()
      out[i] = w
      if (i + 1 < n) out[i + 1] = w >>> 8
      if (i + 2 < n) out[i + 2] = w >>> 16
      if (i + 3 < n) out[i + 3] = w >>> 24
    }
    return out
  }
}
