import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { exitCodeOf, readOutputs, readStatus } from '../../src/engine/index.ts'
import { add, at, json, length, lower, replace, resource, str, upper } from '../../src/program/index.ts'
import { completeType } from '../../src/provider/index.ts'
import { MemoryStore } from '../../src/store/index.ts'
import { makeLab } from '../support/world.ts'

/** Defects of the original that stood in front of the backend: in expressions, order and execution. Those of the backend are cases of the exported suite. */
describe('expressions', () => {
  test('D26 two expressions from one output do not change each other, and each gives something', async () => {
    const lab = makeLab()
    await lab.apply(() => {
      const a = lab.Box('a', { name: 'aBc' })
      const [one, two, three] = [upper(a.name), replace(a.name, 'B', 'x'), lower(a.name)]
      return { one, two, three, plain: a.name, again: upper(a.name), rest: str`${one}-${two}` }
    })
    expect(await readOutputs(lab.cx, { reveal: false })).toEqual({ one: 'ABC', two: 'axc', three: 'abc', plain: 'aBc', again: 'ABC', rest: 'ABC-axc' })
  })
  test('D27 a function works on the kind of value that it is for, with all of its arguments', async () => {
    const lab = makeLab()
    await lab.apply(() => {
      const v = lab.Value('v', { input: { list: ['a', 'b'], n: 3, s: 'x.y.x' } })
      const output = v.output as any
      return { second: at(output.list, 1), size: length(output.list), sum: add(output.n, 4), all: replace(output.s, 'x', 'z'), text: json({ n: output.n }) }
    })
    expect(await readOutputs(lab.cx, { reveal: false })).toEqual({ second: 'b', size: 2, sum: 7, all: 'z.y.z', text: '{"n":3}' })
  })
  test('D28 an output that stands deep in a list orders and is resolved like any other', async () => {
    const lab = makeLab()
    const doc = await lab.apply(() => {
      const v = lab.Value('v', { input: [[{ of: lab.Box('a', { name: 'a', size: 7 }).size }]] })
      return { v: v.output }
    })
    expect(doc).toMatchObject({ outcome: 'applied', outputs: { v: [[{ of: 7 }]] } })
    expect(doc.tasks.map((t) => t.address)).toEqual(['a', 'v'])
  })
  test('D17 what another component made is read from that component', async () => {
    const lab = makeLab()
    const { component } = await import('../../src/program/index.ts')
    const Part = component('part', { inputs: z.object({ size: z.number() }), build: ({ inputs }: any) => ({ size: lab.Box('box', { name: str`box-${inputs.size}`, size: inputs.size }).size }) } as never) as any
    const doc = await lab.apply(() => {
      const one = Part('one', { size: 1 })
      const two = Part('two', { size: add(one.size, 1) })
      return { one: one.size, two: two.size }
    })
    expect(doc).toMatchObject({ outcome: 'applied', outputs: { one: 1, two: 2 } })
  })
})

describe('types', () => {
  test('D33 a type belongs to one definition: a second one is refused, and does not win', () => {
    const declare = (s: z.ZodObject) => resource({ type: 'test:Once', inputs: s, outputs: z.object({}), create: async () => ({}), delete: async () => undefined })
    declare(z.object({ a: z.string() }))
    expect(() => declare(z.object({ a: z.number() }))).toThrow(expect.objectContaining({ code: 'HF1108' }))
  })
  test('D36 every input counts: whichever is changed, the plan shows it', async () => {
    const base = { name: 'a', size: 1, secret: 's', zone: 'a', fail: false }
    for (const [key, value] of Object.entries({ name: 'b', size: 2, secret: 't', zone: 'b', fail: true })) {
      const lab = makeLab()
      await lab.apply(() => void lab.Box('box', base))
      expect((await lab.plan(() => void lab.Box('box', { ...base, [key]: value }))).document.changes, key).toMatchObject([{ address: 'box', paths: expect.arrayContaining([expect.objectContaining({ path: key })]) }])
      expect((await lab.plan(() => void lab.Box('box', base))).empty).toBe(true)
    }
  })
})

describe('order and execution', () => {
  test('B8.7#120 each of six nodes is made once, after those that it reads', async () => {
    const lab = makeLab()
    const doc = await lab.apply(() => {
      const [a, b] = [lab.Box('a', { name: 'a' }), lab.Box('b', { name: 'b' })]
      const c = lab.Box('c', { name: str`c-${a.name}-${b.name}` })
      const d = lab.Box('d', { name: str`d-${c.name}` })
      const e = lab.Box('e', { name: str`e-${c.name}` })
      lab.Box('f', { name: str`f-${d.size}-${e.size}` })
    })
    expect(doc.outcome).toBe('applied')
    const order = lab.cloud.calls.map((c) => c.split(' ')[1]?.[0])
    expect([...order].sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
    const before = (x: string, y: string) => expect(order.indexOf(x), `${x} before ${y}`).toBeLessThan(order.indexOf(y))
    for (const [x, y] of ['ac', 'bc', 'cd', 'ce', 'df', 'ef']) before(x as string, y as string)
  })

  test('D18 B8.7#121 a consumer moves off a producer before that is deleted', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('consumer', { name: 'c', size: lab.Box('producer', { name: 'p', size: 4 }).size }))
    lab.cloud.calls.length = 0
    expect(await lab.apply(() => void lab.Box('consumer', { name: 'c', size: 5 }))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.calls).toEqual(['update c', 'delete p'])
  })

  test('D19 B8.7#122 what refers is deleted before what is referred to', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('consumer', { name: str`c-${lab.Box('producer', { name: 'p' }).size}` }))
    lab.cloud.calls.length = 0
    await lab.destroy()
    expect(lab.cloud.calls).toEqual(['delete c-1', 'delete p'])
  })

  test('D38 B8.7#126 B8.7#127 a node that fails leaves its siblings alone, names what waited for it, and the run does not end well', async () => {
    const lab = makeLab()
    const doc = await lab.apply(() => {
      const bad = lab.Box('bad', { name: 'bad', fail: true })
      lab.Box('child', { name: str`child-${bad.size}` })
      lab.Box('sibling', { name: 'sibling' })
    }, { onFailure: 'keep' })
    expect(doc).toMatchObject({ outcome: 'kept', error: { code: 'HF3101', address: 'bad' } })
    expect(exitCodeOf(doc)).not.toBe(0)
    expect(lab.cloud.content).toEqual(['sibling=1'])
    expect(doc.tasks.find((t) => t.address === 'bad')?.outcome).not.toBe('success')
    expect(lab.cloud.calls.some((c) => c.startsWith('create child'))).toBe(false)
  })

  test('D10 what goes wrong before a provider is called leaves no open transaction', async () => {
    const lab = makeLab()
    const doc = await lab.apply(() => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('box', { name: 'b', size: at(json([a.id]) as never, 0) as never }) // what it is shows only when a is made
    })
    expect([doc.outcome, doc.error?.address]).toEqual(['reverted', 'box'])
    expect(await readStatus(lab.cx)).toMatchObject({ open: [], openRun: null })
    expect(lab.cloud.content).toEqual([])
  })

  test('D11 D1 D23 S000-89 what a provider has made is not lost when the store fails then, and is not made twice', async () => {
    for (const fate of ['before', 'after'] as const) {
      let lab = makeLab()
      let armed = false
      const store: MemoryStore = new MemoryStore({ clock: lab.cx.clock, random: lab.cx.random, isDead: () => true, faults: { [fate]: async () => { if (armed) store.crash() } } })
      lab = makeLab({ store, more: {} })
      const { create } = lab.Box.spec as any
      const Crashing = { ...lab.Box.spec, type: lab.Box.type, create: async (a: any) => {
        const made = await create(a)
        armed = true
        return made
      } }
      lab.cx.types.add(completeType(Crashing as never, 'program#Crashing'))
      void lab.apply(() => void lab.Box('box', { name: 'a', size: 3 })) // its process dies
      await new Promise((next) => setTimeout(next, 50))
      const next = makeLab({ store: new MemoryStore({ clock: lab.cx.clock, random: lab.cx.random, tables: store.tables, isDead: () => true }), cloud: lab.cloud, Box: lab.Box })
      expect(await next.apply(() => ({ id: next.Box('box', { name: 'a', size: 3 }).id })), fate).toMatchObject({ outcome: 'applied', outputs: { id: 'o1' } })
      expect(next.cloud.content, fate).toEqual(['a=3'])
    }
  })
})

test('every defect of the original has a test that names it', () => {
  const folders = ['../../src/testing/backend', '../../src/backend', '.'].map((f) => fileURLToPath(new URL(f, import.meta.url)))
  const names = folders.flatMap((folder) => readdirSync(folder).filter((f) => f.endsWith('.ts')).map((f) => readFileSync(join(folder, f), 'utf8'))).join('\n').match(/test\('[^']*'/g)?.join('\n') ?? ''
  const missing = Array.from({ length: 42 }, (_, i) => `D${i + 1}`).filter((d) => !new RegExp(`\\b${d}\\b`).test(names))
  expect(missing).toEqual([])
})
