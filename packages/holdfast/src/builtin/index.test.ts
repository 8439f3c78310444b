import { describe, expect, test } from 'vitest'
import { refsOf, type ExprNode } from '../model/index.ts'
import { app, buildGraph, type Node } from '../program/index.ts'
import { builtinTypes } from './index.ts'
import { Command, Directory, File } from './local/index.ts'
import { Password } from './random/index.ts'

const graphOf = (build: () => void) => buildGraph(app('a', { build: () => (build(), {}) }))
const input = (e: ExprNode, name: string): unknown => (e.k === 'lit' ? (e.v as Record<string, unknown>)[name] : e.k === 'obj' ? e.args[e.keys.indexOf(name)] : undefined)

describe('built-in types', () => {
  test('are all known to the engine, each with its recovery class and its claims', () => {
    const types = builtinTypes()
    expect(types.map((t) => t.type).sort()).toEqual([
      'holdfast:Value', 'holdfast:http/Request', 'holdfast:local/Command', 'holdfast:local/Directory', 'holdfast:local/File', 'holdfast:local/Process', 'holdfast:local/Symlink',
      'holdfast:random/Id', 'holdfast:random/Integer', 'holdfast:random/Password', 'holdfast:random/Pet', 'holdfast:random/Shuffle', 'holdfast:random/Uuid',
      'holdfast:tls/Certificate', 'holdfast:tls/CertificateAuthority', 'holdfast:tls/PrivateKey', 'holdfast:tls/SelfSignedCertificate',
    ])
    for (const t of types) {
      expect(t.capability?.create, t.type).not.toBe('none')
      expect(t.read, t.type).toBeTypeOf('function')
      expect(t.provider).toMatch(/^holdfast#/)
    }
  })

  test('data of a Directory is said as an option, and stands among the inputs', () => {
    const g = graphOf(() => {
      Directory('plain', { path: 'a' })
      Directory('data', { path: 'b' }, { data: true, protect: true })
    })
    expect(input(g.nodes.get('plain')!.inputs, 'data')).toBeUndefined()
    expect(input(g.nodes.get('data')!.inputs, 'data')).toBe(true)
    expect(g.nodes.get('data')!.options.protect).toBe(true)
    expect(g.nodes.get('data')!.site?.file).toContain('index.test.ts')
    expect(() => graphOf(() => Directory('d', { path: 'a' }, { date: true } as never))).toThrow(expect.objectContaining({ code: 'HF1208' }))
  })

  test('a Password is bound to a Directory by node or by path, as an option or among the inputs', () => {
    const bound = (declare: (data: Node<{ path: string }>) => void) => {
      const g = graphOf(() => declare(Directory('data', { path: 'b' }, { data: true }) as never))
      return g.nodes.get('p')!
    }
    for (const node of [
      bound((data) => Password('p', {}, { boundTo: data })),
      bound((data) => Password('p', {}, { boundTo: data.path })),
      bound((data) => Password('p', { boundTo: data })),
      bound((data) => Password('p', { length: 12, boundTo: data.path })),
    ]) {
      expect(input(node.inputs, 'boundTo')).toEqual({ k: 'ref', node: 'data', path: ['path'] })
      expect(node.deps).toEqual(['data'])
      expect(refsOf(node.inputs)).toHaveLength(1)
    }
    expect(input(bound(() => Password('p', undefined, { boundTo: '/srv/data' })).inputs, 'boundTo')).toBe('/srv/data')
    expect(bound(() => Password('p')).deps).toEqual([])
  })

  test('a file by path and content may stand in a command', () => {
    const g = graphOf(() => {
      const f = File('f', { path: 'a', content: '' })
      Command('c', { command: ['cat', f.file, f.path] })
    })
    expect(g.nodes.get('c')!.deps).toEqual(['f'])
  })
})
