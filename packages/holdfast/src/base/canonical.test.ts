import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonical, isFailure, parseCanonical } from './index.ts'

const seed = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000)
console.log(`canonical.test seed ${seed}`)

const key = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', '$secret', '$$x', '$', '$bytes', '$date', '$bigint', '', '0', '10', '2'))
const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null), fc.boolean(), fc.string({ unit: 'binary' }), fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (n === 0 ? 0 : n)), fc.bigInt(),
    fc.uint8Array({ maxLength: 40 }), fc.date({ noInvalidDate: true }),
    fc.array(tie('value'), { maxLength: 6 }), fc.dictionary(key, tie('value'), { maxKeys: 6, noNullPrototype: true }),
  ),
})).value

const codeOf = (f: () => unknown): unknown => {
  try {
    f()
  } catch (e) {
    return isFailure(e) ? `${e.code} ${e.message}` : e
  }
  return undefined
}

describe('canonical text', () => {
  test('is read back as the value it was written from', () => {
    fc.assert(fc.property(plain, (v) => {
      const text = canonical(v)
      const back = parseCanonical(text)
      deepStrictEqual(back, v)
      expect(canonical(back)).toBe(text)
      JSON.parse(text)
    }), { seed, numRuns: 2000 })
  })

  test('is the same whether the path to every place is kept or not', () => {
    fc.assert(fc.property(plain, (v) => { expect(canonical(v)).toBe(canonical(v, () => undefined)) }), { seed, numRuns: 2000 })
  })

  test('is the same for every order of keys', () => {
    fc.assert(fc.property(fc.dictionary(key, plain, { noNullPrototype: true }), (o) => {
      const turned = Object.fromEntries(Object.entries(o).reverse())
      expect(canonical(turned)).toBe(canonical(o))
    }), { seed, numRuns: 300 })
  })

  test('drops undefined, keeps null, and knows one zero', () => {
    expect(canonical({ b: undefined, a: null, c: -0, d: [undefined] })).toBe('{"a":null,"c":0,"d":[null]}')
  })

  test('keeps a key that would set the prototype, with one dollar more or without', () => {
    const v = parseCanonical('{"$$x":1,"__proto__":{"admin":true}}') as Record<string, unknown>
    expect(Object.getPrototypeOf(v)).toBe(Object.prototype)
    expect(Object.keys(v)).toEqual(['$x', '__proto__'])
    expect((v as { admin?: unknown }).admin).toBeUndefined()
  })

  test.each([
    ['NaN', { a: [Number.NaN] }, 'a.0'], ['infinity', { a: -Infinity }, 'a'], ['a function', { f() {} }, 'f'], ['a symbol', { s: Symbol('x') }, 's'],
    ['a Map', { m: new Map([[1, 2]]) }, 'm'], ['a Set', { m: new Set() }, 'm'], ['an Error', { e: new Error('x') }, 'e'], ['an invalid date', { d: new Date(Number.NaN) }, 'd'],
    ['another typed array', { t: new Float64Array(1) }, 't'],
  ])('refuses %s and names its path', (_, v, path) => {
    expect(codeOf(() => canonical(v))).toMatch(new RegExp(`^HF1204 ${path}: `))
  })

  test('refuses a cycle, but not a value that stands in two places', () => {
    const shared = { x: 1 }
    expect(canonical({ a: shared, b: [shared] })).toBe('{"a":{"x":1},"b":[{"x":1}]}')
    const cycle: Record<string, unknown> = {}
    cycle.self = { cycle }
    expect(codeOf(() => canonical(cycle))).toMatch(/^HF1204 self\.cycle: /)
  })

  test('gives a further tag its meaning, with the path to it, and leaves a user key of that name alone', () => {
    const seen: string[] = []
    const v = parseCanonical('{"a":[{"$secret":{"c":1}}],"b":{"$$secret":2}}', (tag, body, path) => {
      seen.push(`${tag} ${path.join('/')} ${JSON.stringify(body)}`)
      return 'S'
    })
    expect(v).toEqual({ a: ['S'], b: { $secret: 2 } })
    expect(seen).toEqual(['$secret a/0 {"c":1}'])
  })
})
