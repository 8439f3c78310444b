import { createHash } from 'node:crypto'
import { failure } from '../base/index.ts'
import type { Mark } from '../model/index.ts'
import { fields } from './fields.ts'
import type { Keyring } from './keyring.ts'

/**
 * The idempotency token of one transaction step (decisions 3). Equal on every retry; only the epoch, which moves when all earlier attempts are proven
 * not applied, gives another. The attempt number is a fence beside it and never enters.
 *
 * Gives    64 hex characters; without a key a digest of the same parts and the store: a token is not a secret, it only must not collide.
 */
export function callKey(
  ring: Keyring | undefined,
  storeId: string,
  tx: { readonly token: string; readonly uid: string; readonly ordinal: number; readonly epoch: number },
): { toString(): string; step(name: string): string } {
  const of = (step: string): string => {
    const parts = ['v1', tx.uid, String(tx.ordinal), tx.token, step, String(tx.epoch)]
    return ring ? ring.token(...parts) : createHash('sha256').update(fields([storeId, ...parts])).digest('hex')
  }
  let own: string | undefined
  return {
    toString: () => (own ??= of('')),
    step(name) {
      // The empty name would be the token of the call itself.
      if (name === '') throw failure('HF1107', { message: 'key.step() needs a name for the step.' })
      return of(name)
    },
  }
}

export interface Naming {
  readonly maxLength: number
  /** Body of a regular expression's character class; default `a-z0-9-`. */
  readonly charset?: string
  /** How far a name must be unique; default `account`. */
  readonly scope?: 'global' | 'account' | 'parent'
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
/** 10 characters: one collision in 2,000 estates of a million names; 13: one in 70 million. */
const DIGEST_CHARS = { account: 10, parent: 10, global: 13 } as const
const BITS_PER_BASE32 = 5

/**
 * A name that the object's mark decides: the same for every attempt, another for every object. The readable part is cut, the digest never.
 * It depends on the uid, so that a rename in the program needs no new object; the caller journals it before the call and never computes it again.
 *
 * Fails    HF1107 when `maxLength` leaves no room for the digest or `charset` holds too few characters.
 */
export function physicalName(naming: Naming, logicalName: string, mark: Mark): string {
  const allowed = charClass(naming.charset ?? 'a-z0-9-')
  const digest = digestIn(allowed, DIGEST_CHARS[naming.scope ?? 'account'], createHash('sha256').update(fields([mark.store, mark.uid, String(mark.ordinal)])).digest())
  if (digest.length > naming.maxLength) throw failure('HF1107', { message: `naming.maxLength must be at least ${digest.length}: a shorter name could not be unique.` })
  const separator = allowed('-') ? '-' : allowed('_') ? '_' : ''
  const slug = slugOf(logicalName, allowed, separator, naming.maxLength - digest.length - separator.length)
  return slug === '' ? digest : slug + separator + digest
}

function charClass(body: string): (char: string) => boolean {
  let re: RegExp
  try {
    re = new RegExp(`^[${body}]$`)
  } catch (cause) {
    throw failure('HF1107', { message: `naming.charset '${body}' is not the inside of a character class.`, cause })
  }
  return (char) => re.test(char)
}

/** In base 32 where the charset has it, in either case; else in base N over the letters and digits it has, with at least as many bits. */
function digestIn(allowed: (char: string) => boolean, base32Chars: number, hash: Uint8Array): string {
  const alphabets = [BASE32, BASE32.toUpperCase()]
  const alphabet = alphabets.find((a) => [...a].every(allowed)) ?? [...'0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'].filter(allowed).join('')
  if (alphabet.length < 10) throw failure('HF1107', { message: 'naming.charset must allow at least ten letters or digits.' })
  const chars = Math.ceil((base32Chars * BITS_PER_BASE32) / Math.log2(alphabet.length))
  let rest = BigInt(`0x${Buffer.from(hash).toString('hex')}`)
  const base = BigInt(alphabet.length)
  let out = ''
  for (let i = 0; i < chars; i++) {
    out += alphabet[Number(rest % base)]
    rest /= base
  }
  return out
}

function slugOf(text: string, allowed: (char: string) => boolean, separator: string, budgetChars: number): string {
  let out = ''
  for (const char of text.normalize('NFKD').replace(/\p{M}/gu, '')) {
    const fit = [char, char.toLowerCase(), char.toUpperCase()].find(allowed)
    if (fit !== undefined && fit !== separator) out += fit
    else if (out !== '' && !out.endsWith(separator)) out += separator
  }
  out = out.slice(0, Math.max(0, budgetChars))
  return separator !== '' && out.endsWith(separator) ? out.slice(0, -1) : out
}
