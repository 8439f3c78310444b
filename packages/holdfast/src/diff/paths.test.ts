import { describe, expect, test } from 'vitest'
import { SecretValue, UnknownValue } from '../model/index.ts'
import { differentAt, withStored } from './paths.ts'

const stored = { a: 1, b: { c: 'old', d: 'old' }, list: [{ port: 1 }, { port: 2 }], labels: { 'x.y': 'old', z: 'old' }, secret: new SecretValue('s1', () => 'x') }
const next = { a: 2, b: { c: 'new', d: 'new' }, list: [{ port: 8 }, { port: 9 }, { port: 10 }], labels: { 'x.y': 'new', z: 'new' }, secret: new SecretValue('s2', () => 'y') }

describe('what is ignored stands as it is stored', () => {
  const cases: [string, object][] = [
    ['a', { a: 1 }], ['b.c', { b: { c: 'old', d: 'new' } }], ['list[0]', { list: [{ port: 1 }, { port: 9 }, { port: 10 }] }], ['labels["x.y"]', { labels: { 'x.y': 'old', z: 'new' } }],
    ['labels[*]', { labels: { 'x.y': 'old', z: 'old' } }], ['list[*].port', { list: [{ port: 1 }, { port: 2 }, { port: 10 }] }], ['list[*]', { list: [{ port: 1 }, { port: 2 }] }], ['secret', { secret: stored.secret }],
  ]
  for (const [path, changed] of cases) test(path, () => expect(withStored(next, stored, [path])).toEqual({ ...next, ...changed }))

  test('* is everything', () => expect(withStored(next, stored, ['*'])).toEqual(stored))
  test('a place that is not there is no error and changes nothing', () => {
    for (const path of ['nothing', 'nothing.below', 'a.below', 'a[0]', 'list[7]', 'list[7].port', 'b.c.d', 'secret.below', 'labels[0]', 'list.port']) expect(withStored(next, stored, [path]), path).toBe(next)
  })
  test('what was not there before is not there, and what is gone from the program stays', () => {
    expect(withStored({ a: 1, b: { c: 1 } }, { a: 1 }, ['b'])).toEqual({ a: 1 })
    expect(withStored({ a: 1 } as { a: number; b?: number }, { a: 1, b: 2 }, ['b'])).toEqual({ a: 1, b: 2 })
  })
  test('what is not known yet and ignored is known: it stays', () => {
    expect(withStored({ a: new UnknownValue('x') as never }, { a: 1 }, ['a'])).toEqual({ a: 1 })
  })
  test('the trees that are given are not changed', () => {
    const before = JSON.stringify(next)
    withStored(next, stored, ['b.c', 'list[*].port', 'labels[*]'])
    expect(JSON.stringify(next)).toBe(before)
  })
})

describe('where a new object is wanted', () => {
  test('a path has another value, or one that is not known', () => {
    expect(differentAt(stored, next, ['a', 'b.c', 'list[2]', 'nothing', 'labels[*]'])).toEqual(['a', 'b.c', 'list[2]', 'labels[*]'].map((path) => ({ path, unknown: false })))
    expect(differentAt({ b: { c: 1, d: 1 } }, { b: { c: 1, d: 2 } }, ['b.c'])).toEqual([])
    expect(differentAt({ b: { c: 1 } }, { b: new UnknownValue('x.y') }, ['b.c', 'b', '*'])).toEqual(['b.c', 'b', '*'].map((path) => ({ path, unknown: true })))
    expect(differentAt({ a: 1 }, { a: 1, b: 2 }, ['*'])).toEqual([{ path: '*', unknown: false }])
  })
  test('in a secret, when it is another', () => {
    expect(differentAt({ s: stored.secret }, { s: stored.secret }, ['s.below'])).toEqual([])
    expect(differentAt({ s: stored.secret }, { s: next.secret }, ['s.below'])).toEqual([{ path: 's.below', unknown: false }])
  })
})
