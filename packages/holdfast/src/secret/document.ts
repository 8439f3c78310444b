import { assert, canonical, failure, parseCanonical, type Plain } from '../base/index.ts'
import { isSecret, isUnknown, SecretValue, type Value } from '../model/index.ts'
import type { Keyring } from './keyring.ts'

/** Where a document stands in the store, and what it is of. */
export interface DocContext {
  readonly table: string
  readonly row: string
  /** Of the document (`inputs`); the path of each secret is appended: `inputs.password`. */
  readonly field: string
  readonly tx: string
  /** Resource type: part of the fingerprint of each secret, not of its seal. */
  readonly type: string
}

/** How a secret stands in a document: sealed text, fingerprint, and the transaction that sealed it. */
interface Sealed {
  readonly c: string
  readonly f: string
  readonly t: string
}

interface Origin {
  readonly table: string
  readonly row: string
  readonly field: string
  readonly type: string
  readonly keyCheck: string | undefined
  readonly sealed: Sealed
}

/** Where a secret was read from. Weak: it lives as long as the secret. */
const origins = new WeakMap<SecretValue, Origin>()

/**
 * Canonical text of a tree in which every secret is sealed for its place. A secret that was read from this very place is written as it was read:
 * neither opened nor sealed, so an unchanged document costs nothing and needs no key.
 *
 * Fails    HF4301 when a new secret must be sealed and there is no key; a value that is not known is a bug.
 */
export function encodeDoc(value: Value, ctx: DocContext, ring: Keyring | undefined): string {
  return canonical(value, (leaf, path) => {
    if (isSecret(leaf)) return write(sealFor(leaf, ctx, fieldPath(ctx.field, path), ring))
    assert(!isUnknown(leaf), `encodeDoc: ${ctx.field} holds an unknown value`)
    return undefined
  })
}

/**
 * Reads what {@link encodeDoc} wrote. Secrets are opened when somebody asks for them, once each.
 *
 * Fails    HF4001 when the text is none that was written; HF4303 when a secret's envelope has the wrong form. Later, on opening: HF4301 without a key, HF4303 when it was damaged or moved.
 */
export function decodeDoc(text: string, ctx: Omit<DocContext, 'tx'>, ring: Keyring | undefined): Value {
  try {
    return parseCanonical(text, (tag, body, path) => (tag === '$secret' ? secretFrom(body, ctx, fieldPath(ctx.field, path), ring) : undefined)) as Value
  } catch (e) {
    if (e instanceof SyntaxError) throw failure('HF4001', { message: `The ${ctx.field} of ${ctx.row} cannot be read: the text is damaged.` })
    throw e
  }
}

function sealFor(secret: SecretValue, ctx: DocContext, field: string, ring: Keyring | undefined): Sealed {
  const origin = origins.get(secret)
  if (origin && origin.table === ctx.table && origin.row === ctx.row && origin.field === field && origin.type === ctx.type && sameKey(origin, ring)) return origin.sealed
  if (!ring) throw failure('HF4301', { message: `${field} is a secret, and there is no key to seal it with.` })
  const plain = SecretValue.reveal(secret)
  return {
    c: ring.seal(plain, { table: ctx.table, row: ctx.row, field, tx: ctx.tx }),
    f: ring.fingerprint(plain, { type: ctx.type, field }),
    t: ctx.tx,
  }
}

const sameKey = (origin: Origin, ring: Keyring | undefined): boolean =>
  origin.keyCheck === undefined || ring === undefined || origin.keyCheck === ring.keyCheck

const write = (s: Sealed): string => `{"$secret":{"c":${JSON.stringify(s.c)},"f":${JSON.stringify(s.f)},"t":${JSON.stringify(s.t)}}}`

function secretFrom(body: unknown, ctx: Omit<DocContext, 'tx'>, field: string, ring: Keyring | undefined): SecretValue {
  const sealed = body as Sealed
  if (typeof sealed?.c !== 'string' || typeof sealed.f !== 'string' || typeof sealed.t !== 'string') throw failure('HF4303', { message: `The sealed value ${field} of ${ctx.table} ${ctx.row} has a wrong form.` })
  const { table, row, type } = ctx
  let opened: { readonly plain: Plain } | undefined
  const secret = new SecretValue(sealed.f, () => {
    if (opened) return opened.plain
    if (!ring) throw failure('HF4301', { message: `${field} of ${table} ${row} is sealed, and its key is not here.` })
    opened = { plain: ring.open(sealed.c, { table, row, field, tx: sealed.t }) }
    return opened.plain
  })
  origins.set(secret, { table, row, field, type, keyCheck: ring?.keyCheck, sealed: { c: sealed.c, f: sealed.f, t: sealed.t } })
  return secret
}

/** `inputs.a.0`; a dot inside a key is escaped, so that two places never share one name. */
const fieldPath = (field: string, path: readonly string[]): string =>
  path.length === 0 ? field : `${field}.${path.map((p) => p.replace(/[\\.]/g, '\\$&')).join('.')}`
