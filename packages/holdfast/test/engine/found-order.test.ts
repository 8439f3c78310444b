import { describe, expect, test } from 'vitest'
import { buildGraph, resource, str } from '../../src/program/index.ts'
import { calls, dies, freeLab } from '../lifecycle/holds.ts'
import { boxSpec, Cloud, how, inSession, type Lab, makeLab, strictLab } from '../support/world.ts'

/** What the simulation found in the engine, one small test each (the seeds themselves go stale with any change): claims, and what goes before what. */

describe('claims', () => {
  test('one node gives up in place what another takes, and both are taken back', async () => {
    const lab = makeLab()
    const program = (a: string, b: string, fail: boolean) => () => {
      const one = lab.Box('a', { name: a })
      const two = lab.Box('b', { name: b, size: 2 })
      if (fail) lab.Box('bad', { name: str`bad${one.size}${two.size}`, fail })
    }
    await lab.apply(program('x', 'y', false))
    expect(await lab.apply(program('z', 'x', true))).toMatchObject({ outcome: 'reverted' })
    expect(lab.cloud.content).toEqual(['x=1', 'y=2'])
    lab.cloud.calls.length = 0
    expect(await lab.apply(program('z', 'x', false))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.calls).toEqual(['update z', 'update x'])
    expect((await lab.store.claims(['box:x', 'box:y', 'box:z'])).map((c) => c?.key)).toEqual(['box:x', undefined, 'box:z'])
  })

  test('of an object that is being taken back come free only when it is as it was', async () => {
    const cloud = new Cloud()
    const owned: boolean[] = []
    const lab: Lab = makeLab({
      cloud,
      more: {
        update: async ({ inputs: i, outputs: prior }) => {
          owned.push((await lab.store.claims(['box:y']))[0] !== undefined)
          const b = cloud.objects.get(prior.id) as NonNullable<ReturnType<typeof cloud.byName>>
          b.name = i.name
          return { id: b.id, name: b.name, size: b.size, token: `token-of-${b.id}` }
        },
      },
    })
    const program = (name: string, fail: boolean) => () => {
      const a = lab.Box('a', { name })
      if (fail) lab.Box('bad', { name: str`bad${a.size}`, fail })
    }
    await lab.apply(program('x', false))
    expect(await lab.apply(program('y', true))).toMatchObject({ outcome: 'reverted' })
    expect(owned).toEqual([true, true])
    expect(await lab.store.claims(['box:y'])).toEqual([undefined])
  })

  test('that an update was to take come free when the update is refused', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'x' }))
    expect(await lab.apply(() => void lab.Box('a', { name: 'y', fail: true }))).toMatchObject({ outcome: 'reverted' })
    expect((await lab.store.claims(['box:x', 'box:y'])).map((c) => c?.key)).toEqual(['box:x', undefined])
  })

  test('of a node that failed half-way are all that it may own, and come free when it is whole', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'x' }))
    lab.cloud.fault('update z', 'partly')
    expect(await lab.apply(() => void lab.Box('a', { name: 'z' }), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
    expect((await lab.store.claims(['box:x', 'box:z'])).map((c) => c?.key)).toEqual(['box:x', 'box:z'])
    lab.cloud.calls.length = 0
    expect(await lab.apply(() => {
      lab.Box('a', { name: 'z' })
      lab.Box('b', { name: 'x' })
    })).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.calls).toEqual(['update z', 'create x'])
  })

  test('that two nodes exchange in place are refused: each would wait for the other', async () => {
    const lab = makeLab()
    await lab.apply(() => {
      lab.Box('a', { name: 'x' })
      lab.Box('b', { name: 'y' })
    })
    await expect(lab.plan(() => {
      lab.Box('a', { name: 'y' })
      lab.Box('b', { name: 'x' })
    })).rejects.toMatchObject({ code: 'HF2104', details: { nodes: ['a', 'b'] } })
  })

  test('an object that must go first goes after those that refer to it now and will not any more', async () => {
    const cloud = new Cloud()
    const Crate = resource(boxSpec(cloud, { type: 'test:Crate' }))
    const lab = makeLab({ cloud, types: [{ type: Crate.type, spec: Crate.spec }] })
    await lab.apply(() => {
      const a = lab.Box('a', { name: 'x' })
      lab.Box('user', { name: str`user-of-${a.id}` })
    })
    cloud.calls.length = 0
    expect(await lab.apply(() => {
      lab.Box('user', { name: 'user' })
      Crate('b', { name: 'x' })
    })).toMatchObject({ outcome: 'applied' })
    expect(cloud.calls).toEqual(['update user', 'delete x', 'create x'])
  })

  test('an object that something which stays refers to is not taken along by one that must go first', async () => {
    const cloud = new Cloud()
    const Crate = resource(boxSpec(cloud, { type: 'test:Crate2' }))
    const lab = makeLab({ cloud, types: [{ type: Crate.type, spec: Crate.spec }] })
    await lab.apply(() => {
      const a = lab.Box('a', { name: 'x' })
      const b = lab.Box('b', { name: str`b-of-${a.id}` })
      lab.Box('c', { name: str`c-of-${b.id}` })
    })
    cloud.calls.length = 0
    expect(await lab.apply(() => {
      const a = Crate('a2', { name: 'x' })
      const b = lab.Box('b2', { name: str`b2-of-${a.id}` })
      lab.Box('c', { name: str`c-of-${b.id}` })
    })).toMatchObject({ outcome: 'applied', pending: [] })
    expect(cloud.calls).toEqual(['delete x', 'create x', 'create b2-of-o4', 'update c-of-o5', 'delete b-of-o1'])
  })
})

test('what is deleted to make room is deleted after what refers to it and goes, too', async () => {
  const lab = strictLab({ more: { deleteFirst: true } })
  await lab.apply(() => {
    const a = lab.Box('a', { name: 'a' })
    const b = lab.Box('b', { name: str`b-of-${a.id}` })
    lab.Box('c', { name: str`c-of-${b.id}` })
  })
  lab.cloud.calls.length = 0
  const next = () => void lab.Box('a', { name: 'a', zone: 'z' })
  expect((await lab.plan(next)).document.changes.map((c) => `${c.action} ${c.address}`)).toEqual(['replace a', 'delete b', 'delete c'])
  expect(await lab.apply(next)).toMatchObject({ outcome: 'applied', pending: [] })
  expect(lab.cloud.calls).toEqual(['delete c-of-o2', 'delete b-of-o1', 'delete a', 'create a'])
})

test('what is still to be deleted since an earlier run makes room after what refers to it and is still to be deleted, too', async () => {
  const lab = strictLab()
  const program = (both: boolean) => () => {
    const a = lab.Box('a', { name: 'x' })
    if (both) lab.Box('user', { name: str`user-of-${a.id}` })
  }
  await lab.apply(program(true))
  lab.cloud.fault('delete user-of-o1', 'reject')
  expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: ['a', 'user'] })
  lab.cloud.calls.length = 0
  expect(await lab.apply(program(false))).toMatchObject({ outcome: 'applied', pending: [] })
  expect(lab.cloud.calls).toEqual(['delete user-of-o1', 'delete x', 'create x'])
  expect(lab.cloud.content).toEqual(['x=1'])
})

test('many tasks that run at once are no leak that Node would warn of', async () => {
  const lab = makeLab()
  Object.assign(lab.cx, { parallelism: 64 })
  const warnings: Error[] = []
  const hear = (w: Error) => void warnings.push(w)
  process.on('warning', hear)
  const doc = await inSession(lab, async (s) => s.apply(await s.plan({ graph: buildGraph(lab.app(() => {
    for (let i = 0; i < 30; i++) lab.Box(`b${i}`, { name: `n${i}` })
  }), {}) }), how))
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', hear)
  expect(doc.outcome).toBe('applied')
  expect(warnings).toEqual([])
})

test('what makes room for an object of another type counts against the limit of its own type', async () => {
  const cloud = new Cloud()
  let busy = 0
  let most = 0
  const Small = resource(boxSpec(cloud, { type: 'test:Small', more: {
    limit: 1,
    delete: async ({ outputs: prior }) => {
      most = Math.max(most, ++busy)
      await new Promise((resolve) => setTimeout(resolve, 10))
      busy--
      if (prior.id) cloud.objects.delete(prior.id)
    },
  } }))
  const lab = makeLab({ cloud, types: [Small] })
  const of = (Type: typeof Small) => () => {
    Type('a', { name: 'x' })
    Type('b', { name: 'y' })
  }
  await lab.apply(of(Small))
  expect(await lab.apply(of(lab.Box as typeof Small))).toMatchObject({ outcome: 'applied' })
  expect(cloud.content).toEqual(['x=1', 'y=1'])
  expect(most).toBe(1)
})

test('what a dead run has made and this one only records anew is taken back after what refers to it', async () => {
  const lab = freeLab()
  lab.cloud.strict = true
  const build = (next: boolean) => () => {
    const h = lab.Box('h', { name: 'h' }, next ? { tags: { since: 'next' } } : {})
    lab.Box('n', { name: 'n', on: h.id })
    if (next) lab.Box('bad', { name: str`bad${h.id}`, fail: true })
    else lab.Box('late', { name: 'late', on: h.id })
  }
  await dies(lab, 'create late', false, build(false))
  calls(lab)
  expect(await lab.apply(build(true))).toMatchObject({ outcome: 'reverted', revision: { from: 0, to: 0 } })
  expect(calls(lab).filter((c) => c.startsWith('delete'))).toEqual(['delete late', 'delete n', 'delete h'])
  expect(lab.cloud.broken).toEqual([])
})
