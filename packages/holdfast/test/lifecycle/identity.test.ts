import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { listResources, makePlan } from '../../src/engine/index.ts'
import { buildGraph, component, resource, str } from '../../src/program/index.ts'
import { boxSpec, makeLab, type Lab } from '../support/world.ts'

/** Identity: spec/engine.md 3.10. A resource is its uid; the address is a name, and `movedFrom` says what it was. */
const writes = (lab: Lab) => lab.cloud.calls.splice(0).filter((c) => !c.startsWith('read'))
const identities = async (lab: Lab) => (await listResources(lab.cx)).map((r) => `${r.address} ${r.uid}`)
const actions = async (lab: Lab, build: () => unknown) => (await lab.plan(build)).document.changes.map((c) => `${c.action} ${c.address}`)
const moved = (lab: Lab, name: string, movedFrom?: readonly string[], more: object = {}) => () => void lab.Box(name, { name: 'x', ...more }, movedFrom ? { movedFrom } : {})

test('E3#96 renamed, with several names, in any order, back, and with the old name taken out: the same object, and no call', async () => {
  const lab = makeLab()
  await lab.apply(moved(lab, 'a'))
  const uid = (await listResources(lab.cx))[0]?.uid
  writes(lab)
  const steps: [string, string[] | undefined][] = [
    ['b', ['a']], ['b', undefined], ['c', ['zzz', 'b', 'a']], ['d', ['a', 'c', 'b']], ['a', ['d', 'b']], ['a', undefined], ['b', ['a']], ['a', ['b']],
  ]
  for (const [name, from] of steps) {
    const before = (await listResources(lab.cx))[0]?.address
    expect(await actions(lab, moved(lab, name, from)), `${name} from ${from}`).toEqual(before === name ? [] : [`move ${name}`])
    await lab.apply(moved(lab, name, from))
    expect(await identities(lab)).toEqual([`${name} ${uid}`])
  }
  expect(writes(lab)).toEqual([])
  // A type is not a name: another type is another object.
  const Other = resource(boxSpec(lab.cloud, { type: `${lab.Box.type}Other` }))
  lab.cx.types.add({ ...Other.spec, version: 1, provider: 'program#Other', timeoutMs: 60_000, limit: 10 } as never)
  await expect(lab.plan(() => void Other('b', { name: 'x' }, { movedFrom: ['a'] }))).rejects.toMatchObject({ code: 'HF2102', message: expect.stringContaining('and this is a') })
  expect((await lab.plan(() => void Other('a', { name: 'x' }))).document.changes).toMatchObject([{ action: 'replace', reasons: [expect.stringContaining('the type was'), expect.anything()] }])
})

test('E3#97 renamed and changed is an update, renamed and to be made anew is a replacement in either order: never a deletion beside a creation', async () => {
  for (const deleteFirst of [false, true]) {
    const lab = makeLab({ more: { deleteFirst, claims: () => [] } })
    await lab.apply(moved(lab, 'a'))
    writes(lab)
    expect((await lab.plan(moved(lab, 'b', ['a'], { size: 2 }))).document.changes).toMatchObject([{ address: 'b', action: 'update', reasons: ['moved from a'] }])
    await lab.apply(moved(lab, 'b', ['a'], { size: 2 }))
    expect(writes(lab)).toEqual(['update x'])
    const anew = () => void lab.Box('c', { name: 'y', size: 2, zone: 'z' }, { movedFrom: ['b'] })
    expect((await lab.plan(anew)).document.changes).toMatchObject([{ address: 'c', action: 'replace', replace: deleteFirst ? 'delete-first' : 'create-first' }])
    expect(await lab.apply(anew)).toMatchObject({ outcome: 'applied', pending: [] })
    expect(writes(lab)).toEqual(deleteFirst ? ['delete x', 'create y'] : ['create y', 'delete x'])
    expect((await listResources(lab.cx)).map((r) => r.address)).toEqual(['c'])
  }
})

// Aliases of peers name a type, too. An address has one node, whatever its type, so two nodes cannot have been the same one.
test('E3#98 two nodes that say they were the same one are refused, and so is one that still is what it says it was', async () => {
  const lab = makeLab()
  await lab.apply(() => {
    lab.Box('a', { name: 'a' })
    lab.Box('b', { name: 'b' })
  })
  writes(lab)
  const both = () => {
    lab.Box('x', { name: 'a' }, { movedFrom: ['a'] })
    lab.Box('y', { name: 'b' }, { movedFrom: ['a', 'b'] })
  }
  await expect(lab.plan(both)).rejects.toMatchObject({ code: 'HF2102' })
  await expect(lab.plan(() => {
    lab.Box('a', { name: 'a' })
    lab.Box('x', { name: 'x' }, { movedFrom: ['a'] })
  })).rejects.toMatchObject({ code: 'HF2102' })
  const crossed = () => {
    lab.Box('x', { name: 'a' }, { movedFrom: ['a'] })
    lab.Box('y', { name: 'b' }, { movedFrom: ['b'] })
  }
  expect(await actions(lab, crossed)).toEqual(['move x', 'move y'])
  await lab.apply(crossed)
  expect(writes(lab)).toEqual([])
})

describe('components', () => {
  const nested = (lab: Lab) => {
    const Inner = component('Inner', { inputs: z.object({}), build: () => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('b', { name: str`${a.name}-b` })
      return {}
    } })
    const Outer = component('Outer', { inputs: z.object({}), build: () => {
      Inner('in', {})
      lab.Box('own', { name: 'own' })
      return {}
    } })
    return { Inner, Outer }
  }

  test('E3#99 the former name of a component holds for all that is in it, at any depth; into a component and out of it are moves, too', async () => {
    const lab = makeLab()
    const { Inner, Outer } = nested(lab)
    await lab.apply(() => void Outer('old', {}))
    const uids = new Map((await listResources(lab.cx)).map((r) => [r.address.replace('old/', ''), r.uid]))
    writes(lab)
    expect((await actions(lab, () => void Outer('new', {}, { movedFrom: ['old'] }))).sort()).toEqual(['move new/in/a', 'move new/in/b', 'move new/own'])
    await lab.apply(() => void Outer('new', {}, { movedFrom: ['old'] }))
    for (const r of await listResources(lab.cx)) expect(r.uid).toBe(uids.get(r.address.replace('new/', '')))
    // Out of it, and in again.
    const out = () => {
      Inner('in', {}, { movedFrom: ['new/in'] })
      lab.Box('own', { name: 'own' }, { movedFrom: ['new/own'] })
    }
    await lab.apply(out)
    expect((await listResources(lab.cx)).map((r) => r.address)).toEqual(['in/a', 'in/b', 'own'])
    const Wrap = component('Wrap', { inputs: z.object({}), build: () => {
      Inner('in', {}, { movedFrom: ['in'] })
      lab.Box('own', { name: 'own' }, { movedFrom: ['own'] })
      return {}
    } })
    await lab.apply(() => void Wrap('w', {}))
    for (const r of await listResources(lab.cx)) expect(r.uid).toBe(uids.get(r.address.replace('w/', '')))
    expect(writes(lab)).toEqual([])
    expect((await lab.plan(() => void Wrap('w', {}))).empty).toBe(true)
  })

  test('E3#100 names of nested components add up and do not multiply', () => {
    const lab = makeLab()
    const names = (prefix: string) => Array.from({ length: 200 }, (_, i) => `${prefix}${i}`)
    const Third = component('Third', { inputs: z.object({}), build: () => {
      lab.Box('box', { name: 'box' }, { movedFrom: names('box') })
      return {}
    } })
    const Second = component('Second', { inputs: z.object({}), build: () => {
      Third('three', {}, { movedFrom: names('three') })
      return {}
    } })
    const graph = buildGraph(lab.app(() => void Second('two', {}, { movedFrom: names('two') })), {})
    const from = graph.nodes.get('two/three/box')?.options.movedFrom ?? []
    expect(from.length).toBe(600)
    expect(from.at(-1)).toBe('two199/three/box')
    expect(from).toContain('three0/box')
  })

  // Components are no records: only what is in them is.
  test('E3#102 a component that becomes a resource and back leaves one set of records each time, and no object of the other', async () => {
    const lab = makeLab()
    const { Inner } = nested(lab)
    const asComponent = () => void Inner('it', {})
    const asResource = () => void lab.Box('it', { name: 'it' })
    for (let i = 0; i < 2; i++) {
      expect(await lab.apply(asComponent)).toMatchObject({ outcome: 'applied', pending: [] })
      expect([(await listResources(lab.cx)).map((r) => r.address), lab.cloud.content]).toEqual([['it/a', 'it/b'], ['a-b=1', 'a=1']])
      expect(await lab.apply(asResource)).toMatchObject({ outcome: 'applied', pending: [] })
      expect([(await listResources(lab.cx)).map((r) => r.address), lab.cloud.content]).toEqual([['it'], ['it=1']])
    }
    const Keeping = component('Keeping', { inputs: z.object({}), build: () => {
      lab.Box('own', { name: 'it' }, { movedFrom: ['it'] })
      return {}
    } })
    writes(lab)
    await lab.apply(() => void Keeping('it', {}))
    expect([writes(lab), (await listResources(lab.cx)).map((r) => r.address)]).toEqual([[], ['it/own']])
  })
})

test('what a node of another environment owns is refused, and the owner is named with its environment', async () => {
  const lab = makeLab()
  await lab.apply(() => void lab.Box('mine', { name: 'x' }))
  const cx = { ...lab.cx, env: { ...lab.cx.env, id: 'e-other', name: 'other' } }
  await makePlan(cx, { graph: buildGraph(lab.app(() => undefined), {}) }, { save: true })
  await expect(makePlan(cx, { graph: buildGraph(lab.app(() => void lab.Box('yours', { name: 'x' })), {}) })).rejects.toMatchObject({
    code: 'HF2105', address: 'yours', message: 'yours claims box:x, which mine of lab/default owns.', details: { claim: 'box:x', owner: 'mine', of: 'lab/default' },
  })
})
