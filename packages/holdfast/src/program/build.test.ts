import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { noOptions, refsOf, showExpr, type ExprNode } from '../model/index.ts'
import { Value } from '../builtin/value/index.ts'
import { app, asset, buildGraph, component, declaredTypes, each, json, lookup, mapSite, merge, resource, sensitive, setSiteMapper, str, when } from './index.ts'

const File = resource({
  type: 'test:File',
  inputs: z.object({ path: z.string(), content: z.string().optional(), source: z.union([z.string(), z.object({ path: z.string(), digest: z.string() })]).optional(), bound: z.looseObject({ path: z.string() }).optional() }),
  outputs: z.object({ path: z.string(), file: z.object({ path: z.string(), digest: z.string() }) }),
  create: async ({ inputs }) => ({ path: inputs.path, file: { path: inputs.path, digest: '' } }),
  find: async () => undefined,
  delete: async () => {},
})
const Hosts = resource({ type: 'test:Hosts', inputs: z.object({}), outputs: z.object({ list: z.array(z.object({ name: z.string(), ports: z.array(z.number()) })), up: z.boolean() }), create: async () => ({ list: [], up: true }), delete: async () => {} })

const inputOf = (e: ExprNode, name: string): string => {
  if (e.k === 'obj') return showExpr(e.args[e.keys.indexOf(name)] as ExprNode)
  return JSON.stringify((e as { v: Record<string, unknown> }).v[name])
}

describe('buildGraph', () => {
  test('nothing runs until it is called, and inputs become data', () => {
    let runs = 0
    const a = app('hello', {
      build() {
        runs++
        const one = File('one', { path: 'x', content: 'y' })
        const two = File('two', { path: one.path, content: str`a ${one.file.digest} b` }, { protect: true, timeout: '5m', tags: { k: 'v' } })
        return { path: two.path, one, plain: [1, { a: undefined, b: null }] }
      },
    })
    expect(runs).toBe(0)
    const g = buildGraph(a)
    expect(runs).toBe(2)
    expect({ app: g.app, env: g.env, secrets: g.secrets, order: [...g.nodes.keys()] }).toEqual({ app: 'hello', env: 'default', secrets: [], order: ['one', 'two'] })
    expect(g.nodes.get('one')).toEqual({ address: 'one', type: 'test:File', action: 'manage', inputs: { k: 'lit', v: { path: 'x', content: 'y' } }, deps: [], options: noOptions, site: expect.objectContaining({ file: expect.stringContaining('build.test.ts') }) })
    expect(g.nodes.get('two')).toMatchObject({
      inputs: { k: 'obj', keys: ['path', 'content'], args: [{ k: 'ref', node: 'one', path: ['path'] }, { k: 'str', parts: ['a ', ' b'], args: [{ k: 'ref', node: 'one', path: ['file', 'digest'] }] }] },
      deps: ['one'], options: { protect: true, retain: false, timeoutMs: 300_000, tags: { k: 'v' } },
    })
    expect(g.outputs).toEqual({ k: 'obj', keys: ['path', 'one', 'plain'], args: [{ k: 'ref', node: 'two', path: ['path'] }, { k: 'ref', node: 'one', path: [] }, { k: 'lit', v: [1, { b: null }] }] })
  })

  test('what the author changes after the call changes nothing', () => {
    const g = buildGraph(app('a', { build() { const input = { list: [1] }; Value('v', { input }); input.list.push(2); return {} } }))
    expect(g.nodes.get('v')?.inputs).toEqual({ k: 'lit', v: { input: { list: [1] } } })
  })

  test('bytes, dates and __proto__ keys stay what they are', () => {
    const g = buildGraph(app('a', { build() { Value('v', { input: { b: new Uint8Array([1]), d: new Date(0), o: JSON.parse('{"__proto__": 1}') } }) } }))
    const input = (g.nodes.get('v')!.inputs as unknown as { v: { input: Record<string, unknown> } }).v.input
    expect(input).toMatchObject({ b: new Uint8Array([1]), d: new Date(0) })
    expect(JSON.stringify(input.o)).toBe('{"__proto__":1}')
  })

  test('an environment gives configuration; --set is stronger; defaults are filled in', () => {
    const a = app('a', {
      config: z.object({ dir: z.string(), n: z.number().default(1) }), environments: { dev: { dir: 'd' }, prod: { dir: 'p', n: 3 } },
      build({ config, env }) { Value('v', { input: { ...config, env } }) },
    })
    const input = (request: Parameters<typeof buildGraph>[1]) => (buildGraph(a, request).nodes.get('v')!.inputs as unknown as { v: { input: unknown } }).v.input
    expect(input({ env: 'dev' })).toEqual({ dir: 'd', n: 1, env: 'dev' })
    expect(input({ env: 'prod', config: { n: 9 } })).toEqual({ dir: 'p', n: 9, env: 'prod' })
    expect(() => buildGraph(a)).toThrow(expect.objectContaining({ code: 'HF1303', message: 'a has several environments: dev, prod.' }))
    expect(() => buildGraph(a, { env: 'qa' })).toThrow(expect.objectContaining({ code: 'HF1302', message: expect.stringContaining('dev, prod') }))
    expect(() => buildGraph(a, { env: 'dev', config: { n: 'x' } })).toThrow(expect.objectContaining({ code: 'HF1301', message: expect.stringMatching(/^n: /) }))
    expect(() => buildGraph(a, { env: 'dev', config: { m: 1 } })).toThrow(expect.objectContaining({ code: 'HF1301', message: expect.stringContaining('no such value'), hint: 'Values: dir, n?.' }))
    expect(() => buildGraph(app('b', { build() {} }), { env: 'dev' })).toThrow(expect.objectContaining({ code: 'HF1302' }))
    expect(() => buildGraph(app('b', { build() {} }), { config: { x: 1 } })).toThrow(expect.objectContaining({ code: 'HF1301' }))
  })

  test('secrets are expressions by name', () => {
    const g = buildGraph(app('a', { secrets: ['key', 'key', 'b'], build({ secrets }) { File('f', { path: 'x', content: secrets.key }) } }))
    expect(g.secrets).toEqual(['key', 'b'])
    expect(inputOf(g.nodes.get('f')!.inputs, 'content')).toBe('secrets.key')
  })

  test('an asset stands where a path may, with its place', () => {
    const g = buildGraph(app('a', { build() { File('f', { path: 'x', source: asset('./y', { ignore: ['*.log'] }) }) } }))
    expect(g.nodes.get('f')?.inputs).toMatchObject({ k: 'obj', args: [{ k: 'lit', v: 'x' }, { k: 'asset', path: './y', ignore: ['*.log'], at: { line: expect.any(Number) } }] })
  })

  test('a whole node stands where its outputs are wanted', () => {
    const g = buildGraph(app('a', { build() { const f = File('f', { path: 'x' }); File('g', { path: 'y', bound: f }) } }))
    expect(g.nodes.get('g')).toMatchObject({ deps: ['f'], inputs: { args: [{ k: 'lit' }, { k: 'ref', node: 'f', path: [] }] } })
  })

  test('a node has no place in the second build, and its place goes through the mapper when it is shown', () => {
    const g = buildGraph(app('a', { build() { Value('v', { input: 1 }) } }), { checkPurity: false })
    const site = g.nodes.get('v')!.site!
    setSiteMapper((s) => ({ ...s, line: s.line + 1000 }))
    try {
      const shown = mapSite(site)
      expect(shown.line).toBe(site.line + 1000)
      expect(mapSite(shown)).toBe(shown)
    } finally {
      setSiteMapper(undefined)
    }
  })

  test('settings of the stack trace are as before', () => {
    const before = [Error.prepareStackTrace, Error.stackTraceLimit]
    buildGraph(app('a', { build() { Value('v', { input: 1 }) } }))
    expect([Error.prepareStackTrace, Error.stackTraceLimit]).toEqual(before)
  })
})

describe('each', () => {
  test('over a plain list it maps', () => {
    expect(each(['a', 'b'], (x, i) => x + i)).toEqual(['a0', 'b1'])
  })
  test('over a reference the callback runs once and stays data, also nested', () => {
    let runs = 0
    const g = buildGraph(app('a', {
      build() {
        const h = Hosts('h')
        const urls = each(h.list, (e) => {
          runs++
          return { all: each(e.ports, (p) => str`${e.name}:${p}`), name: e.name }
        })
        return { urls, first: urls.at(0).name }
      },
    }), { checkPurity: false })
    expect(runs).toBe(1)
    const [urls, first] = (g.outputs as ExprNode & { k: 'obj' }).args
    expect(showExpr(urls!)).toBe('each(h.list, (e0) => { all: each(e0.ports, (e1) => ${e0.name}:${e1}), name: e0.name })')
    expect([...refsOf(g.outputs)]).toEqual(['h'])
    expect(showExpr(first!)).toContain('get(at(each(')
  })
})

describe('component', () => {
  const Api = component('Api', {
    settings: z.object({ names: z.array(z.string()), n: z.number().default(2) }),
    inputs: z.object({ host: z.string(), port: z.number().default(80), db: z.object({ url: z.string() }).optional() }),
    build({ settings, inputs, env }) {
      for (const name of settings.names) File(name, { path: name, content: str`${inputs.host}:${inputs.port} ${settings.n} ${env}` })
      const inner = component('Inner', { build: () => ({ v: Value('v', { input: inputs.db?.url ?? 'none' }) }) })('inner')
      return { inner, url: str`${inputs.host}` }
    },
  })
  test('declares under its own name, and gives its result with $path', () => {
    const g = buildGraph(app('a', {
      build() {
        const f = File('f', { path: 'x' })
        const api = Api('api', { names: ['one', 'two'], host: f.path, db: { url: f.path } })
        const db = Value('db', { input: { url: 'u' } })
        const other = Api('other', { names: [], host: 'plain', db: db.output })
        expect(Object.getPrototypeOf(api)).toBe(null)
        return { path: api.$path, all: api, inner: other.inner.$path }
      },
    }))
    expect([...g.nodes.keys()]).toEqual(['f', 'api/one', 'api/two', 'api/inner/v', 'db', 'other/inner/v'])
    expect([...g.components]).toEqual([['api', 'Api'], ['api/inner', 'Inner'], ['other', 'Api'], ['other/inner', 'Inner']])
    expect(inputOf(g.nodes.get('api/one')!.inputs, 'content')).toBe('${f.path}:80 2 default')
    expect(g.nodes.get('api/one')!.deps).toEqual(['f'])
    expect(inputOf(g.nodes.get('other/inner/v')!.inputs, 'input')).toBe('db.output.url')
    expect(g.outputs).toMatchObject({ k: 'obj', keys: ['path', 'all', 'inner'], args: [{ v: 'api' }, { k: 'obj', keys: ['inner', 'url'] }, { v: 'other/inner' }] })
  })
  test('in dependsOn it stands for every node under it; its options hold for all of them', () => {
    const C = component('C', { build() { const a = Value('a', { input: 1 }); component('D', { build() { Value('b', { input: a.output }, { tags: { y: '2' }, protect: false }) } })('d') } })
    const g = buildGraph(app('a', {
      build() {
        const f = Value('f', { input: 1 })
        const c = C('c', {}, { dependsOn: [f], protect: true, tags: { x: '1' }, movedFrom: ['old/c'] })
        Value('last', { input: 1 }, { dependsOn: [c, f], movedFrom: ['first', 'zero'] })
      },
    }))
    expect(g.nodes.get('last')).toMatchObject({ deps: ['c/a', 'c/d/b', 'f'], options: { movedFrom: ['first', 'zero'] } })
    expect(g.nodes.get('c/a')).toMatchObject({ deps: ['f'], options: { protect: true, tags: { x: '1' }, movedFrom: ['old/c/a'] } })
    expect(g.nodes.get('c/d/b')).toMatchObject({ deps: ['c/a', 'f'], options: { protect: false, tags: { x: '1', y: '2' }, movedFrom: ['old/c/d/b'] } })
  })
})

describe('lookup', () => {
  test('is a node of action read, named by type and inputs; the same look-up is one node', () => {
    const g = buildGraph(app('a', {
      build() {
        const v = Value('v', { input: 'x' })
        const one = lookup(File, { path: when(v.output as never, 'a', 'b') })
        const two = lookup(File, { path: when(v.output as never, 'a', 'b') })
        const three = lookup(File, {}, { name: 'three', dependsOn: [v], retries: 1 })
        return { one: one.path, two: two.path, three: three.path }
      },
    }))
    const [, one, three] = [...g.nodes.values()]
    expect(one).toMatchObject({ action: 'read', type: 'test:File', deps: ['v'], address: expect.stringMatching(/^~File-[0-9a-f]{10}$/) })
    expect(three).toMatchObject({ address: 'three', action: 'read', deps: ['v'], options: { retries: 1 } })
    expect(g.nodes.size).toBe(3)
    expect(() => buildGraph(app('a', { build() { lookup(File, {}, { protect: true } as never) } }))).toThrow(expect.objectContaining({ code: 'HF1208' }))
    expect(() => buildGraph(app('a', { build() { lookup(File, { pth: 1 } as never) } }))).toThrow(expect.objectContaining({ code: 'HF1206' }))
  })
})

describe('types', () => {
  test('every declared type is known, with its defaults', () => {
    expect(declaredTypes().find((t) => t.type === 'test:File')).toMatchObject({ provider: 'program#test:File', version: 1, limit: 10 })
    expect(declaredTypes().find((t) => t.type === 'holdfast:Value')).toMatchObject({ provider: 'holdfast#Value', replaceOn: ['triggers'], limit: 64 })
    expect(File.type).toBe('test:File')
    expect(File.spec.inputs.shape.path).toBeDefined()
  })
  test('sensitive() keeps the schema and what is said about it', () => {
    const s = sensitive(z.string().meta({ title: 'T' }).min(3))
    expect(s.meta()).toEqual({ title: 'T', sensitive: true })
    expect(s.safeParse('ab').success).toBe(false)
  })
  test('functions keep plain arguments as data', () => {
    const g = buildGraph(app('a', { build: () => ({ a: str`x ${1}`, b: json({ a: 1 }), c: merge({ a: 1 }, { b: 2 }) }) }))
    expect((g.outputs as ExprNode & { k: 'obj' }).args.map(showExpr)).toEqual(['"x 1"', 'json({"a":1})', 'merge({"a":1}, {"b":2})'])
  })
})
