import { describe, expect, test } from 'vitest'
import { makeIds, systemRandom, type Clock } from './index.ts'

const clockOf = (times: number[]): Clock => ({ now: () => (times.length > 1 ? (times.shift() as number) : (times[0] as number)), mono: () => 0, sleep: async () => {} })

describe('ids', () => {
  test('have a prefix and 26 characters', () => {
    expect(makeIds(clockOf([1_700_000_000_000]), systemRandom).next('r')).toMatch(/^r-[0-9A-HJKMNP-TV-Z]{26}$/)
  })

  test('sort in the order in which they were made, in one millisecond and when the clock goes back', () => {
    const times = [5000, 5000, 5001, 4000, 4000, 5001, 9000]
    const ids = makeIds(clockOf(times), systemRandom)
    const made = Array.from({ length: 5000 }, () => ids.next('t'))
    expect([...made].sort()).toEqual(made)
    expect(new Set(made).size).toBe(made.length)
  })

  test('carry over when the random part is at its end', () => {
    const ids = makeIds(clockOf([1]), { bytes: (n) => new Uint8Array(n).fill(31) })
    const made = Array.from({ length: 100 }, () => ids.next('x'))
    expect([...made].sort()).toEqual(made)
    expect(made.every((id) => id.length === 28)).toBe(true)
  })

  test('of two makers in one millisecond differ', () => {
    const a = makeIds(clockOf([7]), systemRandom)
    const b = makeIds(clockOf([7]), systemRandom)
    expect(a.next('r')).not.toBe(b.next('r'))
  })
})
