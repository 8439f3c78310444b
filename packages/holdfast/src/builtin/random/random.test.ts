import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { callOf, corner } from '../../../test/support/corner.ts'
import { drawBelow, seededSource, shuffled, systemSource } from './draw.ts'
import { idSpec, integerSpec, passwordSpec, petSpec, shuffleSpec, uuidSpec } from './types.ts'
import { adjectives, adverbs, animals } from './words.ts'

const { host, dispose } = corner()
void dispose()
const make = <S extends { inputs: { parse(v: unknown): any }; create(a: any): Promise<any> }>(spec: S, inputs: unknown) => spec.create({ ...callOf(host), inputs: spec.inputs.parse(inputs) }) as ReturnType<S['create']>

/** Chi-square of the counts against all being equal; for k - 1 degrees of freedom a value above k + 5 * sqrt(2k) comes less than once in a million. */
function expectEven(counts: readonly number[]): void {
  const mean = counts.reduce((a, b) => a + b, 0) / counts.length
  const chi = counts.reduce((sum, c) => sum + (c - mean) ** 2 / mean, 0)
  expect(chi).toBeLessThan(counts.length + 6 * Math.sqrt(2 * counts.length) + 10)
}

describe('drawing', () => {
  test('every number below the bound comes as often as the other, also where the bound is no power of two', () => {
    for (const below of [3, 10, 62, 100]) {
      const counts = Array.from({ length: below }, () => 0)
      for (let i = 0; i < below * 400; i++) counts[drawBelow(below, systemSource)]!++
      expectEven(counts)
    }
  })
  test('a number is below its bound, whatever the bound', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), fc.string(), (below, seed) => {
      const n = drawBelow(below, seededSource(seed))
      return Number.isInteger(n) && n >= 0 && n < below
    }))
  })
  test('an order keeps every element, and every order is as likely as the other', () => {
    const counts = new Map<string, number>()
    for (let i = 0; i < 6 * 500; i++) {
      const order = shuffled(['a', 'b', 'c'], systemSource).join('')
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    expect(counts.size).toBe(6)
    expectEven([...counts.values()])
  })
  test('a seed gives the same for ever', () => {
    expect(Buffer.from(seededSource('holdfast')(8)).toString('hex')).toBe(Buffer.from(seededSource('holdfast')(8)).toString('hex'))
    expect(shuffled([1, 2, 3, 4, 5, 6], seededSource('s'))).toEqual(shuffled([1, 2, 3, 4, 5, 6], seededSource('s')))
  })
})

describe('Password', () => {
  test('has the length, and only characters that were asked for', async () => {
    expect((await make(passwordSpec, {})).value).toMatch(/^[A-Za-z0-9]{32}$/)
    expect((await make(passwordSpec, { length: 64, upper: false, lower: false })).value).toMatch(/^[0-9]{64}$/)
    expect((await make(passwordSpec, { length: 12, lower: false, upper: false, digits: false, symbols: true, symbolSet: '+-' })).value).toMatch(/^[+-]{12}$/)
  })
  test('has at least as many of a kind as asked for, and they stand anywhere', async () => {
    const firsts = new Set<string>()
    for (let i = 0; i < 200; i++) {
      const { value } = await make(passwordSpec, { length: 8, symbols: true, minDigits: 3, minSymbols: 2, minUpper: 1 })
      expect(value.replace(/[^0-9]/g, '').length).toBeGreaterThanOrEqual(3)
      expect(value.replace(/[A-Za-z0-9]/g, '').length).toBeGreaterThanOrEqual(2)
      expect(value).toMatch(/[A-Z]/)
      firsts.add(value[0]!.replace(/[0-9]/, '0').replace(/[A-Z]/, 'A').replace(/[a-z]/, 'a').replace(/[^0Aa]/, '!'))
    }
    expect(firsts.size).toBe(4)
  })
  test('every character is as likely as the other', async () => {
    const counts = new Map<string, number>()
    for (let i = 0; i < 50; i++) for (const c of (await make(passwordSpec, { length: 500 })).value) counts.set(c, (counts.get(c) ?? 0) + 1)
    expect(counts.size).toBe(62)
    expectEven([...counts.values()])
  })
  test.each([
    [{ length: 7 }, /8/],
    [{ lower: false, upper: false, digits: false }, /at least one kind/],
    [{ length: 8, minDigits: 5, minLower: 4 }, /length is smaller/],
    [{ minSymbols: 1 }, /switched off/],
  ])('%j is refused', (inputs, message) => {
    expect(passwordSpec.inputs.safeParse(inputs).error?.message).toMatch(message)
  })
  test('only what it is bound to can change', async () => {
    const fields = Object.keys(passwordSpec.inputs.shape)
    expect(fields.filter((f) => !passwordSpec.replaceOn?.includes(f as never))).toEqual(['boundTo'])
    expect(passwordSpec.boundTo?.(passwordSpec.inputs.parse({ boundTo: '/data' }))).toBe('/data')
  })
})

describe('the others', () => {
  test('Id gives one number in three notations', async () => {
    const { hex, base64url, dec } = await make(idSpec, { bytes: 16 })
    expect(hex).toMatch(/^[0-9a-f]{32}$/)
    expect(Buffer.from(base64url, 'base64url').toString('hex')).toBe(hex)
    expect(BigInt(dec)).toBe(BigInt(`0x${hex}`))
  })
  test('Uuid is one of version 4', async () => {
    expect((await make(uuidSpec, {})).value).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })
  test('Pet has the words asked for', async () => {
    expect((await make(petSpec, {})).value).toMatch(/^[a-z]+-[a-z]+$/)
    expect((await make(petSpec, { words: 1, prefix: 'db', separator: '.' })).value).toMatch(/^db\.[a-z]+$/)
    expect((await make(petSpec, { words: 4 })).value.split('-')).toHaveLength(4)
  })
  test('no word of a Pet stands twice', () => {
    const all = [...adverbs, ...adjectives, ...animals]
    expect(all.filter((w, i) => all.indexOf(w) !== i)).toEqual([])
    expect(all.every((w) => /^[a-z]{2,12}$/.test(w))).toBe(true)
  })
  test('Integer includes both ends; a seed gives the same again', async () => {
    const seen = new Set<number>()
    for (let i = 0; i < 200; i++) seen.add((await make(integerSpec, { min: -1, max: 1 })).value)
    expect([...seen].sort()).toEqual([-1, 0, 1])
    expect(await make(integerSpec, { min: 0, max: 1e9, seed: 'a' })).toEqual(await make(integerSpec, { min: 0, max: 1e9, seed: 'a' }))
    expect(integerSpec.inputs.safeParse({ min: 2, max: 1 }).success).toBe(false)
  })
  test('Shuffle goes around evenly when more is asked for than there is', async () => {
    const { value } = await make(shuffleSpec, { input: ['a', 'b', 'c'], resultCount: 7 })
    expect(value).toHaveLength(7)
    for (const x of ['a', 'b', 'c']) expect([2, 3]).toContain(value.filter((v: string) => v === x).length)
    expect((await make(shuffleSpec, { input: ['a', 'b', 'c'], resultCount: 0 })).value).toEqual([])
    await expect(make(shuffleSpec, { input: [], resultCount: 1 })).rejects.toMatchObject({ code: 'HF1206' })
  })
})
