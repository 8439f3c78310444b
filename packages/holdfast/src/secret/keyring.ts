import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, timingSafeEqual, type KeyObject } from 'node:crypto'
import { assert, canonical, failure, parseCanonical, type Plain, type Random } from '../base/index.ts'
import { fields } from './fields.ts'

export { createKeyFile, keyFromText, readKeyFile } from './key-file.ts'

/** The one place a sealed value belongs to. Moved to any other, it does not open. */
export interface SealContext {
  readonly table: string
  readonly row: string
  readonly field: string
  /** Transaction that wrote the value; an older value under a newer transaction does not open. */
  readonly tx: string
}

/**
 * All that is done with the key of a store. The key itself cannot be asked for.
 *
 * Costs    one HMAC and one AES pass per value (about 13 µs on two shared cores); there is no password derivation anywhere.
 */
export interface Keyring {
  /** Tells a wrong key from a damaged record: compare it with the one the store keeps (HF4302). Reveals nothing about the key. */
  readonly keyCheck: string
  /** Gives the base64 of an `hf1` record. Two seals of one value differ. */
  seal(plain: Plain, ctx: SealContext): string
  /** Fails HF4303 when the record was changed, cut, or sealed for another place. */
  open(sealed: string, ctx: SealContext): Plain
  /** Equal value, type and field: equal text, in this store only. Not by uid: look-up by hash and inferred renames must work (decisions 5). */
  fingerprint(plain: Plain, ctx: { readonly type: string; readonly field: string }): string
  /** 64 hex characters that prove who wrote `text`; `label` keeps purposes apart. Compare with `timingSafeEqual`. */
  mac(label: string, text: string): string
  /** 64 hex characters under the key for call tokens. */
  token(...parts: readonly string[]): string
}

/** First byte of a record: AES-256-GCM, a key per value by HMAC-SHA-512 over salt and context, 16 bytes of commitment. */
const FORMAT = 1
const KEY_VERSION = 1
const SALT_BYTES = 16
const COMMITMENT_BYTES = 16
const TAG_BYTES = 16
const HEADER_BYTES = 1 + 4 + SALT_BYTES + COMMITMENT_BYTES
/** The body is `kind | length | content` with the content filled up to blocks of this size, so that a short secret's length cannot be told. */
const BLOCK_BYTES = 64
const BODY_HEADER_BYTES = 5
const KIND_TEXT = 0x73
const KIND_CANONICAL = 0x63
const LONE_SURROGATE = /[\uD800-\uDFFF]/u

/**
 * Takes    `key`: 32 bytes; it may be overwritten when this returns. `storeId` binds every derived key to one store.
 * Format   record = format 1 | key version 4 | salt 16 | commitment 16 | ciphertext | tag 16.
 */
export function makeKeyring(key: Uint8Array, storeId: string, random: Random): Keyring {
  assert(key.length === 32, 'makeKeyring: a key has 32 bytes')
  const salt = fields([storeId])
  const bytes = (label: string, n: number) => new Uint8Array(hkdfSync('sha256', key, salt, `holdfast hf1 ${label}`, n))
  const derive = (label: string): KeyObject => {
    const raw = bytes(label, 32)
    const made = createSecretKey(raw)
    raw.fill(0)
    return made
  }
  const values = derive('values')
  const fingerprints = derive('fingerprints')
  const tokens = derive('tokens')
  const plans = derive('plans')
  const hmac = (k: KeyObject, parts: readonly string[]) => createHmac('sha256', k).update(fields(parts)).digest('hex')

  /** The same bytes go into the derivation and into the associated data: a value is bound to its place twice. */
  const contextOf = (ctx: SealContext, version: number) => fields(['hf1', storeId, ctx.table, ctx.row, ctx.field, String(version), ctx.tx])
  const materialOf = (valueSalt: Uint8Array, context: Uint8Array) => {
    // The key is uniform already: one HMAC-SHA-512 gives all 60 bytes. A whole HKDF per value made a seal take twice as long.
    const m = createHmac('sha512', values).update(valueSalt).update(context).digest()
    return { all: m, key: m.subarray(0, 32), nonce: m.subarray(32, 44), commitment: m.subarray(44, 44 + COMMITMENT_BYTES) }
  }

  return {
    keyCheck: Buffer.from(bytes('check', 8)).toString('hex'),

    seal(plain, ctx) {
      const context = contextOf(ctx, KEY_VERSION)
      const valueSalt = random.bytes(SALT_BYTES)
      const m = materialOf(valueSalt, context)
      const cipher = createCipheriv('aes-256-gcm', m.key, m.nonce, { authTagLength: TAG_BYTES })
      cipher.setAAD(context)
      const body = toBody(plain)
      const sealed = cipher.update(body)
      cipher.final()
      const out = Buffer.allocUnsafe(HEADER_BYTES + sealed.length + TAG_BYTES)
      out.writeUInt8(FORMAT, 0)
      out.writeUInt32BE(KEY_VERSION, 1)
      out.set(valueSalt, 5)
      out.set(m.commitment, 5 + SALT_BYTES)
      out.set(sealed, HEADER_BYTES)
      out.set(cipher.getAuthTag(), HEADER_BYTES + sealed.length)
      body.fill(0)
      m.all.fill(0)
      return out.toString('base64')
    },

    open(sealed, ctx) {
      const record = Buffer.from(sealed, 'base64')
      // Node reads base64 leniently; a text that another text stands for is not what was written.
      if (record.length < HEADER_BYTES + BODY_HEADER_BYTES + TAG_BYTES || record.toString('base64') !== sealed) throw damaged(ctx)
      const version = record.readUInt32BE(1)
      if (record.readUInt8(0) !== FORMAT || version !== KEY_VERSION) throw damaged(ctx)
      const context = contextOf(ctx, version)
      const m = materialOf(record.subarray(5, 5 + SALT_BYTES), context)
      // AES-GCM alone lets one ciphertext open under two keys; the commitment does not.
      if (!timingSafeEqual(m.commitment, record.subarray(5 + SALT_BYTES, HEADER_BYTES))) throw damaged(ctx)
      const decipher = createDecipheriv('aes-256-gcm', m.key, m.nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(context)
      const tag = record.subarray(record.length - TAG_BYTES)
      assert(tag.length === TAG_BYTES, 'open: a short tag')
      decipher.setAuthTag(tag)
      const body = decipher.update(record.subarray(HEADER_BYTES, record.length - TAG_BYTES))
      try {
        decipher.final()
      } catch (cause) {
        throw damaged(ctx, cause)
      } finally {
        m.all.fill(0)
      }
      const plain = fromBody(body, ctx)
      body.fill(0)
      return plain
    },

    fingerprint: (plain, ctx) => `s:${hmac(fingerprints, [storeId, ctx.type, ctx.field, canonical(plain)]).slice(0, 32)}`,
    mac: (label, text) => hmac(plans, [storeId, label, text]),
    token: (...parts) => hmac(tokens, [storeId, ...parts]),
  }
}

function toBody(plain: Plain): Buffer {
  // A plain text is stored as itself, so that a secret of 63 bytes and one of 1 byte fill one block each; UTF-8 cannot hold half a surrogate pair.
  const asText = typeof plain === 'string' && !LONE_SURROGATE.test(plain)
  const content = asText ? plain : canonical(plain)
  const n = Buffer.byteLength(content)
  const body = Buffer.alloc(BODY_HEADER_BYTES + Math.max(1, Math.ceil(n / BLOCK_BYTES)) * BLOCK_BYTES)
  body.writeUInt8(asText ? KIND_TEXT : KIND_CANONICAL, 0)
  body.writeUInt32BE(n, 1)
  body.write(content, BODY_HEADER_BYTES)
  return body
}

function fromBody(body: Buffer, ctx: SealContext): Plain {
  const kind = body.readUInt8(0)
  const n = body.readUInt32BE(1)
  if ((kind !== KIND_TEXT && kind !== KIND_CANONICAL) || n > body.length - BODY_HEADER_BYTES) throw damaged(ctx)
  const content = body.toString('utf8', BODY_HEADER_BYTES, BODY_HEADER_BYTES + n)
  return kind === KIND_TEXT ? content : (parseCanonical(content) as Plain)
}

const damaged = (ctx: SealContext, cause?: unknown) =>
  failure('HF4303', { message: `The sealed value ${ctx.field} of ${ctx.table} ${ctx.row} cannot be opened: it was changed, or moved there from another place.`, cause })
