import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { canonical, isFailure, type Plain } from '../base/index.ts'
import { codeOf } from '../base/code-of.fixture.ts'
import type { ExprNode, FunctionName } from './expr.ts'
import { evaluate, refsOf, showExpr, type Scope } from './evaluate.ts'
import { masked, reveal, SecretValue, UnknownValue, type Value } from './value.ts'

const TEXT = 'hunter2-hunter2'
const secret = (fp: string, plain: Plain = TEXT): SecretValue => new SecretValue(fp, () => plain)
const outputs: Record<string, Value> = {
  'db/tls': new UnknownValue('db/tls'),
  half: { known: 'k', later: new UnknownValue('half.later') },
  pw: { value: secret('s:1'), list: secret('s:2', ['a', 'b']), user: 'app', tree: secret('s:3', { a: { b: 'deep' } }) },
  data: { list: ['x', 'y'], n: 5, o: { a: null } },
}
const scope: Scope = {
  output: (node) => outputs[node] as Value,
  secret: (name) => secret(`s:${name}`),
  asset: (path) => ({ path, digest: 'd' }),
  hide: (v) => secret('h:1', v as Plain),
}
const lit = (v: unknown): ExprNode => ({ k: 'lit', v })
const ref = (node: string, ...path: (string | number)[]): ExprNode => ({ k: 'ref', node, path })
const call = (fn: FunctionName, ...args: ExprNode[]): ExprNode => ({ k: 'call', fn, args })
const str = (parts: string[], ...args: ExprNode[]): ExprNode => ({ k: 'str', parts, args })
const each = (list: ExprNode, body: ExprNode): ExprNode => ({ k: 'each', list, name: 'e', body })
const element: ExprNode = { k: 'var', name: 'e', path: [] }
const ev = (e: ExprNode): Value => evaluate(e, scope)

describe('an unknown', () => {
  test.each<[string, ExprNode, string]>([
    ['a reference', ref('db/tls', 'certPem'), 'db/tls.certPem'],
    ['a text', str(['a', 'b'], ref('db/tls', 'certPem')), 'db/tls.certPem'],
    ['a call', call('upper', ref('db/tls', 'certPem')), 'db/tls.certPem'],
    ['a path below an unknown output', ref('half', 'later', 'x'), 'half.later'],
    ['a condition', call('when', ref('half', 'later'), lit(1), lit(2)), 'half.later'],
    ['a list that is mapped', each(ref('half', 'later'), element), 'half.later'],
    ['the body over a secret list', each(ref('pw', 'list'), str(['', '', ''], element, ref('half', 'later'))), 'half.later'],
    ['the first of several', call('join', { k: 'arr', args: [ref('half', 'later'), ref('db/tls', 'x')] }, lit('')), 'half.later'],
  ])('in %s makes the whole unknown, and tells where it comes from', (_, e, source) => {
    const v = ev(e)
    expect(v).toBeInstanceOf(UnknownValue)
    expect(masked(v)).toEqual({ unknown: source })
  })

  test('in a branch that is not taken does not spread', () => {
    expect(ev(call('when', lit(true), lit('a'), ref('half', 'later')))).toBe('a')
    expect(ev(call('coalesce', lit(null), lit('a'), ref('half', 'later')))).toBe('a')
  })

  test('in a structure leaves the rest of it known', () => {
    expect(masked(ev({ k: 'obj', keys: ['a', 'b'], args: [lit(1), ref('half', 'later')] }))).toEqual({ a: 1, b: { unknown: 'half.later' } })
  })
})

describe('a secret', () => {
  const made: [string, ExprNode, Plain][] = [
    ['a text', str(['postgres://', ':', '@db'], ref('pw', 'user'), ref('pw', 'value')), `postgres://app:${TEXT}@db`],
    ['a call', call('upper', ref('pw', 'value')), TEXT.toUpperCase()],
    ['a mapped list', each(ref('pw', 'list'), str(['<', '>'], element)), ['<a>', '<b>']],
    ['a path into it', ref('pw', 'tree', 'a', 'b'), 'deep'],
    ['a path that leads nowhere', ref('pw', 'tree', 'constructor', 'name'), null],
    ['a condition', call('when', call('eq', ref('pw', 'value'), lit(TEXT)), lit('y'), lit('n')), 'y'],
    ['a choice', call('coalesce', ref('pw', 'value'), lit('n')), TEXT],
    ['a document', call('json', { k: 'obj', keys: ['p'], args: [ref('pw', 'value')] }), `{"p":"${TEXT}"}`],
    ['a declared one', { k: 'secret', name: 'api' }, TEXT],
  ]
  test.each(made)('in %s makes the result secret, and it opens to the right value', (_, e, plain) => {
    const v = ev(e)
    expect(v).toBeInstanceOf(SecretValue)
    expect(reveal(v)).toEqual(plain)
  })

  test.each(made)('in %s shows nothing in JSON, inspect, text or canonical form', (_, e) => {
    const v = ev(e)
    const shown = [JSON.stringify(v), inspect(v, { depth: 9, showHidden: true }), `${v as string}`, String(v), ['', v].join(), JSON.stringify(masked(v)), canonical(v), JSON.stringify(Object.entries(v as object)), inspect(structuredClone({ ...(v as object) }))]
    for (const s of shown) expect(s.toLowerCase()).not.toMatch(/hunter2|deep|<a>/)
  })

  test('has an equal fingerprint for equal inputs, and another as soon as anything differs', () => {
    const variants: ExprNode[] = [
      str(['a', ''], ref('pw', 'value')), str(['b', ''], ref('pw', 'value')), str(['a', ''], ref('pw', 'list')), call('upper', ref('pw', 'value')), call('lower', ref('pw', 'value')),
      call('replace', ref('pw', 'value'), lit('a'), lit('b')), call('replace', ref('pw', 'value'), lit('a'), lit('c')), call('replace', lit('a'), ref('pw', 'value'), lit('c')),
      each(ref('pw', 'list'), str(['<', '>'], element)), each(ref('pw', 'list'), str(['(', ')'], element)), each(ref('pw', 'list'), str(['(', ')', ''], element, ref('data', 'n'))),
      ref('pw', 'tree', 'a'), ref('pw', 'tree', 'b'), call('json', lit({ $s: 's:1' })), call('json', { k: 'obj', keys: ['x'], args: [ref('pw', 'value')] }),
    ]
    const fps = variants.map((e) => (ev(e) as SecretValue).fp).filter((fp) => fp !== undefined)
    expect(new Set(fps).size).toBe(fps.length)
    expect(variants.map((e) => (ev(e) as SecretValue).fp)).toEqual(variants.map((e) => (ev(structuredClone(e)) as SecretValue).fp))
  })

  test('of a wrong kind fails when it is opened, without telling what it is', () => {
    const v = ev(call('add', ref('pw', 'value'), lit(1)))
    let said = ''
    try {
      reveal(v)
    } catch (e) {
      said = `${isFailure(e) && e.code} ${inspect(e)}`
    }
    expect(said).toContain('HF1205')
    expect(said).not.toContain(TEXT)
    expect(codeOf(() => reveal(ev(each(ref('pw', 'value'), element))))).toBe('HF1205')
  })

  test('is computed once, when it is asked for, and not before', () => {
    let opened = 0
    const s = new SecretValue('s:x', () => `v${++opened}`)
    const v = evaluate(call('upper', ref('n', 's')), { ...scope, output: () => ({ s }) })
    expect(opened).toBe(0)
    expect([reveal(v), reveal(v), opened]).toEqual(['V1', 'V1', 1])
  })
})

describe('a known value', () => {
  test('is computed', () => {
    expect(ev(str(['n=', '!'], ref('data', 'n')))).toBe('n=5!')
    expect(ev(each(ref('data', 'list'), str(['-', ''], element)))).toEqual(['-x', '-y'])
    expect(ev(ref('data', 'o', 'a', 'deeper'))).toBeNull()
    expect(ev(ref('data', 'list', 1))).toBe('y')
    expect(ev(ref('data', 'constructor'))).toBeNull()
  })

  test('of the wrong kind is refused', () => {
    expect(codeOf(() => ev(str(['', ''], ref('data', 'list'))))).toBe('HF1205')
    expect(codeOf(() => ev(ref('data', 'n', 'x')))).toBe('HF1202')
    expect(codeOf(() => ev(each(ref('data', 'n'), element)))).toBe('HF1205')
  })

  test('keeps a key that would set the prototype', () => {
    const v = ev({ k: 'obj', keys: ['__proto__', 's'], args: [lit({ x: 1 }), ref('pw', 'value')] })
    expect(Object.keys(v as object)).toEqual(['__proto__', 's'])
    expect(Object.keys(masked(v) as object)).toEqual(['__proto__', 's'])
  })
})

test('an expression tells what it refers to, and reads as it was written', () => {
  const e = call('join', { k: 'arr', args: [ref('a', 'x'), each(ref('b'), str(['', '/', ''], element, ref('a', 'y')))] }, lit(','))
  expect([...refsOf(e)]).toEqual(['a', 'b'])
  expect(showExpr(e)).toBe('join([a.x, each(b, (e) => ${e}/${a.y})], ",")')
})
