import { createHmac, randomBytes } from 'node:crypto'

/** Bytes, as many as asked for. */
export type Source = (bytes: number) => Uint8Array

/** The generator of the system. */
export const systemSource: Source = (bytes) => randomBytes(bytes)

/** The same bytes for the same seed, for ever. For values that must be repeatable, never for secrets. */
export function seededSource(seed: string): Source {
  let block = 0
  let rest = Buffer.alloc(0)
  return (bytes) => {
    while (rest.length < bytes) {
      const next = createHmac('sha256', `holdfast:seed\0${seed}`).update(String(block++)).digest()
      rest = Buffer.concat([rest, next])
    }
    const out = rest.subarray(0, bytes)
    rest = rest.subarray(bytes)
    return out
  }
}

/**
 * A whole number from 0 to `below - 1`, each as likely as the other: what falls into the last, incomplete round is drawn again.
 * Takes    `below` from 1 to 2^53.
 */
export function drawBelow(below: number, source: Source): number {
  if (below <= 1) return 0
  const bits = BigInt(below - 1).toString(2).length
  const bytes = Math.ceil(bits / 8)
  const mask = (1n << BigInt(bits)) - 1n
  for (;;) {
    let value = 0n
    for (const byte of source(bytes)) value = (value << 8n) | BigInt(byte)
    const candidate = Number(value & mask)
    if (candidate < below) return candidate
  }
}

export const drawFrom = <T>(list: readonly T[], source: Source): T => list[drawBelow(list.length, source)] as T

/** In a new order; every order is as likely as the other (Fisher and Yates, from the end). */
export function shuffled<T>(list: readonly T[], source: Source): T[] {
  const out = [...list]
  for (let i = out.length - 1; i > 0; i--) {
    const j = drawBelow(i + 1, source)
    ;[out[i], out[j]] = [out[j] as T, out[i] as T]
  }
  return out
}
