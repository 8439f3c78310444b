import { runInThisContext } from 'node:vm'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { HoldfastError, type FailureCode } from '../base/index.ts'
import { Value } from '../builtin/value/index.ts'
import * as api from './index.ts'
import type { AnyApp } from './index.ts'

const FILE = '/shop/app.ts'

/** Runs a program as the loader does: its lines and columns are those of the text. Line 1 is the first line of `code`. */
function program(code: string): AnyApp {
  const given: Record<string, unknown> = { ...api, Value, z }
  const run = runInThisContext(`(function(${Object.keys(given).join(',')}) {\n${code}\n})`, { filename: FILE, lineOffset: -1 }) as (...args: unknown[]) => AnyApp
  return run(...Object.values(given))
}

function failureOf(code: string, request: api.BuildRequest = {}): HoldfastError {
  try {
    api.buildGraph(program(code), request)
  } catch (e) {
    if (e instanceof HoldfastError) return e
    throw e
  }
  throw new Error('nothing was thrown')
}

/** `¦` in the code marks where the failure must point to: the character after it. */
function expectAt(code: FailureCode, marked: string, message: RegExp, more: { hint?: RegExp; address?: string } = {}): void {
  const lines = marked.split('\n')
  const line = lines.findIndex((l) => l.includes('¦'))
  const column = (lines[line] as string).indexOf('¦')
  const e = failureOf(marked.replace('¦', ''))
  expect(`${e.code} ${e.message}`).toMatch(new RegExp(`^${code} `))
  expect(e.message).toMatch(message)
  expect({ at: e.site }).toEqual({ at: { file: FILE, line: line + 1, column: column + 1 } })
  if (more.hint) expect(e.hint).toMatch(more.hint)
  if (more.address !== undefined) expect(e.address).toBe(more.address)
}

const inApp = (body: string): string => `
const Thing = resource({ type: 'test:Thing', inputs: z.object({ path: z.string(), mode: z.number().optional(), list: z.array(z.string()).optional(), of: z.object({ path: z.string() }).optional() }),
  outputs: z.object({ path: z.string(), size: z.number(), list: z.array(z.object({ host: z.string() })), labels: z.record(z.string(), z.string()), any: z.any() }), create: async () => ({}), delete: async () => {} })
return app('shop', { secrets: ['stripe'], build({ secrets }) {
${body}
} })`

afterEach(() => api.forgetProgramTypes())

describe('declaring', () => {
  test('outside of build() is HF1101', () => {
    expect(() => Value('a', { input: 1 })).toThrowError(expect.objectContaining({ code: 'HF1101' }))
    expectAt('HF1101', `const Late = () => Value('late', { input: 1 })
void app
¦Value('early', { input: 1 })`, /holdfast:Value "early" was declared outside of build\(\)/, { hint: /Move the call/ })
  })
  test('after build() has returned is HF1101', async () => {
    const a = program(`let later
globalThis.declareLater = () => later()
return app('shop', { build() { later = () => Value('late', { input: 1 }) } })`)
    api.buildGraph(a)
    expect(() => (globalThis as unknown as { declareLater(): void }).declareLater()).toThrowError(expect.objectContaining({ code: 'HF1101' }))
  })
  test('one address twice is HF1102 and names both places', () => {
    expectAt('HF1102', inApp(`Thing('a', { path: 'x' })
  ¦Thing('a', { path: 'y' })`), /^a is declared twice: first at .*app\.ts:5:1\.$/, { address: 'a' })
  })
  test('a component and a node with one address are HF1102', () => {
    expectAt('HF1102', inApp(`component('C', { build() {} })('a')
¦Value('a', { input: 1 })`), /a is declared twice/)
  })
  test('names are checked, HF1103, and normalised', () => {
    for (const name of [`''`, `'a/b'`, `'a b'`, `'-a'`, `'~a'`, `'.'`, `'x'.repeat(129)`, `7`, `undefined`]) {
      expectAt('HF1103', inApp(`void 0; ¦Thing(${name}, { path: 'x' })`), /cannot be called|needs a name/)
    }
    const graph = api.buildGraph(program(inApp(`Thing('caf\\u0065\\u0301', { path: 'x' }); Thing('a.b_c-d@e', { path: 'x' })`)))
    expect([...graph.nodes.keys()]).toEqual(['caf\u00e9', 'a.b_c-d@e'])
  })
  test('a promise from build() is HF1104, and its rejection is nobody else\'s failure', async () => {
    const rejections: unknown[] = []
    const note = (e: unknown) => rejections.push(e)
    process.on('unhandledRejection', note)
    expectAt('HF1104', `return ¦app('shop', { async build() { throw new Error('x') } })`, /shop is asynchronous/)
    expectAt('HF1104', `const C = component('C', { async build() { await 1; Value('late', { input: 1 }) } })
return app('shop', { build() { ¦C('c') } })`, /c is asynchronous/, { address: 'c' })
    await new Promise((r) => setTimeout(r, 5))
    process.off('unhandledRejection', note)
    expect(rejections).toEqual([])
  })
  test('an error of the author is HF1106 at its place', () => {
    expectAt('HF1106', inApp(`const f = () => { throw ¦new TypeError('no such thing') }
f()`), /^build\(\) of shop threw: TypeError: no such thing$/)
    expect(failureOf(inApp(`component('C', { build() { null.x } })('c')`))).toMatchObject({ code: 'HF1106', address: 'c' })
    expectAt('HF1106', `return ¦app('shop', { build() { throw 'text' } })`, /^build\(\) of shop threw: text$/)
  })
  test('a result of build() that is no object is HF1109', () => {
    for (const out of ['1', `'a'`, '[]', 'null']) expectAt('HF1109', `return ¦app('shop', { build() { return ${out} } })`, /must return an object of outputs/)
    expectAt('HF1109', inApp(`const C = component('C', { build() { return Value('v', { input: 1 }) } })
void ¦C('c')`), /must return an object, and returned a node/)
  })
  test('a declaration of an app or component that is not valid is HF1109', () => {
    expectAt('HF1109', `return ¦app('shop', {})`, /build must be a function/)
    expectAt('HF1109', `return ¦app('shop', { build() {}, secret: ['a'] })`, /no member "secret"/)
    expectAt('HF1109', `return ¦app('shop', { environments: {}, build() {} })`, /at least one/)
    expectAt('HF1109', `return ¦component('C', { settings: z.object({ a: z.string() }), inputs: z.object({ a: z.string() }), build() {} })`, /"a" is a setting and an input/)
    expectAt('HF1109', `return ¦component('C', { settings: z.string(), build() {} })`, /settings must be a zod object/)
  })
  test('a declaration of a type that is not valid is HF1107', () => {
    expectAt('HF1107', `return ¦resource({ type: 'test:A', inputs: z.object({}), outputs: z.object({}), create: 1, delete: async () => {} })`, /create must be a function/)
    expectAt('HF1107', `return ¦sensitive('x')`, /zod schema/)
    expectAt('HF1107', inApp(`return { a: ¦lookup(Thing, { path: 'x' }) }`), /test:Thing cannot be looked up: it has no find/)
  })
  test('one type name with two definitions is HF1108; a module loaded twice is not', () => {
    const one = `resource({ type: 'test:A', inputs: z.object({ a: z.string() }), outputs: z.object({}), create: async () => ({}), delete: async () => {} })`
    program(one)
    program(one)
    expectAt('HF1108', `return ¦${one.replace('z.string()', 'z.number()')}`, /declared twice/)
    expectAt('HF1108', `return ¦${one.replace('async () => ({})', 'async () => ({ })')}`, /declared twice/)
    expectAt('HF1108', `return ¦${one.replace('test:A', 'holdfast:Value')}`, /is a type of holdfast#Value already/)
  })
})

describe('references', () => {
  const use = (body: string) => inApp(`const t = Thing('t', { path: 'x' })\n${body}`)
  test('as text they are HF1201 at the line', () => {
    expectAt('HF1201', use('const s = `a ${t.¦path}`'), /^t\.path is not known before apply/, { hint: /str`/ })
    expectAt('HF1201', use(`const s = 'a' ¦+ t.path`), /t\.path/)
    expectAt('HF1201', use(`const s = ¦Number(t.size)`), /t\.size/)
    expectAt('HF1201', use(`const s = ¦String(t.size)`), /t\.size/)
    expectAt('HF1201', use(`const s = t.size.¦toString()`), /t\.size/)
    expectAt('HF1201', use(`const s = t.size ¦> 3`), /t\.size/)
    expectAt('HF1201', use(`const s = { [t.¦path]: 1 }`), /t\.path/)
    expectAt('HF1201', use('const s = `a ${¦t}`'), /^t is not known/)
    expectAt('HF1201', use('const s = `a ${str¦`${t.path}`}`'), /t\.path/)
    expectAt('HF1201', use('const s = `a ${secrets.¦stripe}`'), /secrets\.stripe/)
  })
  test('an output that does not exist is HF1202 with the list', () => {
    expectAt('HF1202', use(`const s = t.¦nope`), /^t has no "nope"\.$/, { hint: /path, size, list, labels, any/ })
    expectAt('HF1202', use(`const s = t.path.¦length`), /t\.path has no "length"/, { hint: /length\(text\)/ })
    expectAt('HF1202', use(`const s = t.list.¦length`), /t\.list has no "length"/, { hint: /length\(list\)/ })
    expectAt('HF1202', use(`const s = t.list.¦map((x) => x)`), /t\.list has no "map"/, { hint: /each/ })
    expectAt('HF1202', use(`const s = t.list.at(0)¦.port`), /t\.list\.0 has no "port"/, { hint: /host/ })
    expectAt('HF1202', use(`const s = json(t.path)¦.length`), /json\(t\.path\) has no "length"/)
  })
  test('spread, listed or looped over they are HF1202', () => {
    expectAt('HF1202', use(`const s = ¦{ ...t }`), /t cannot be spread or listed/)
    expectAt('HF1202', use(`const s = Object.¦keys(t.labels)`), /t\.labels cannot be spread/, { hint: /keys\(/ })
    expectAt('HF1202', use(`const s = [...t.¦list]`), /t\.list cannot be looped over/, { hint: /each/ })
    expectAt('HF1202', use(`for (const x of t.¦list) void x`), /t\.list cannot be looped over/)
  })
  test('in JSON.stringify they are HF1203', () => {
    expectAt('HF1203', use(`const s = JSON.¦stringify({ a: t.path })`), /t\.path cannot be passed/, { hint: /json\(/ })
  })
  test('cannot be changed, and are no promises', () => {
    const graph = api.buildGraph(program(use(`'use strict'
let frozen = 0
for (const f of [() => { t.path = 1 }, () => { t.neu = 1 }, () => { delete t.path; Object.defineProperty(t, 'x', { value: 1 }) }]) { try { (function () { 'use strict'; f() })() } catch (e) { if (e instanceof TypeError) frozen++ } }
return { then: t.then === undefined, frozen, has: 'path' in t, not: 'nope' in t, any: t.any.what.at(2).ever, label: t.labels.x, host: t.list.at(1).host, all: t }`)))
    expect(graph.outputs).toEqual({
      k: 'obj', keys: ['then', 'frozen', 'has', 'not', 'any', 'label', 'host', 'all'],
      args: [
        { k: 'lit', v: true }, { k: 'lit', v: 1 }, { k: 'lit', v: true }, { k: 'lit', v: false },
        { k: 'ref', node: 't', path: ['any', 'what', 2, 'ever'] }, { k: 'ref', node: 't', path: ['labels', 'x'] }, { k: 'ref', node: 't', path: ['list', 1, 'host'] }, { k: 'ref', node: 't', path: [] },
      ],
    })
  })
  test('a value that cannot be stored is HF1204 with its path', () => {
    expectAt('HF1204', use(`¦Value('v', { input: { a: [1, () => 1] } })`), /^v: input\.a\.1: a function cannot stand here/, { address: 'v' })
    expectAt('HF1204', use(`¦Value('v', { input: { a: Symbol('x') } })`), /input\.a: a symbol/)
    expectAt('HF1204', use(`¦Value('v', { input: { a: NaN } })`), /input\.a: NaN/)
    expectAt('HF1204', use(`const a = {}; a.b = { a }; ¦Value('v', { input: a })`), /input\.b\.a: a value that contains itself/)
    expectAt('HF1204', use(`¦Value('v', { input: new Map() })`), /input: an instance of Map/)
    expectAt('HF1204', use(`¦Value('v', { input: Promise.resolve(1) })`), /input: a promise/)
    expectAt('HF1204', use(`¦Value('v', { input: { t: Thing } })`), /input\.t: a function/)
    expectAt('HF1204', use(`const x = ¦json({ a: () => 1 })`), /json\(\.\.\.\)\.a: a function/)
    expectAt('HF1204', use(`¦Thing('v', t)`), /the inputs must be an object/)
    expectAt('HF1204', use(`¦Thing('v', { path: t })`), /path: t is a whole node/)
    expectAt('HF1204', use(`void ¦asset(t.path)`), /a reference is not/)
    expectAt('HF1204', use(`void ¦each(t.path, (e) => e)`), /a reference to something else/)
    expect(failureOf(use(`return { a: () => 1 }`))).toMatchObject({ code: 'HF1204', message: 'outputs.a: a function cannot stand here.' })
  })
  test('a reference among settings is HF1204; other settings are parsed, HF1206', () => {
    const c = `const C = component('C', { settings: z.object({ n: z.number().int() }), inputs: z.object({ host: z.string() }), build() {} })\n`
    expectAt('HF1204', use(`${c}¦C('c', { n: t.size, host: 'h' })`), /c: the setting "n" must be known/, { hint: /inputs of C/ })
    expectAt('HF1206', use(`${c}¦C('c', { n: 1.5, host: 'h' })`), /c: n: /)
    expectAt('HF1206', use(`${c}¦C('c', { n: 1, host: 3 })`), /c: host: /)
    expectAt('HF1206', use(`${c}¦C('c', { n: 1 })`), /the input "host" is missing/)
    expectAt('HF1206', use(`${c}¦C('c', { host: 'h' })`), /c: n: /)
    expectAt('HF1206', use(`${c}¦C('c', { n: 1, host: 'h', prot: 1 })`), /no setting or input "prot"/, { hint: /settings: n; inputs: host/ })
  })
  test('an unknown or missing input is HF1206 with the list', () => {
    expectAt('HF1206', use(`¦Thing('v', { path: 'x', mod: 1 })`), /^v: there is no input "mod"\.$/, { hint: /path, mode\?, list\?, of\?/, address: 'v' })
    expectAt('HF1206', use(`¦Thing('v', { mode: 1 })`), /^v: the input "path" is missing\.$/)
    expectAt('HF1206', use(`¦Thing('v')`), /"path" is missing/)
  })
  test('options are checked, HF1208', () => {
    for (const [options, message] of [
      [`{ protected: true }`, /no option "protected"/], [`{ protect: 1 }`, /protect must be true or false/], [`{ protect: t.any }`, /a reference is not/], [`{ timeout: '5 minutes' }`, /timeout must be/], [`{ timeout: '0s' }`, /timeout must be/],
      [`{ retries: -1 }`, /retries must be/], [`{ retries: 1.5 }`, /retries must be/], [`{ dependsOn: t }`, /a reference is not/], [`{ dependsOn: [t.path] }`, /dependsOn must be/], [`{ dependsOn: [t.any] }`, /dependsOn must be/],
      [`{ movedFrom: 'a' }`, /movedFrom must be/], [`{ tags: { a: 1 } }`, /tags\.a must be/], [`{ tags: { a: 'x'.repeat(257) } }`, /256/], [`{ tags: { ['x'.repeat(129)]: '' } }`, /128/],
      [`{ tags: Object.fromEntries(Array.from({ length: 51 }, (_, i) => ['k' + i, ''])) }`, /at most 50/], [`[]`, /must be an object/],
    ] as const) expectAt('HF1208', use(`¦Thing('v', { path: 'x' }, ${options})`), message, { address: 'v' })
  })
  test('paths of ignore and replaceOn are checked, HF1208 with the ways to write one', () => {
    const hint = /A path names an input and what is below it: size, labels\.team, rules\[0\]\.port/
    for (const [options, message] of [
      [`{ ignore: 'mode' }`, /^v: ignore must be a list of paths\.$/], [`{ replaceOn: {} }`, /replaceOn must be a list of paths/], [`{ ignore: [''] }`, /"" in ignore is no path/], [`{ ignore: ['mode', 'list[x]'] }`, /"list\[x\]" in ignore is no path/],
      [`{ ignore: ['.mode'] }`, /"\.mode" in ignore is no path/], [`{ replaceOn: ['of..path'] }`, /"of\.\.path" in replaceOn is no path/], [`{ replaceOn: ['list[*'] }`, /"list\[\*" in replaceOn is no path/], [`{ ignore: [1] }`, /a number in ignore is no path/],
      [`{ ignore: [t.any] }`, /a path of ignore must be known before apply, and a reference is not/],
    ] as const) expectAt('HF1208', use(`¦Thing('v', { path: 'x' }, ${options})`), message, { address: 'v', hint })
    expectAt('HF1208', use(`¦Thing('v', { path: 'x' }, { ignore: t.any })`), /ignore must be known before apply, and a reference is not/, { hint: /plain values/ })
  })
  test('options that name other nodes take nodes, HF1208', () => {
    for (const [options, message] of [
      [`{ deleteFirst: 'yes' }`, /deleteFirst must be true or false/], [`{ deleteFirst: t.any }`, /deleteFirst must be known before apply/], [`{ replaceWith: t }`, /replaceWith must be known before apply, and a reference is not/],
      [`{ replaceWith: 't' }`, /replaceWith must be a list of nodes and components/], [`{ replaceWith: [t.path] }`, /replaceWith must be a list of nodes and components/], [`{ deletedWith: t.path }`, /deletedWith must be a node\./],
      [`{ deletedWith: 't' }`, /deletedWith must be a node\./], [`{ deletedWith: [t] }`, /deletedWith must be a node\./], [`{ replaceWhen: t }`, /replaceWhen is the whole node t/],
    ] as const) expectAt('HF1208', use(`¦Thing('v', { path: 'x' }, ${options})`), message, { address: 'v' })
    expectAt('HF1204', use(`¦Thing('v', { path: 'x' }, { replaceWhen: () => 1 })`), /^v: replaceWhen: a function cannot stand here/)
    expectAt('HF1204', use(`¦Thing('v', { path: 'x' }, { replaceWhen: [NaN] })`), /^v: replaceWhen\.0: NaN is not a number/)
  })
  test('what goes with a node must be able to, HF1208, HF2101, HF2103', () => {
    expectAt('HF1208', use(`const c = component('C', { build() { Thing('in', { path: 'y' }) } })('c'); ¦Thing('v', { path: 'x' }, { deletedWith: c })`), /^v: deletedWith must be a node, and c is a component, and not one object\.$/, { address: 'v', hint: /whose deletion takes the object along/ })
    expectAt('HF1208', inApp(`const Net = resource({ type: 'test:Net', inputs: z.object({ n: z.string() }), outputs: z.object({ id: z.string() }), create: async () => ({ id: '' }), delete: async () => {}, find: async () => undefined })
const net = lookup(Net, { n: 'main' }, { name: 'net' })
¦Thing('v', { path: 'x' }, { deletedWith: net })`), /^v: deletedWith must be a node, and net is a look-up, which is never deleted\.$/)
    expectAt('HF2103', use(`¦Thing('v', { path: 'x' }, { deletedWith: { $path: 'nowhere' } })`), /v refers to nowhere/)
    for (const option of ['deletedWith: { $path: NAME }', 'replaceWith: [{ $path: NAME }]']) {
      const e = failureOf(inApp(`Value('a', { input: 1 }, { ${option.replace('NAME', "'b'")} })\nValue('b', { input: 1 }, { ${option.replace('NAME', "'a'")} })`))
      expect([e.code, e.message, e.site?.file]).toEqual(['HF2101', 'a -> b -> a is a circle.', FILE])
    }
  })
  test('paths are options of nodes, not of components, HF1208', () => {
    for (const name of ['ignore', 'replaceOn']) {
      expectAt('HF1208', use(`const C = component('C', { build() {} }); ¦C('c', {}, { ${name}: ['mode'] })`), new RegExp(`^c: ${name} is an option of nodes: its paths lead into the inputs of one type\\.$`), { hint: /Options: protect/ })
    }
  })
  test('two builds that differ in replaceWhen are HF1105', () => {
    const e = failureOf(inApp(`globalThis.turn = (globalThis.turn ?? 0) + 1\nValue('v', { input: 1 }, { replaceWhen: globalThis.turn })`))
    expect([e.code, e.message]).toEqual(['HF1105', expect.stringContaining('v: options.replaceWhen differs')])
  })
  test('a secret that is not declared is HF1304', () => {
    expectAt('HF1304', use(`const s = secrets.¦nope`), /no secret "nope"\. It has: stripe/)
  })
  test('the element of each() does not leave its callback, and nothing is declared in it', () => {
    expectAt('HF1204', use(`let out; each(t.list, (e) => { out = e.host; return e.host }); ¦Thing('v', { path: out })`), /stands outside its callback/)
    expectAt('HF1101', use(`each(t.list, (e) => ¦Thing('v', { path: e.host }))`), /in the callback of each\(\)/)
  })
  test('one of another build is HF2103, a circle HF2101', () => {
    expectAt('HF2103', `const other = {}
buildGraph(app('other', { build() { other.v = Value('elsewhere', { input: 1 }) } }))
return app('shop', { build() {
  ¦Value('v', { input: other.v.output })
} })`, /^v refers to elsewhere, which is not declared/, { address: 'v' })
    expectAt('HF2101', inApp(`component('C', { build() {
  ¦Value('a', { input: 1 }, { dependsOn: [{ $path: 'c' }] })
} })('c')`), /c\/a -> c\/a is a circle/, { address: 'c/a' })
    expect(failureOf(inApp(`Value('a', { input: 1 }, { dependsOn: [{ $path: 'b' }] }); Value('b', { input: 1 }, { dependsOn: [{ $path: 'a' }] })`)).code).toBe('HF2101')
  })
})

describe('purity', () => {
  const impure = (body: string) => failureOf(`let n = 0\nreturn app('shop', { build() {\nn++\n${body}\n} })`)
  test('two builds that differ are HF1105, naming the first node and input', () => {
    expect(impure(`Value('same', { input: 1 }); Value('a', { input: { x: [1, n] } })`)).toMatchObject({ code: 'HF1105', address: 'a', message: expect.stringContaining('a: input.x.1 differs'), site: { file: FILE, line: 4 } })
    expect(impure(`const a = Value('a', { input: 1 }); Value('b', { input: str\`\${a.output} \${String(n)}\` })`).message).toContain('b: input differs')
    expect(impure(`Value('a' + n, { input: 1 })`).message).toContain('a1: was declared only by the first call')
    expect(impure(`Value('a', { input: 1 }); if (n > 1) Value('b', { input: 1 })`).message).toContain('b: was declared only by the second call')
    expect(impure(`for (const k of n > 1 ? ['a', 'b'] : ['b', 'a']) Value(k, { input: 1 })`).message).toContain('another place in the order')
    expect(impure(`Value('a', { input: 1 }, { tags: { n: String(n) } })`).message).toContain('a: options.tags.n differs')
    expect(impure(`const a = Value('a', { input: 1 }); Value('b', { input: 1 }, { dependsOn: n > 1 ? [a] : [] })`).message).toContain('b: dependsOn differs')
    expect(impure(`return { at: n }`).message).toContain('the output at differs')
    expect(impure(`if (n > 1) throw new Error('twice')`).message).toContain('the second call failed')
    expect(impure(`Value('a', { input: n > 1 ? {} : { b: 1 } })`).message).toContain('a: input.b differs')
  })
  test('a random value is found', () => {
    expect(impure(`Value('a', { input: Math.random() })`).code).toBe('HF1105')
  })
})
