import type { Site } from '../base/index.ts'

/** Per generated line: triples of generated column, source line, source column, all from 0, in column order. */
export type DecodedMap = readonly Int32Array[]

const CODES = new Int8Array(128).fill(-1)
for (const [i, c] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) CODES[c.charCodeAt(0)] = i

/**
 * Reads the `mappings` of a source map of one source.
 * Source: the Source Map format (ECMA-426): segments of base-64 variable-length numbers, each relative to the one before.
 */
export function decodeMappings(mappings: string): DecodedMap {
  const lines: Int32Array[] = []
  let triples: number[] = []
  let column = 0
  let sourceLine = 0
  let sourceColumn = 0
  let field = 0
  let value = 0
  let shift = 0
  const endSegment = () => {
    if (field >= 4) triples.push(column, sourceLine, sourceColumn)
    field = 0
  }
  for (let i = 0; i < mappings.length; i++) {
    const c = mappings.charCodeAt(i)
    if (c === 59 /* ; */ || c === 44 /* , */) {
      endSegment()
      if (c === 59) {
        lines.push(Int32Array.from(triples))
        triples = []
        column = 0
      }
      continue
    }
    const digit = CODES[c & 127] as number
    value |= (digit & 31) << shift
    if (digit & 32) {
      shift += 5
      continue
    }
    const delta = value & 1 ? -(value >>> 1) : value >>> 1
    if (field === 0) column += delta
    else if (field === 2) sourceLine += delta
    else if (field === 3) sourceColumn += delta
    field++
    value = 0
    shift = 0
  }
  endSegment()
  lines.push(Int32Array.from(triples))
  return lines
}

/** The place in the source of a place in the generated text (both from 1), or undefined when nothing stands there. */
export function originalPlace(map: DecodedMap, line: number, column: number): Pick<Site, 'line' | 'column'> | undefined {
  const triples = map[line - 1]
  if (!triples || triples.length === 0) return undefined
  let low = 0
  let high = triples.length / 3 - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((triples[middle * 3] as number) <= column - 1) low = middle
    else high = middle - 1
  }
  return { line: (triples[low * 3 + 1] as number) + 1, column: (triples[low * 3 + 2] as number) + 1 }
}
