import { isFailure, textOf, type Plain } from '../base/index.ts'
import { isSecret, mapLeaves, SecretValue, type Value } from '../model/index.ts'

/** Texts of all secrets in the tree, as a provider may have copied them into an output. */
export function secretTexts(v: Value): string[] {
  const out = new Set<string>()
  mapLeaves(v, (leaf) => {
    if (isSecret(leaf)) collect(SecretValue.reveal(leaf), out)
    return leaf
  })
  return [...out]
}

function collect(p: Plain, out: Set<string>): void {
  if (typeof p === 'string') {
    if (p.length > 0) out.add(p)
  } else if (typeof p === 'number' || typeof p === 'bigint') out.add(String(p))
  else if (p instanceof Uint8Array) out.add(Buffer.from(p).toString('utf8'))
  else if (typeof p === 'object' && p !== null && !(p instanceof Date)) for (const [k, x] of Object.entries(p)) if (x !== undefined && !(k === 'path' && isContent(p))) collect(x as Plain, out)
}

/** A file by path and content, which is secret for its content: the path names the file, and names are no secrets (claims refuse such). */
const isContent = (p: object): boolean => 'path' in p && 'digest' in p && typeof p.digest === 'string' && Object.keys(p).length === 2

/** What a thrown thing says, in one line, for a message. */
export const said = (e: unknown): string => (isFailure(e) || e instanceof Error ? e.message : textOf(e)) || 'no reason was given'
