import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { closure, dependants, topologicalOrder } from './index.ts'

const depsOf = (edges: Readonly<Record<string, readonly string[]>>) => (n: string) => edges[n] ?? []

describe('topologicalOrder', () => {
  test('puts every node after its dependencies and keeps the given order among equals', () => {
    expect(topologicalOrder(['c', 'b', 'a', 'd'], depsOf({ c: ['a'], d: ['b', 'c'] }))).toEqual(['a', 'c', 'b', 'd'])
    expect(topologicalOrder(['x', 'y', 'z'], () => [])).toEqual(['x', 'y', 'z'])
  })
  test('ignores dependencies that are not nodes', () => {
    expect(topologicalOrder(['a'], depsOf({ a: ['elsewhere'] }))).toEqual(['a'])
  })
  test('a circle is HF2101 and names its members in order', () => {
    const circle = () => topologicalOrder(['z', 'a', 'b', 'c'], depsOf({ z: ['a'], a: ['b'], b: ['c'], c: ['a'] }))
    expect(circle).toThrow(expect.objectContaining({ code: 'HF2101', message: 'a -> b -> c -> a is a circle.', details: { circle: ['a', 'b', 'c'] } }))
    expect(() => topologicalOrder(['a'], depsOf({ a: ['a'] }))).toThrow(expect.objectContaining({ code: 'HF2101', message: 'a -> a is a circle.' }))
  })
  test('a chain of 100,000 does not touch the limit of the stack', () => {
    const n = 100_000
    const names = Array.from({ length: n }, (_, i) => `n${i}`)
    const order = topologicalOrder(names, (x) => (x === `n${n - 1}` ? [] : [`n${Number(x.slice(1)) + 1}`]))
    expect(order[0]).toBe(`n${n - 1}`)
    expect(order).toHaveLength(n)
  })
  test('holds for any graph without circles', () => {
    const seed = Date.now() >>> 0
    console.log(`seed ${seed}`)
    fc.assert(fc.property(fc.array(fc.array(fc.nat(), { maxLength: 4 }), { maxLength: 40 }), fc.nat(), (raw, shift) => {
      const names = raw.map((_, i) => `n${i}`)
      const deps = (x: string) => (raw[Number(x.slice(1))] ?? []).filter(() => x !== 'n0').map((d) => `n${d % Number(x.slice(1))}`)
      const given = names.map((_, i) => names[(i + shift) % names.length] as string)
      const order = topologicalOrder(given, deps)
      const at = new Map(order.map((x, i) => [x, i]))
      expect([...order].sort()).toEqual([...names].sort())
      for (const x of order) for (const d of deps(x)) expect(at.get(d)).toBeLessThan(at.get(x) as number)
    }), { seed, numRuns: 200 })
  })
})

describe('dependants and closure', () => {
  const deps = depsOf({ b: ['a'], c: ['a', 'b'], d: ['c'] })
  test('dependants turns the edges round', () => {
    expect(dependants(['a', 'b', 'c', 'd'], deps)).toEqual(new Map([['a', ['b', 'c']], ['b', ['c']], ['c', ['d']]]))
  })
  test('closure gives the nodes and all they lead to, each once, also in a circle', () => {
    expect([...closure(['c'], deps)].sort()).toEqual(['a', 'b', 'c'])
    expect([...closure(['a'], depsOf({ a: ['b'], b: ['a'] }))].sort()).toEqual(['a', 'b'])
    expect([...closure([], deps)]).toEqual([])
  })
})
