import { describe, expect, test } from 'vitest'
import { EVERY, parsePath } from './path.ts'

describe('a path into inputs', () => {
  test('is a list of names, indexes and wildcards', () => {
    expect(parsePath('a')).toEqual(['a'])
    expect(parsePath('b.c')).toEqual(['b', 'c'])
    expect(parsePath('d[0]')).toEqual(['d', 0])
    expect(parsePath('d[*].port')).toEqual(['d', EVERY, 'port'])
    expect(parsePath('f["x.y"][3].z')).toEqual(['f', 'x.y', 3, 'z'])
    expect(parsePath('f["say \\"a\\""]')).toEqual(['f', 'say "a"'])
    expect(parsePath('a-b.c_d')).toEqual(['a-b', 'c_d'])
    expect(parsePath('*')).toEqual([])
  })

  test('is nothing else', () => {
    for (const text of ['', '.', '.a', 'a.', 'a..b', 'a[', 'a[]', 'a[-1]', 'a[x]', '[0]', '["a"]', 'a.*', 'a*', '**', 'a b', ' a', 'a[0]b', 'a["x]', 'a["\\q"]', 'a[0', '$.a[?(@)]']) expect(parsePath(text), text).toBeUndefined()
  })
})
