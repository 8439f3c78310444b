import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { diffPlans, makePlan, type PlanRequest, type RunDocument } from '../../src/engine/index.ts'
import { buildGraph, resource, str, upper } from '../../src/program/index.ts'
import { completeType } from '../../src/provider/index.ts'
import { Password } from '../../src/builtin/random/index.ts'
import { boxes, callsOf, stateOf } from '../support/boxes.ts'
import { type Lab, makeLab, never } from '../support/world.ts'

const o = { onFailure: 'revert' as const, stop: never, abort: never }

const stored = (lab: Lab, build: () => unknown, more: Partial<PlanRequest> = {}) => makePlan(lab.cx, { graph: buildGraph(lab.app(build), {}), ...more }, { save: true })
async function applied(lab: Lab, id: string): Promise<RunDocument> {
  const session = await lab.session()
  try {
    return await session.apply(await session.load({ id }), o)
  } finally {
    await session.end()
  }
}
/** Nothing is called and nothing changes. */
async function refused(lab: Lab, id: string, code: string): Promise<void> {
  const before = await stateOf(lab)
  callsOf(lab)
  await expect(applied(lab, id)).rejects.toMatchObject({ code })
  expect([await stateOf(lab), lab.cloud.calls]).toEqual([before, []])
}

// A stored plan is carried out as it was frozen: the program does not run again, so it cannot ask for something else. What can differ is the state,
// and then the plan is refused as a whole.
describe('a plan that was stored', () => {
  test('E3#115 is carried out as it was made, whatever the program says by now; another program is another plan', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b'))
    let size = 2
    const build = () => void lab.Box('a', { name: 'a', size })
    const { id } = await stored(lab, build)
    size = 3
    callsOf(lab)
    expect(await applied(lab, id)).toMatchObject({ outcome: 'applied', plan: id, summary: { update: 1, delete: 1 } })
    expect([callsOf(lab), lab.cloud.content]).toEqual([['update a', 'delete b'], ['a=2']])
    expect((await stored(lab, build)).document.changes).toMatchObject([{ address: 'a', action: 'update', paths: [{ path: 'size', before: 2, after: 3 }] }])
  })

  test('E3#116 what another run made or deleted since makes it stale: nothing unplanned happens, nothing planned is done twice', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b'))
    // A planned create of something that exists by now; a planned delete of something that is gone by now.
    const create = await stored(lab, boxes(lab, 'a b c'))
    await lab.apply(boxes(lab, 'a b c'))
    await refused(lab, create.id, 'HF2401')
    const remove = await stored(lab, boxes(lab, 'a c'))
    await lab.apply(boxes(lab, 'a c'))
    await refused(lab, remove.id, 'HF2401')
    // Planned anew, there is nothing left to do.
    for (const p of [await stored(lab, boxes(lab, 'a c'))]) expect([p.empty, (await applied(lab, p.id)).outcome]).toEqual([true, 'unchanged'])
    // What the world did by itself the state does not know: a delete of what is gone is done, a create of what stands there fails and is taken back.
    const gone = await stored(lab, boxes(lab, 'a'))
    lab.cloud.objects.delete(lab.cloud.byName('c')?.id as string)
    expect(await applied(lab, gone.id)).toMatchObject({ outcome: 'applied', pending: [] })
    const there = await stored(lab, boxes(lab, 'a d e'))
    lab.cloud.make('e', 7, '')
    expect(await applied(lab, there.id)).toMatchObject({ outcome: 'reverted', error: { address: 'e' } })
    expect(lab.cloud.content).toEqual(['a=1', 'e=7'])
  })

  test('E3#116 a replacement that was planned as an update is refused in the run, not carried out', async () => {
    const lab = makeLab()
    const T = {
      type: `test:Turn${Math.random()}`, inputs: z.object({ name: z.string(), zone: z.string() }), outputs: z.object({ id: z.string() }), replaceOn: [] as string[],
      create: async ({ inputs }: { inputs: { name: string } }) => ({ id: inputs.name }), update: async ({ inputs }: { inputs: { name: string } }) => ({ id: inputs.name }), delete: async () => { throw new Error('never') },
    }
    const Turn = resource(T as never) as unknown as (name: string, inputs: object) => void
    lab.cx.types.add(completeType(T as never, 'program#Turn'))
    await lab.apply(() => Turn('t', { name: 't', zone: 'a' }))
    const { id } = await stored(lab, () => Turn('t', { name: 't', zone: 'b' }))
    // The type is of another mind by now.
    lab.cx.types.add(completeType({ ...T, replaceOn: ['zone'] } as never, 'program#Turn'))
    expect(await applied(lab, id)).toMatchObject({ outcome: 'reverted', error: { code: 'HF2401', address: 't' } })
  })

  test('E3#117 refused when the state changed in between, and the state is as it was', async () => {
    const lab = makeLab()
    const { id } = await stored(lab, boxes(lab, 'a'))
    await lab.apply(boxes(lab, 'z'))
    await refused(lab, id, 'HF2401')
  })

  test('E3#117 what was only foreseen may turn out not to be needed: a value that is known at last and equal changes nothing', async () => {
    const lab = makeLab()
    // Whoever refers to an id that is not known yet may change; it turns out the same.
    const make = (size: number) => () => {
      const a = lab.Box('a', { name: 'a', size })
      lab.Box('b', { name: 'b', secret: str`${a.id}` })
    }
    await lab.apply(make(1))
    const plan = await stored(lab, make(2))
    expect(plan.document.changes.map((c) => [c.address, c.action])).toEqual([['a', 'update'], ['b', 'maybe']])
    callsOf(lab)
    expect(await applied(lab, plan.id)).toMatchObject({ outcome: 'applied', summary: { update: 1 } })
    expect(callsOf(lab)).toEqual(['update a'])
  })

  // Random values are drawn when a thing is made, and kept: a plan has no seed that could differ.
  test('E3#117 a random value is drawn once, by the create; planning again and resuming give the same', async () => {
    const lab = makeLab()
    lab.cx.types.add(completeType(Password.spec as never, 'holdfast#Password'))
    const build = () => {
      const p = Password('p', { length: 20 })
      lab.Box('b', { name: 'b', secret: str`${p.value}` })
    }
    const { id } = await stored(lab, build)
    lab.cloud.fault('create b', 'reject')
    const session = await lab.session()
    const doc = await session.apply(await session.load({ id }), { ...o, onFailure: 'keep' })
    expect(doc).toMatchObject({ outcome: 'kept' })
    const before = (await stateOf(lab)).p?.docs?.outputs
    await session.resume(o)
    await session.end()
    expect((await stateOf(lab)).p?.docs?.outputs).toBe(before)
    expect((await lab.plan(build)).empty).toBe(true)
  })

  test('E3#118 with a rename: the object is kept, by its plan, too', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a'))
    const uid = (await stateOf(lab)).a?.row.uid
    const { id, document } = await stored(lab, () => void lab.Box('b', { name: 'a', size: 2 }, { movedFrom: ['a'] }))
    callsOf(lab)
    expect(document.changes).toMatchObject([{ address: 'b', action: 'update', reasons: ['moved from a'] }])
    await applied(lab, id)
    expect([callsOf(lab), (await stateOf(lab)).b?.row.uid]).toEqual([['update a'], uid])
  })

  test('E3#118 with targets: it touches them alone, and leaves old objects of others as they are', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b old'))
    lab.cloud.fault('delete old', 'reject')
    await lab.apply(boxes(lab, 'a b'))
    const before = await stateOf(lab)
    const { id } = await stored(lab, boxes(lab, 'a b c', { sizes: { a: 2, b: 2 } }), { targets: ['a'] })
    callsOf(lab)
    expect(await applied(lab, id)).toMatchObject({ outcome: 'applied', pending: ['old'] })
    expect([callsOf(lab), (await stateOf(lab)).b]).toEqual([['update a'], before.b])
  })

  test('E3#118 with deletes of what depends on each other, and of what is replaced: in the planned order', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b:a c:b keep'))
    const { id } = await stored(lab, boxes(lab, 'keep', { zones: { keep: 'b' } }))
    callsOf(lab)
    expect(await applied(lab, id)).toMatchObject({ outcome: 'applied', pending: [] })
    expect(callsOf(lab)).toEqual(['delete keep', 'create keep', 'delete c', 'delete b', 'delete a'])
  })
})

describe('how two stored plans differ', () => {
  const differ = async (lab: Lab, a: () => unknown, b: () => unknown) => {
    const [first, second] = [await stored(lab, a), await stored(lab, b)]
    const { different, outputs, same, onlyInA, onlyInB } = await diffPlans(lab.cx, first.id, second.id)
    return { same, outputs, onlyInA: onlyInA.map((c) => c.address), onlyInB: onlyInB.map((c) => c.address), different: different.map(({ address, inputs, options }) => [address, ...inputs, ...options]) }
  }
  const nothing = { outputs: 'same', onlyInA: [], onlyInB: [], different: [] }

  test('an input, a reference, an option or a dependency that differs is named, also where nothing exists yet', async () => {
    const lab = makeLab()
    const two = (inputs: object, options?: object) => () => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('b', { name: 'b', ...inputs }, options)
      return { id: a.id }
    }
    expect(await differ(lab, two({ size: 1 }), two({ size: 2 }))).toEqual({ ...nothing, same: 1, different: [['b', 'size']] })
    expect(await differ(lab, two({}), two({}, { tags: { team: 'x' }, protect: true }))).toEqual({ ...nothing, same: 1, different: [['b', 'protect', 'tags']] })
    expect(await differ(lab, two({}), () => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('b', { name: 'b' }, { dependsOn: [a] })
      return { id: a.id }
    })).toEqual({ ...nothing, same: 1, different: [['b', 'dependsOn']] })
    expect(await differ(lab, two({}), () => {
      lab.Box('a', { name: 'a' })
      lab.Box('c', { name: 'c' })
    })).toEqual({ same: 1, outputs: 'different', onlyInA: ['b'], onlyInB: ['c'], different: [] })
  })

  test('the same said in another place is the same; a plan that is not there is refused', async () => {
    const lab = makeLab()
    const one = () => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('b', { name: 'b', secret: upper(a.token) }, { replaceWhen: upper(a.id) })
    }
    const two = () => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('b', {
        name: 'b', secret: upper(a.token),
      }, {
        replaceWhen: upper(a.id),
      })
    }
    expect(await differ(lab, one, two)).toEqual({ ...nothing, same: 2 })
    // A literal that stands under seal in the stored plan is compared, and never shown.
    const secret = (text: string) => () => void lab.Box('a', { name: 'a', secret: text })
    expect(await differ(lab, secret('hidden-1'), secret('hidden-1'))).toEqual({ ...nothing, same: 1 })
    expect(await differ(lab, secret('hidden-1'), secret('hidden-2'))).toEqual({ ...nothing, same: 0, different: [['a', 'secret']] })
    await expect(diffPlans(lab.cx, 'p-none', 'p-none')).rejects.toMatchObject({ code: 'HF2404' })
  })
})
