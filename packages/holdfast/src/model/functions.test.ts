import { describe, expect, test } from 'vitest'
import { isFailure, type Plain } from '../base/index.ts'
import { functionNames, type FunctionName } from './expr.ts'
import { callFunction } from './functions.ts'

const call = (fn: FunctionName, ...args: Plain[]): Plain => callFunction(fn, args, undefined)
const refusal = (fn: FunctionName, ...args: Plain[]): string => {
  try {
    call(fn, ...args)
  } catch (e) {
    if (isFailure(e)) return `${e.code} ${e.message}`
    throw e
  }
  return 'no refusal'
}

describe('functions of expressions', () => {
  test.each<[FunctionName, Plain[], Plain]>([
    ['json', [{ b: 1, a: [null, 'ä"'] }], '{"b":1,"a":[null,"ä\\""]}'],
    ['join', [['a', 1, true], '-'], 'a-1-true'], ['join', [['a', 'b']], 'a,b'], ['join', [[], ', '], ''],
    ['split', ['a,b,,c', ','], ['a', 'b', '', 'c']],
    ['lower', ['ÄB'], 'äb'], ['upper', ['äb'], 'ÄB'], ['trim', [' a\n'], 'a'],
    ['replace', ['a.b.c', '.', '$&'], 'a$&b$&c'], ['replace', ['abc', 'x', 'y'], 'abc'],
    ['base64', ['hé'], 'aMOp'], ['base64', [new Uint8Array([255])], '/w=='], ['unbase64', ['aMOp'], 'hé'], ['unbase64', ['w7_Dvw'], 'ÿÿ'],
    ['sha256', ['abc'], 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    ['hmac', ['Jefe', 'what do ya want for nothing?'], '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
    ['url', [{ protocol: 'postgres', host: 'db', port: 5432, username: 'app', password: "p@:/?'", path: '/my db', query: { sslmode: 'require', t: ['1', '2'], no: null } }],
      'postgres://app:p%40%3A%2F%3F%27@db:5432/my%20db?sslmode=require&t=1&t=2'],
    ['url', [{ protocol: 'https:', host: '::1', path: ['a/b', 'c'] }], 'https://[::1]/a%2Fb/c'],
    ['url', [{ protocol: 'redis', host: 'h', password: 'x' }], 'redis://:x@h'],
    ['at', [['a', 'b'], -1], 'b'], ['at', [['a'], 3], null], ['get', [{ a: 1 }, 'a'], 1], ['get', [{ a: 1 }, 'b', 2], 2], ['get', [{}, 'constructor'], null],
    ['keys', [{ b: 1, a: 2, c: undefined }], ['a', 'b']], ['values', [{ b: 1, a: 2 }], [2, 1]],
    ['merge', [{ a: 1, b: { x: 1 } }, { b: { y: 2 } }], { a: 1, b: { y: 2 } }],
    ['concat', [['a'], ['b', ['c']]], ['a', 'b', ['c']]], ['concat', ['a', 'b'], 'ab'],
    ['length', ['abc'], 3], ['length', [[1, 2]], 2], ['length', [{ a: 1, b: undefined }], 1], ['length', [new Uint8Array(4)], 4],
    ['eq', [{ a: 1, b: [new Date(5)] }, { b: [new Date(5)], a: 1 }], true], ['eq', ['1', 1], false], ['eq', [null, null], true],
    ['not', [true], false], ['and', [true, false], false], ['and', [], true], ['or', [false, true], true],
    ['when', [true, 'a', 'b'], 'a'], ['when', [false, 'a', 'b'], 'b'], ['coalesce', [null, 'x', 'y'], 'x'], ['coalesce', [null], null], ['coalesce', [false, 1], false],
    ['add', [1, 2, 3], 6], ['add', [2n ** 70n, 1n], 2n ** 70n + 1n], ['sub', [5, 7], -2], ['mul', [4, 2.5], 10],
    ['min', [3, 1, 2], 1], ['max', [[3, 1, 2]], 3], ['duration', ['5m'], 300_000], ['duration', ['0s'], 0],
  ])('%s gives what it says (%#)', (fn, args, result) => {
    expect(call(fn, ...args)).toEqual(result)
  })

  test('refuse a value of the wrong kind in a sentence that names the kind and never the value', () => {
    expect(refusal('lower', 5)).toBe('HF1205 lower() needs a string, and got a number.')
    for (const fn of functionNames) {
      const said = [refusal(fn, 'hunter2-hunter2', new Uint8Array([1]), 'hunter2-hunter2'), refusal(fn, ['hunter2-hunter2', { 'hunter2-hunter2': 5n }])]
      expect(said.join()).not.toContain('hunter2')
    }
  })

  test.each<[FunctionName, Plain[]]>([
    ['join', [[['a']], ',']], ['json', [{ a: new Uint8Array(1) }]], ['json', [{ a: [new Date()] }]], ['json', [1n]], ['yaml', [[1n]]], ['base64', [1]],
    ['unbase64', ['%%%']], ['unbase64', ['/w==']], ['at', [['a'], 0.5]], ['merge', [{ a: 1 }, null]], ['concat', [['a'], 'b']], ['add', ['a', 'b']], ['add', [1, 1n]],
    ['mul', [1e308, 10]], ['min', [[]]], ['duration', ['5 minutes']], ['not', ['true']], ['when', ['x', 1, 2]], ['lower', []], ['eq', [1]],
    ['url', [{ protocol: 'https' }]], ['url', [{ protocol: 'https', host: 'a/b' }]], ['url', [{ protocol: 'https', host: 'a:80' }]], ['url', [{ protocol: 'https', host: 'a', port: 70_000 }]], ['url', [{ protocol: 'https', host: 'a', pasword: 'x' }]],
  ])('%s refuses what it cannot take (%#)', (fn, args) => {
    expect(refusal(fn, ...args)).toMatch(/^HF1205 /)
  })

  test('merge keeps a key that would set the prototype', () => {
    const out = call('merge', JSON.parse('{"__proto__":{"x":1}}') as Plain, { b: 1 }) as object
    expect(Object.getPrototypeOf(out)).toBe(Object.prototype)
    expect(Object.keys(out)).toEqual(['__proto__', 'b'])
  })

  test('url gives what a reader of URLs takes apart into the same parts', () => {
    const password = 'ä %2F#&=+$,;"<>\\^`{|}~'
    const url = new URL(call('url', { protocol: 'https', host: 'example.org', username: 'a:b@c', password, path: '/x y/ü', query: { 'k&': 'a=b&c d' } }) as string)
    expect(decodeURIComponent(url.username)).toBe('a:b@c')
    expect(decodeURIComponent(url.password)).toBe(password)
    expect(decodeURIComponent(url.pathname)).toBe('/x y/ü')
    expect(url.searchParams.get('k&')).toBe('a=b&c d')
  })

  test('yaml writes blocks, keeps the order of keys, and quotes whatever could be read as something else', () => {
    expect(call('yaml', { z: 'plain text', a: [1, [2, 3], { k: 'v', o: { m: null } }, [], {}], s: ['yes', '1', '', 'a: b', '#x', ' x', 'x ', '- x', 'null', 'a\nb', '~'], t: true, f: 1e21, u: undefined })).toBe([
      'z: plain text', 'a:', '  - 1', '  - - 2', '    - 3', '  - k: v', '    o:', '      m: null', '  - []', '  - {}',
      's:', '  - "yes"', '  - "1"', '  - ""', '  - "a: b"', '  - "#x"', '  - " x"', '  - "x "', '  - "- x"', '  - "null"', '  - "a\\nb"', '  - "~"', 't: true', 'f: 1.0e+21', '',
    ].join('\n'))
    expect(call('yaml', 'x')).toBe('x\n')
    expect(call('yaml', [])).toBe('[]\n')
    expect(call('yaml', { ['k'.repeat(2000)]: [1] })).toBe(`? ${'k'.repeat(2000)}\n:\n  - 1\n`)
  })
})
