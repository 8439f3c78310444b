import { build } from 'esbuild'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { evaluate, masked, SecretValue, UnknownValue, type Scope, type Value as ModelValue } from '../model/index.ts'
import { Value } from '../builtin/value/index.ts'
import {
  add, and, app, asset, at, base64, buildGraph, coalesce, concat, duration, each, eq, get, hmac, join, json, keys, length, lower, max, merge, min, mul, not, or, replace, sha256,
  split, str, sub, trim, unbase64, upper, url, values, when, yaml,
} from './index.ts'

const outputs = { name: 'Ada', n: 3, list: [{ host: 'a', ports: [1, 2] }, { host: 'b', ports: [3] }], labels: { z: '1', a: '2' }, none: null, yes: true }
type Given = { name: string; n: number; list: { host: string; ports: number[] }[]; labels: Record<string, string>; none: string | null; yes: boolean }

const scope: Scope = {
  output: (node) => (node === 'unknown' ? new UnknownValue('unknown') : { output: outputs }),
  secret: (name) => new SecretValue(`fp-${name}`, () => `secret of ${name}`),
  asset: (path) => ({ path, digest: `digest of ${path}` }),
  hide: (v) => v,
}
const evaluated = (make: (v: import('./index.ts').Ref<Given>, secret: import('./index.ts').Expr<string>) => unknown): unknown => {
  const g = buildGraph(app('a', {
    secrets: ['key'],
    build({ secrets }) {
      const v = Value('v', { input: outputs as Given })
      return { out: make(v.output, secrets.key) }
    },
  }))
  return (evaluate(g.outputs, scope) as { out: ModelValue }).out
}

describe('what an author writes, computed', () => {
  test('every function gives what its name says', () => {
    expect(evaluated((v) => [str`hi ${v.name} ${1}${v.n}!`, lower(v.name), upper(v.name), trim(str` ${v.name} `), replace(v.name, 'd', 'dd'), concat('x', v.name), join(['a', v.name], '-'), length(v.name)]))
      .toEqual(['hi Ada 13!', 'ada', 'ADA', 'Ada', 'Adda', 'xAda', 'a-Ada', 3])
    expect(evaluated((v) => [json({ a: v.n }), yaml({ a: v.n }), base64(v.name), unbase64(base64(v.name)), sha256(v.name), hmac('k', v.name)])).toEqual([
      '{"a":3}', 'a: 3\n', 'QWRh', 'Ada', '99a563ab2f6e21e96998f9fddd2a2bab82b70ac019579502b8d7fc0032ff62bb', 'a7cf9c43134de04e7c63cfe6662a245cc7fda5003ce0250678c85b711ca4f17c',
    ])
    expect(evaluated((v) => [add(v.n, 1, 2), sub(v.n, 1), mul(v.n, 2), min(v.n, 1), max([v.n, 9]), eq(v.n, 3), not(v.yes), and(v.yes, false), or(v.yes, false), duration('2m')])).toEqual([6, 2, 6, 1, 9, true, false, false, true, 120_000])
    expect(evaluated((v) => [when(v.yes, 'a', v.name), when(not(v.yes), 'a', v.name), coalesce(v.none, 'd'), coalesce(v.name, 'd'), get(v.labels, 'a'), get(v.labels, 'x', 'd'), get(v.labels, 'x')])).toEqual(['a', 'Ada', 'd', 'Ada', '2', 'd', null])
    expect(evaluated((v) => [keys(v.labels), values(v.labels), merge(v.labels, { b: v.name }), concat([0], v.list.at(0).ports), split('a,b', ','), split('a,b', ',').at(1), at(v.list, 1)])).toEqual([
      ['a', 'z'], ['2', '1'], { z: '1', a: '2', b: 'Ada' }, [0, 1, 2], ['a', 'b'], 'b', outputs.list[1],
    ])
    expect(evaluated((v) => url({ protocol: 'postgres', username: v.name, password: 'p/w', host: 'h', port: v.n, path: 'db' }))).toBe('postgres://Ada:p%2Fw@h:3/db')
  })
  test('each() maps, nested, and its result can be asked', () => {
    expect(evaluated((v) => each(v.list, (e) => str`http://${e.host}:${e.ports.at(0)}/`))).toEqual(['http://a:1/', 'http://b:3/'])
    expect(evaluated((v) => each(v.list, (e) => each(e.ports, (p) => ({ at: str`${e.host}:${p}`, of: v.name }))))).toEqual([[{ at: 'a:1', of: 'Ada' }, { at: 'a:2', of: 'Ada' }], [{ at: 'b:3', of: 'Ada' }]])
    expect(evaluated((v) => each(v.list, (e) => ({ h: e.host })).at(1).h)).toBe('b')
    expect(evaluated((v) => v.list.at(-1).host)).toBe('b')
  })
  test('secrets and unknowns spread; an asset is path and digest', () => {
    const secret = evaluated((v, key) => str`${v.name}:${key}`) as SecretValue
    expect(masked(secret)).toEqual({ secret: true })
    expect(SecretValue.reveal(secret)).toBe('Ada:secret of key')
    expect(evaluated(() => asset('./x'))).toEqual({ path: './x', digest: 'digest of ./x' })
    expect(evaluated(() => get(asset('./x') as never, 'digest'))).toBe('digest of ./x')
  })
  test('a reference shows itself as a person would write it', () => {
    let shown = ''
    buildGraph(app('a', { build() { shown = inspect({ r: Value('v', { input: outputs }).output.list.at(0).host, s: str`a ${Value('w', { input: 1 }).output}` }) } }), { checkPurity: false })
    expect(shown).toBe('{ r: <v.output.list.0.host>, s: <a ${w.output}> }')
  })
})

test('two copies of the package share scope, types and references', async () => {
  const folder = await mkdtemp(joinPath(tmpdir(), 'holdfast-copy-'))
  try {
    await writeFile(joinPath(folder, 'entry.ts'), `export * from ${JSON.stringify(new URL('./index.ts', import.meta.url).pathname)}`)
    const result = await build({ entryPoints: [joinPath(folder, 'entry.ts')], bundle: true, platform: 'node', format: 'esm', write: false, external: ['zod'] })
    await writeFile(joinPath(folder, 'copy.mjs'), result.outputFiles[0]!.text)
    const other = (await import(/* @vite-ignore */ joinPath(folder, 'copy.mjs'))) as typeof import('./index.ts')
    const g = buildGraph(other.app('a', { build() { const v = Value('v', { input: 1 }); return { out: other.str`x ${v.output as never}`, two: str`y ${other.json({ a: v.output })}` } } }))
    expect(g.outputs).toMatchObject({ args: [{ k: 'str', args: [{ k: 'ref', node: 'v' }] }, { k: 'str', args: [{ k: 'call', fn: 'json' }] }] })
    expect(other.declaredTypes().map((t) => t.type)).toContain('holdfast:Value')
    expect(other.isNode(g.nodes)).toBe(false)
  } finally {
    await rm(folder, { recursive: true })
  }
})
