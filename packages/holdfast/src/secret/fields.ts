/**
 * Fields as one byte string from which each can be told again: every field is preceded by its length, so that no two lists of fields give the same bytes
 * (`["ab", "c"]` and `["a", "bc"]` differ).
 */
export function fields(parts: readonly string[]): Buffer {
  let total = 0
  const lengths = parts.map((p) => {
    const n = Buffer.byteLength(p)
    total += 4 + n
    return n
  })
  const out = Buffer.allocUnsafe(total)
  let at = 0
  for (let i = 0; i < parts.length; i++) {
    at = out.writeUInt32BE(lengths[i] as number, at)
    at += out.write(parts[i] as string, at)
  }
  return out
}
