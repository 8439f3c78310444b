import { limits } from '../base/index.ts'

/** Many fixed texts that are looked for at the same time. */
export interface Patterns {
  add(pattern: string): void
  /** Length of the longest pattern. */
  readonly longest: number
  /** Length of the longest pattern that stands at `i`, or 0. */
  matchAt(s: string, i: number): number
  /** Whether `s` from `i` to its end is the beginning of a pattern, but no whole one. */
  mayBegin(s: string, i: number): boolean
}

/** Patterns are found by their first characters; none is shorter. */
const HEAD_CHARS = limits.redactMinChars
const SLOTS_MIN = 1 << 12
const SLOTS_MAX = 1 << 20
const SLOTS_PER_HEAD = 32

/**
 * A filter over three characters answers nearly every position with one read; what passes is looked up by its head, and the few patterns with
 * that head are compared, longest first. Adding a pattern costs nothing for the others.
 */
export function makePatterns(): Patterns {
  const byHead = new Map<string, string[]>()
  /** Beginnings of heads, for texts that end within one. */
  const stubs = new Set<string>()
  let filter = new Uint8Array(SLOTS_MIN)
  let longest = 0

  const slot = (s: string, i: number): number =>
    (Math.imul(s.charCodeAt(i), 0x9e3779b1) ^ Math.imul(s.charCodeAt(i + 1), 0x85ebca6b) ^ Math.imul(s.charCodeAt(i + 2), 0xc2b2ae35)) >>> 12

  const mark = (head: string): void => {
    filter[slot(head, 0) & (filter.length - 1)] = 1
  }

  return {
    get longest() {
      return longest
    },
    add(pattern) {
      const head = pattern.slice(0, HEAD_CHARS)
      const same = byHead.get(head)
      if (same) {
        if (same.includes(pattern)) return
        const at = same.findIndex((p) => p.length < pattern.length)
        same.splice(at < 0 ? same.length : at, 0, pattern)
      } else {
        byHead.set(head, [pattern])
        for (let n = 1; n < HEAD_CHARS; n++) stubs.add(head.slice(0, n))
        if (byHead.size * SLOTS_PER_HEAD > filter.length && filter.length < SLOTS_MAX) {
          filter = new Uint8Array(filter.length * 4)
          for (const h of byHead.keys()) mark(h)
        } else mark(head)
      }
      longest = Math.max(longest, pattern.length)
    },
    matchAt(s, i) {
      if (i + HEAD_CHARS > s.length || filter[slot(s, i) & (filter.length - 1)] === 0) return 0
      for (const p of byHead.get(s.slice(i, i + HEAD_CHARS)) ?? []) if (s.startsWith(p, i)) return p.length
      return 0
    },
    mayBegin(s, i) {
      const left = s.length - i
      if (left < HEAD_CHARS) return stubs.has(s.slice(i))
      if (filter[slot(s, i) & (filter.length - 1)] === 0) return false
      const rest = s.slice(i)
      return (byHead.get(rest.slice(0, HEAD_CHARS)) ?? []).some((p) => p.length > left && p.startsWith(rest))
    },
  }
}
