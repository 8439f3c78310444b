import { describe, expect, test } from 'vitest'
import { Bug, systemRandom, type Plain, type Random } from '../base/index.ts'
import { codeOf } from '../base/code-of.fixture.ts'
import { isSecret, masked, reveal, SecretValue, UnknownValue, type Value } from '../model/index.ts'
import { decodeDoc, encodeDoc, makeKeyring, type DocContext, type Keyring } from './index.ts'

const ring = makeKeyring(new Uint8Array(32).fill(7), 'store-1', systemRandom)
const ctx: DocContext = { table: 'resources', row: 'u-1', field: 'outputs', tx: 't-1', type: 'random.Password' }
const secret = (plain: Plain): SecretValue => new SecretValue('x:1', () => plain)
const at = (v: Value, ...path: (string | number)[]): SecretValue => path.reduce<unknown>((x, k) => (x as Record<string, unknown>)[k], v) as SecretValue
/** Counts what the key is used for. */
const counted = (): { ring: Keyring; used: { seal: number; open: number } } => {
  const used = { seal: 0, open: 0 }
  const count = <A extends unknown[], R>(name: keyof typeof used, f: (...args: A) => R) => (...args: A): R => {
    used[name]++
    return f(...args)
  }
  return { used, ring: { ...ring, seal: count('seal', ring.seal), open: count('open', ring.open) } }
}

describe('a document', () => {
  const value: Value = { value: secret('hunter2'), list: [1, secret({ a: [null, 5n] })], $secret: { c: 'a', f: 'b', t: 'c' }, plain: new Date(5), gone: undefined }

  test('holds its secrets sealed, and gives them back', () => {
    const text = encodeDoc(value, ctx, ring)
    expect(text).not.toContain('hunter2')
    const doc = decodeDoc(text, ctx, ring)
    expect(masked(doc)).toEqual({ value: { secret: true }, list: [1, { secret: true }], $secret: { c: 'a', f: 'b', t: 'c' }, plain: new Date(5) })
    expect(reveal(doc)).toEqual({ value: 'hunter2', list: [1, { a: [null, 5n] }], $secret: { c: 'a', f: 'b', t: 'c' }, plain: new Date(5) })
  })

  test('may be one secret as a whole', () => {
    const doc = decodeDoc(encodeDoc(secret('x'), ctx, ring), ctx, ring)
    expect(isSecret(doc)).toBe(true)
    expect(reveal(doc)).toBe('x')
  })

  test('gives each secret the fingerprint of its value, type and field', () => {
    const doc = decodeDoc(encodeDoc(value, ctx, ring), ctx, ring)
    expect(at(doc, 'value').fp).toBe(ring.fingerprint('hunter2', { type: ctx.type, field: 'outputs.value' }))
    expect(at(doc, 'list', 1).fp).toBe(ring.fingerprint({ a: [null, 5n] }, { type: ctx.type, field: 'outputs.list.1' }))
    const again = decodeDoc(encodeDoc(value, { ...ctx, row: 'u-2', tx: 't-2' }, ring), { ...ctx, row: 'u-2' }, ring)
    expect(at(again, 'value').fp).toBe(at(doc, 'value').fp)
  })

  test('that did not change is written as it was, without the key', () => {
    const text = encodeDoc(value, ctx, ring)
    const c = counted()
    expect(encodeDoc(decodeDoc(text, ctx, c.ring), { ...ctx, tx: 't-2' }, c.ring)).toBe(text)
    expect(c.used).toEqual({ seal: 0, open: 0 })
    expect(encodeDoc(decodeDoc(text, ctx, undefined), { ...ctx, tx: 't-2' }, undefined)).toBe(text)
  })

  test('seals a secret anew when it goes to another place or another key', () => {
    const doc = decodeDoc(encodeDoc({ value: secret('hunter2') }, ctx, ring), ctx, ring)
    const places: DocContext[] = [{ ...ctx, row: 'u-2', tx: 't-2' }, { ...ctx, table: 'tx', tx: 't-2' }, { ...ctx, field: 'inputs', tx: 't-2' }]
    for (const to of places) {
      const moved = encodeDoc(doc, to, ring)
      expect(reveal(decodeDoc(moved, to, ring))).toEqual({ value: 'hunter2' })
      expect(moved).toContain('"t":"t-2"')
    }
    expect(reveal(decodeDoc(encodeDoc({ other: at(doc, 'value') }, ctx, ring), ctx, ring))).toEqual({ other: 'hunter2' })
    const second = makeKeyring(new Uint8Array(32).fill(8), 'store-1', systemRandom)
    expect(reveal(decodeDoc(encodeDoc(doc, ctx, second), ctx, second))).toEqual({ value: 'hunter2' })
  })

  test('opens a secret when it is asked for, and once', () => {
    const c = counted()
    const doc = decodeDoc(encodeDoc(value, ctx, ring), ctx, c.ring)
    expect(c.used.open).toBe(0)
    reveal(at(doc, 'value'))
    reveal(at(doc, 'value'))
    expect(c.used.open).toBe(1)
  })

  test('without a key can be read and listed; only opening and sealing fail', () => {
    const doc = decodeDoc(encodeDoc(value, ctx, ring), ctx, undefined)
    expect(masked(doc)).toMatchObject({ value: { secret: true } })
    expect(codeOf(() => reveal(doc))).toBe('HF4301')
    expect(codeOf(() => encodeDoc({ v: secret('x') }, ctx, undefined))).toBe('HF4301')
    expect(encodeDoc({ v: 'x' }, ctx, undefined)).toBe('{"v":"x"}')
  })

  test('whose secrets were swapped, moved or damaged does not open', () => {
    const text = encodeDoc({ a: secret('one'), b: secret('two') }, ctx, ring)
    const parts = JSON.parse(text) as Record<'a' | 'b', { $secret: { c: string; f: string; t: string } }>
    const open = (v: unknown, c: Omit<DocContext, 'tx'> = ctx) => codeOf(() => reveal(decodeDoc(JSON.stringify(v), c, ring)))
    expect(open(parts)).toBeUndefined()
    expect(open({ a: parts.b, b: parts.a })).toBe('HF4303')
    expect(open(parts, { ...ctx, row: 'u-2' })).toBe('HF4303')
    expect(open(parts, { ...ctx, field: 'inputs' })).toBe('HF4303')
    expect(open({ a: { $secret: { ...parts.a.$secret, t: 't-9' } } })).toBe('HF4303')
    for (const body of [null, 1, 'x', {}, { c: 1, f: 'x', t: 'x' }, []]) expect(codeOf(() => decodeDoc(JSON.stringify({ a: { $secret: body } }), ctx, ring))).toBe('HF4303')
  })

  test('tells a key with a dot from a path', () => {
    const text = encodeDoc({ 'a.b': secret('one') }, ctx, ring)
    const envelope = (JSON.parse(text) as Record<string, unknown>)['a.b']
    expect(codeOf(() => reveal(decodeDoc(JSON.stringify({ a: { b: envelope } }), ctx, ring)))).toBe('HF4303')
    expect(reveal(decodeDoc(text, ctx, ring))).toEqual({ 'a.b': 'one' })
  })

  test('never holds an unknown', () => {
    expect(() => encodeDoc({ a: [new UnknownValue('db/tls.certPem')] }, ctx, ring)).toThrow(Bug)
  })

  test('seals with fresh randomness each time', () => {
    const drawn: number[] = []
    const random: Random = {
      bytes(n) {
        drawn.push(n)
        return systemRandom.bytes(n)
      },
    }
    encodeDoc(value, ctx, makeKeyring(new Uint8Array(32), 's', random))
    expect(drawn).toEqual([16, 16])
  })
})
