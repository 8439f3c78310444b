import { canonical } from '../base/index.ts'
import { isSecret, isUnknown, SecretValue, type Value } from '../model/index.ts'

/** One place where two trees differ. `before`/`after` are absent where there is nothing on that side. */
export interface PathDiff {
  /** `command.1.digest`; top-level name first. */
  readonly path: string
  readonly before?: Value
  readonly after?: Value
  /** The new value is not known yet: perhaps nothing changes. */
  readonly unknown: boolean
}

/**
 * Every place where the trees differ, deepest common object first, arrays by index. Secrets are compared by `fp`, and by content where the `fp`s
 * have different origins (opened only then).
 */
export function compare(before: Value | undefined, after: Value | undefined): PathDiff[] {
  const out: PathDiff[] = []
  walk(before, after, '', out)
  return out
}

function walk(a: Value | undefined, b: Value | undefined, path: string, out: PathDiff[]): void {
  if (a === b) return
  if (isUnknown(b)) {
    out.push({ path, ...(a === undefined ? {} : { before: a }), after: b, unknown: true })
    return
  }
  if (isPlainObject(a) && isPlainObject(b)) {
    const keys = new Set([...Object.keys(a), ...Object.keys(b)])
    for (const k of [...keys].sort()) walk(a[k], b[k], path ? `${path}.${k}` : k, out)
    return
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let i = 0; i < Math.max(a.length, b.length); i++) walk(a[i] as Value, b[i] as Value, path ? `${path}.${i}` : String(i), out)
    return
  }
  if (same(a, b)) return
  out.push({ path, ...(a === undefined ? {} : { before: a }), ...(b === undefined ? {} : { after: b }), unknown: false })
}

const isPlainObject = (v: Value | undefined): v is Record<string, Value> =>
  typeof v === 'object' && v !== null && !Array.isArray(v) && !isSecret(v) && !isUnknown(v) && !(v instanceof Uint8Array) && !(v instanceof Date)

function same(a: Value | undefined, b: Value | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  if (isSecret(a) && isSecret(b) && a.fp === b.fp) return true
  if (isUnknown(a) || typeof a !== 'object' && typeof b !== 'object') return a === b
  const text = (v: Value) => canonical(v, (x) => (isSecret(x) ? canonical(SecretValue.reveal(x)) : undefined))
  // A secret that turned into plain text, or the other way round, is a change even when the text is equal.
  return isSecret(a) === isSecret(b) && text(a) === text(b)
}

/** Equal trees, secrets compared as in {@link compare}. */
export const equal = (a: Value | undefined, b: Value | undefined): boolean => compare(a, b).length === 0
