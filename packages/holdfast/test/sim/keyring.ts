import { canonical, failure, limits, parseCanonical, type Plain } from '../../src/base/index.ts'
import type { Keyring, Redactor, SealContext } from '../../src/secret/index.ts'

/**
 * Stands in for the key of a store: what it seals cannot be read in the text and opens in its place only; two seals of one value differ; equal values have
 * equal fingerprints. It keeps nothing from anybody, and costs a tenth of the real one, which a share of the seeds uses.
 */
export function cheapKeyring(storeId: string): Keyring {
  let seals = 0
  return {
    keyCheck: 'cheap',
    seal(plain, ctx) {
      return `${placeOf(storeId, ctx)}.${(++seals).toString(36)}.${scrambled(canonical(plain))}`
    },
    open(sealed, ctx) {
      const [place, , text] = sealed.split('.')
      if (place !== placeOf(storeId, ctx) || text === undefined) throw failure('HF4303', { message: `The sealed value ${ctx.field} of ${ctx.table} ${ctx.row} was moved there.` })
      return parseCanonical(readable(text)) as Plain
    },
    fingerprint: (plain, ctx) => `s:${hash(`${storeId} ${ctx.type} ${ctx.field} ${canonical(plain)}`)}`,
    mac: (label, text) => hash(`${storeId} ${label} ${text}`),
    token: (...parts) => hash(`${storeId} ${parts.join('\0')}`).padEnd(64, '0'),
  }
}

/** Stands in for the redactor of a process: masks what was added as it stands, in no other form. */
export function cheapRedactor(): Redactor {
  const known = new Set<string>()
  const text = (s: string): string => {
    let out = s
    for (const secret of known) if (out.includes(secret)) out = out.replaceAll(secret, '[secret]')
    return out
  }
  return {
    add: (secret) => void (secret.length >= limits.redactMinChars && known.add(secret)),
    text,
    stream: (write) => ({ write: (chunk) => write(text(chunk)), end: () => undefined }),
    secrets: () => [...known],
  }
}

const placeOf = (storeId: string, c: SealContext): string => hash(`${storeId} ${c.table} ${c.row} ${c.field} ${c.tx}`)

function scrambled(text: string): string {
  const bytes = Buffer.from(text)
  for (let i = 0; i < bytes.length; i++) bytes[i] = (bytes[i] as number) ^ 0x5a
  return bytes.toString('base64')
}

function readable(text: string): string {
  const bytes = Buffer.from(text, 'base64')
  for (let i = 0; i < bytes.length; i++) bytes[i] = (bytes[i] as number) ^ 0x5a
  return bytes.toString()
}

function hash(text: string): string {
  let a = 0x811c9dc5
  let b = 0x9e3779b9
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    a = Math.imul(a ^ c, 0x01000193)
    b = Math.imul(b + c, 0x85ebca6b) ^ (b >>> 13)
  }
  return (a >>> 0).toString(16).padStart(8, '0') + (b >>> 0).toString(16).padStart(8, '0')
}
