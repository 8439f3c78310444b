/** Seeded randomness for tests; the seed is printed, and `HOLDFAST_SEED` repeats a run. */
export function randomFrom(suite: string): { readonly seed: number; next(): number; pick<T>(from: readonly T[]): T; text(alphabet: string, length: number): string } {
  const seed = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000)
  console.log(`${suite} seed ${seed}`)
  let state = seed | 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }
  const pick = <T>(from: readonly T[]): T => from[next() % from.length] as T
  return { seed, next, pick, text: (alphabet, length) => Array.from({ length }, () => pick([...alphabet])).join('') }
}
