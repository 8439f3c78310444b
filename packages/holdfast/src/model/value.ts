import { setOwn, type Plain } from '../base/index.ts'

/**
 * A secret inside the engine. Its text is not a property: it cannot be printed, listed, cloned or turned into JSON.
 * `fp` tells whether two secrets of one origin are equal, without opening them (an HMAC, or a digest over such).
 */
export class SecretValue {
  readonly fp: string
  readonly #open: () => Plain
  constructor(fp: string, open: () => Plain) {
    this.fp = fp
    this.#open = open
    Object.freeze(this)
  }
  /** The text. Only for sealing, for fingerprints and for the inputs of a provider's call. */
  static reveal(secret: SecretValue): Plain {
    return secret.#open()
  }
  toString(): string {
    return '[secret]'
  }
  toJSON(): { secret: true } {
    return { secret: true }
  }
  [Symbol.toPrimitive](): string {
    return '[secret]'
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]'
  }
}

/** A value that is not known before apply, and where it will come from (`db/tls.certPem`). */
export class UnknownValue {
  readonly source: string
  constructor(source: string) {
    this.source = source
    Object.freeze(this)
  }
  toJSON(): { unknown: string } {
    return { unknown: this.source }
  }
}

/** A tree of plain values in which secrets and unknowns may stand. */
export type Value =
  | Plain | SecretValue | UnknownValue
  | readonly Value[]
  | { readonly [key: string]: Value | undefined }

export const isSecret = (v: unknown): v is SecretValue => v instanceof SecretValue
export const isUnknown = (v: unknown): v is UnknownValue => v instanceof UnknownValue
const isLeaf = (v: unknown): boolean => typeof v !== 'object' || v === null || v instanceof Uint8Array || v instanceof Date

/** First unknown in the tree, depth first. */
export function firstUnknown(v: Value | undefined): UnknownValue | undefined {
  if (isLeaf(v) || isSecret(v)) return undefined
  if (isUnknown(v)) return v
  for (const x of Array.isArray(v) ? v : Object.values(v as object)) {
    const u = firstUnknown(x as Value)
    if (u) return u
  }
  return undefined
}

export function hasSecret(v: Value | undefined): boolean {
  if (isLeaf(v) || isUnknown(v)) return false
  if (isSecret(v)) return true
  for (const x of Array.isArray(v) ? v : Object.values(v as object)) if (hasSecret(x as Value)) return true
  return false
}

/** Same tree with every leaf object (secret, unknown) replaced; the tree itself is returned where nothing changes. */
export function mapLeaves(v: Value, f: (leaf: SecretValue | UnknownValue, path: readonly string[]) => Value, path: string[] = []): Value {
  if (isSecret(v) || isUnknown(v)) return f(v, path)
  if (isLeaf(v)) return v
  return mapChildren(v, (x, k) => {
    path.push(k)
    const y = mapLeaves(x, f, path)
    path.pop()
    return y
  })
}

/** Same list or object with every part replaced; it itself is returned where nothing changes. */
export function mapChildren(v: Value, f: (child: Value, key: string) => Value): Value {
  let changed = false
  const step = (x: Value, k: string): Value => {
    const y = f(x, k)
    if (y !== x) changed = true
    return y
  }
  if (Array.isArray(v)) {
    const out = v.map((x, i) => step(x as Value, String(i)))
    return changed ? out : v
  }
  const out: Record<string, Value> = {}
  for (const [k, x] of Object.entries(v as Record<string, Value>)) if (x !== undefined) setOwn(out, k, step(x, k))
  return changed ? out : v
}

/** The tree with every secret opened. Only for the inputs of a provider's call. Unknowns are a bug here. */
export function reveal(v: Value): Plain {
  return mapLeaves(v, (leaf) => {
    if (isSecret(leaf)) return SecretValue.reveal(leaf)
    throw new Error(`reveal: ${leaf.source} is not known`)
  }) as Plain
}

/** The tree as it may be shown: `{secret: true}`, `{unknown: source}`. */
export const masked = (v: Value): unknown =>
  mapLeaves(v, (leaf) => (isSecret(leaf) ? { secret: true } : { unknown: leaf.source }))
