import { describe, expect, test } from 'vitest'
import { beginRun, exitCodeOf, listResources, loadPlan, makePlan, readStatus, setSecret, showResource } from '../../src/engine/index.ts'
import { app, buildGraph, str } from '../../src/program/index.ts'
import { notOurs } from '../../src/provider/index.ts'
import { type Lab, makeLab, never } from '../support/world.ts'
import { calls, dies, holds, said, settles } from './holds.ts'

type Options = NonNullable<Parameters<Lab['Box']>[2]>

/** The objects of a replacement can stand side by side. */
const freeLab = (more: NonNullable<Parameters<typeof makeLab>[0]>['more'] = {}) => makeLab({ class: 'A', more: { claims: () => [], ...more } })
const one = (lab: Lab, zone: string, options: Options = {}) => () => void lab.Box('a', { name: 'a', zone }, options)

async function marked(lab: Lab, tainted: boolean, ...addresses: string[]) {
  const session = await lab.session()
  try {
    return await session.taint(addresses, tainted)
  } finally {
    await session.end()
  }
}

describe('protect', () => {
  test('E3#27 a protected node is not replaced, by what the program says and by what the state says', async () => {
    const lab = freeLab()
    await lab.apply(one(lab, 'x', { protect: true }))
    await holds(lab)
    calls(lab)
    const refused = { code: 'HF5001', address: 'a', hint: expect.stringContaining('--unprotect a') }
    await expect(lab.plan(one(lab, 'y', { protect: true }))).rejects.toMatchObject(refused)
    await expect(lab.apply(one(lab, 'y', { protect: true }))).rejects.toMatchObject(refused)
    await expect(lab.apply(() => undefined)).rejects.toMatchObject({ ...refused, message: 'a is protected, and the plan would delete it (not in the program any more). Nothing was changed.' })
    // Elsewhere it is enough that the program takes `protect` away in the same run; here what the state says counts, too, and a person lifts it.
    await expect(lab.apply(one(lab, 'y'))).rejects.toMatchObject(refused)
    expect(calls(lab)).toEqual([])
    await holds(lab)

    expect(await lab.apply(one(lab, 'y'), { request: { unprotect: ['a'] } })).toMatchObject({ outcome: 'applied' })
    expect(calls(lab)).toEqual(['create a', 'delete a'])
    await holds(lab, { lifted: ['a'] })
    const plan = await lab.plan(one(lab, 'y', { protect: true }))
    expect(plan.document.changes).toMatchObject([{ action: 'update', reasons: ['only its options or dependencies differ'] }])
    await lab.apply(one(lab, 'y', { protect: true }))
    expect(calls(lab)).toEqual([])
    expect(await listResources(lab.cx)).toMatchObject([{ address: 'a', protect: true }])
    await settles(lab, one(lab, 'y', { protect: true }))
  })

  test('E3#28 all that is protected is refused together, with the reason of each', async () => {
    const lab = makeLab()
    const build = () => {
      lab.Box('a', { name: 'a' }, { protect: true })
      lab.Box('b', { name: 'b', zone: 'x' }, { protect: true })
      lab.Box('c', { name: 'c' }, { protect: true })
    }
    await lab.apply(build)
    await holds(lab)
    calls(lab)
    const next = () => void lab.Box('b', { name: 'b', zone: 'y' }, { protect: true })
    for (const refused of [lab.plan(next), lab.apply(next)]) {
      await expect(refused).rejects.toMatchObject({
        code: 'HF5001', hint: expect.stringContaining('--unprotect b --unprotect a --unprotect c'),
        details: { nodes: [{ address: 'b', action: 'replace' }, { address: 'a', action: 'delete' }, { address: 'c', action: 'delete' }] },
      })
    }
    await expect(lab.destroy()).rejects.toMatchObject({ details: { nodes: [{ address: 'a' }, { address: 'b' }, { address: 'c' }] } })
    await expect(lab.plan(next, { unprotect: ['a', 'b'] })).rejects.toMatchObject({ details: { nodes: [{ address: 'c' }] } })
    expect(calls(lab)).toEqual([])
    await settles(lab, build)
  })

  test('E3#30 a destroy that meets a protected node deletes nothing at all; what is still to be deleted goes with the next apply', async () => {
    // Elsewhere the old twin goes although the rest is refused; here a plan that is refused does nothing.
    const lab = freeLab()
    const build = (zone: string) => () => {
      const a = lab.Box('a', { name: 'a', zone })
      lab.Box('b', { name: 'b', size: a.size }, { protect: true })
    }
    await lab.apply(build('x'))
    lab.cloud.fault('delete a', 'reject')
    await lab.apply(build('y'))
    await holds(lab)
    calls(lab)
    await expect(lab.destroy()).rejects.toMatchObject({ code: 'HF5001', address: 'b', message: expect.stringContaining('(everything is destroyed)') })
    expect(calls(lab)).toEqual([])
    expect(lab.cloud.content).toEqual(['a=1', 'a=1', 'b=1'])
    expect(await lab.apply(build('y'))).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['delete a'])
    await settles(lab, build('y'))
  })

  test('E3#31 --unprotect lets one plan delete, replace, replace delete-first and destroy, and says so', async () => {
    const lab = freeLab({ replaceOn: ['zone', 'on'] })
    const build = (zone: string, without: readonly string[] = []) => () => {
      const a = lab.Box('a', { name: 'a', zone }, { deleteFirst: true, protect: true })
      if (!without.includes('b')) lab.Box('b', { name: 'b', on: a.id }, { protect: true })
    }
    await lab.apply(build('x'))
    await holds(lab)
    calls(lab)
    await expect(lab.apply(build('y'), { request: { unprotect: ['a'] } })).rejects.toMatchObject({ code: 'HF5001', address: 'b' })
    const plan = await lab.plan(build('y'), { unprotect: ['a', 'b'] })
    expect(plan.document.unprotect).toEqual(['a', 'b'])
    expect(plan.document.changes).toMatchObject([{ address: 'a', unprotected: true }, { address: 'b', unprotected: true }])
    expect(plan.document.changes[0]).not.toHaveProperty('protected')
    expect(await lab.apply(build('y'), { request: { unprotect: ['a', 'b'] } })).toMatchObject({ outcome: 'applied' })
    expect(calls(lab)).toEqual(['delete b', 'delete a', 'create a', 'create b'])
    await holds(lab, { lifted: ['a', 'b'] })
    // It was lifted for that plan alone.
    await expect(lab.apply(build('y', ['b']))).rejects.toMatchObject({ code: 'HF5001', address: 'b' })
    await lab.apply(build('y', ['b']), { request: { unprotect: ['b'] } })
    await holds(lab, { lifted: ['b'] })
    await expect(lab.destroy()).rejects.toMatchObject({ code: 'HF5001' })
    expect(await lab.destroy({ request: { unprotect: ['a'] } })).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual([])
  })

  test('E3#31 it is stored with the plan, names components too, and what it names must exist', async () => {
    const lab = freeLab()
    await lab.apply(one(lab, 'x', { protect: true }))
    await expect(lab.plan(one(lab, 'y'), { unprotect: ['nobody'] })).rejects.toMatchObject({ code: 'HF6001', address: 'nobody' })
    const { id } = await makePlan(lab.cx, { graph: buildGraph(lab.app(one(lab, 'y')), {}), unprotect: ['a'] }, { save: true })
    expect((await loadPlan(lab.cx, { id })).document).toMatchObject({ unprotect: ['a'], changes: [{ address: 'a', unprotected: true }] })
    const session = await lab.session()
    expect(await session.apply(await session.load({ id }), { onFailure: 'revert', stop: never, abort: never })).toMatchObject({ outcome: 'applied' })
    await session.end()
    const inside = (zone: string) => () => void lab.Box('x.y', { name: 'inside', zone }, { protect: true })
    await lab.apply(inside('x'))
    await expect(lab.plan(inside('y'), { unprotect: ['x'] })).rejects.toMatchObject({ code: 'HF6001' })
  })
})

describe('retain', () => {
  test('E3#32 the old object of a replacement stays, and so does what leaves the program', async () => {
    const lab = freeLab()
    await lab.apply(one(lab, 'x', { retain: true }))
    calls(lab)
    const plan = await lab.plan(one(lab, 'y', { retain: true }))
    expect(plan.document.changes).toMatchObject([{ action: 'replace', replace: 'create-first', reasons: ['zone forces a new object', 'retain: the old object stays'] }])
    expect(await lab.apply(one(lab, 'y', { retain: true }))).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['create a'])
    await settles(lab, one(lab, 'y', { retain: true }), { retained: ['a'] })
    expect(said(await lab.plan(() => undefined))).toEqual(['forget a'])
    expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual([])
    expect(await listResources(lab.cx)).toEqual([])
    expect(lab.cloud.content).toEqual(['a=1', 'a=1'])
    await settles(lab, () => undefined, { retained: ['a'] })
  })

  test('E3#32 it counts from the program or from the state, whichever says so', async () => {
    for (const [before, now] of [[true, false], [false, true]] as const) {
      const lab = freeLab()
      await lab.apply(one(lab, 'x', { retain: before }))
      calls(lab)
      await lab.apply(one(lab, 'y', { retain: now, deleteFirst: true }))
      expect(calls(lab)).toEqual(['create a'])
      await settles(lab, one(lab, 'y', { retain: now, deleteFirst: true }), { retained: ['a'] })
    }
  })

  test('E3#32 a new object that needs the place of a retained one is refused at plan', async () => {
    // Elsewhere the provider finds out that the name is taken; here it is a claim.
    const lab = makeLab()
    await lab.apply(one(lab, 'x', { retain: true }))
    await expect(lab.plan(one(lab, 'y', { retain: true }))).rejects.toMatchObject({ code: 'HF2105', address: 'a', message: expect.stringContaining('its old one is retained and keeps box:a') })
  })

  test('E3#32 a failure after it takes the new one back, and the old one is looked after again', async () => {
    const lab = freeLab()
    await lab.apply(one(lab, 'x', { retain: true }))
    expect(await lab.apply(() => {
      const a = lab.Box('a', { name: 'a', zone: 'y' }, { retain: true })
      lab.Box('bad', { name: str`bad${a.size}`, fail: true })
    })).toMatchObject({ outcome: 'reverted' })
    expect(lab.cloud.content).toEqual(['a=1'])
    await settles(lab, one(lab, 'x', { retain: true }))
  })
})

describe('deletedWith', () => {
  /** `d` lives inside of `t`, and `d2` inside of `d`. */
  const inside = (lab: Lab, zone: string, o: { readonly chain?: boolean; readonly with?: boolean; readonly t?: Options; readonly d?: Options } = {}) => () => {
    const t = lab.Box('t', { name: 't', zone }, o.t)
    const d = lab.Box('d', { name: 'd', on: t.id, inside: true }, { ...(o.with === false ? {} : { deletedWith: t }), ...o.d })
    if (o.chain) lab.Box('d2', { name: 'd2', on: d.id, inside: true }, { deletedWith: d })
  }

  test('E3#33 both go: only the other one is deleted by a call', async () => {
    const lab = freeLab()
    await lab.apply(inside(lab, 'x'))
    calls(lab)
    const { document } = await makePlan(lab.cx, { graph: undefined })
    expect(document.changes).toMatchObject([{ address: 'd', action: 'delete', reasons: ['everything is destroyed', 'deletedWith: it goes with t, without a call of its own'] }, { address: 't', action: 'delete' }])
    const doc = await lab.destroy()
    expect(doc).toMatchObject({ outcome: 'applied', pending: [], summary: { delete: 2 } })
    expect(doc.tasks.map((t) => [t.address, t.op, t.outcome])).toEqual([['t', 'delete', 'succeeded'], ['d', 'delete', 'succeeded']])
    expect(calls(lab)).toEqual(['delete t'])
    expect(await listResources(lab.cx)).toEqual([])
    await holds(lab)
  })

  test('E3#33 it alone leaves the program: then it is deleted by a call', async () => {
    const lab = freeLab()
    await lab.apply(inside(lab, 'x'))
    calls(lab)
    const rest = () => void lab.Box('t', { name: 't', zone: 'x' })
    await lab.apply(rest)
    expect(calls(lab)).toEqual(['delete d'])
    await settles(lab, rest)
  })

  test('E3#34 through a chain', async () => {
    const lab = freeLab()
    await lab.apply(inside(lab, 'x', { chain: true }))
    calls(lab)
    await lab.destroy()
    expect(calls(lab)).toEqual(['delete t'])
    expect(lab.cloud.content).toEqual([])
    await holds(lab)
  })

  test('E3#34 what refers to something in the chain goes before the one call', async () => {
    const lab = freeLab()
    lab.cloud.strict = true
    const build = () => {
      const t = lab.Box('t', { name: 't' })
      const d = lab.Box('d', { name: 'd', on: t.id, inside: true }, { deletedWith: t })
      lab.Box('user', { name: 'user', on: d.id })
    }
    await lab.apply(build)
    calls(lab)
    await lab.destroy()
    expect(calls(lab)).toEqual(['delete user', 'delete t'])
    await holds(lab)
  })

  test('E3#33 the other one is retained: then nothing takes it along, and it is deleted by a call', async () => {
    const lab = freeLab()
    await lab.apply(inside(lab, 'x', { t: { retain: true } }))
    calls(lab)
    await lab.apply(() => undefined)
    expect(calls(lab)).toEqual(['delete d'])
    expect(lab.cloud.content).toEqual(['t=1'])
    await holds(lab, { retained: ['t'] })
  })

  test('E3#33 the old object of the other one is retained: then the old one of this is deleted by a call', async () => {
    const lab = freeLab()
    await lab.apply(inside(lab, 'x', { t: { retain: true } }))
    calls(lab)
    await lab.apply(inside(lab, 'y', { t: { retain: true } }))
    expect(calls(lab)).toEqual(['create t', 'create d', 'delete d'])
    await settles(lab, inside(lab, 'y', { t: { retain: true } }), { retained: ['t'] })
  })

  test('E3#33 the delete of the other one fails: both are still known, and both go with the next apply', async () => {
    const lab = freeLab()
    await lab.apply(inside(lab, 'x', { chain: true }))
    calls(lab)
    lab.cloud.fault('delete t', 'reject')
    expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: ['d', 'd2', 't'] })
    expect(calls(lab)).toEqual(['delete t'])
    await holds(lab)
    expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['delete t'])
    await settles(lab, () => undefined)
  })

  test('E3#33 nobody knows whether the other one was deleted: it is settled, and takes along what it took', async () => {
    for (const happened of [true, false]) {
      const lab = freeLab()
      await lab.apply(inside(lab, 'x'))
      calls(lab)
      await dies(lab, 'delete t', happened, () => undefined)
      expect(await lab.apply(() => undefined)).toMatchObject({ pending: [] })
      expect(calls(lab).filter((c) => c === 'delete d')).toEqual([])
      expect(lab.cloud.content).toEqual([])
      await settles(lab, () => undefined)
    }
  })

  test('E3#33 the other one is left alone because it is not ours any more: then it took nothing along', async () => {
    let foreign = false
    const lab = freeLab()
    const { spec } = lab.Box
    const { delete: original } = spec
    Object.assign(lab.cx.types.get(lab.Box.type) as object, { delete: async (a: Parameters<typeof original>[0]) => {
      if (foreign && (a.inputs as { name: string }).name === 't') throw notOurs('somebody else made it')
      return original(a)
    } })
    await lab.apply(inside(lab, 'x'))
    calls(lab)
    foreign = true
    expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['delete d'])
    expect(lab.cloud.content).toEqual(['t=1'])
  })

  test('E3#36 it is added in the same run in which the other one is replaced: it is replaced, and goes with the old one', async () => {
    const lab = freeLab()
    await lab.apply(inside(lab, 'x', { with: false }))
    calls(lab)
    const next = inside(lab, 'x')
    const plan = await lab.plan(next, { replace: ['t'] })
    expect(said(plan)).toEqual(['replace create-first t', 'replace create-first d'])
    expect(plan.document.changes.map((c) => c.reasons)).toEqual([['asked for with --replace'], ['t becomes a new object, and deletedWith names it']])
    expect(await lab.apply(next, { request: { replace: ['t'] } })).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['create t', 'create d', 'delete t'])
    await settles(lab, next)
  })

  test('E3#36 both are replaced, the old ones first: one delete, and a failure makes both again', async () => {
    const lab = freeLab()
    const options = { t: { deleteFirst: true }, chain: true }
    await lab.apply(inside(lab, 'x', options))
    calls(lab)
    const plan = await lab.plan(inside(lab, 'y', options))
    expect(said(plan)).toEqual(['replace delete-first t', 'replace delete-first d', 'replace delete-first d2'])
    lab.cloud.fault('create d2', 'reject')
    expect(await lab.apply(inside(lab, 'y', options))).toMatchObject({ outcome: 'reverted' })
    expect(calls(lab)).toEqual(['delete t', 'create t', 'create d', 'create d2', 'delete d', 'delete t', 'create t', 'create d', 'create d2'])
    expect(lab.cloud.content).toEqual(['d2=1', 'd=1', 't=1'])
    await holds(lab)
    calls(lab)
    expect(await lab.apply(inside(lab, 'y', options))).toMatchObject({ outcome: 'applied' })
    expect(calls(lab)).toEqual(['delete t', 'create t', 'create d', 'create d2'])
    await settles(lab, inside(lab, 'y', options))
  })

  test('E3#36 a run that kept a part: what belongs to the replaced one is replaced by the next run', async () => {
    const lab = freeLab()
    await lab.apply(inside(lab, 'x'))
    calls(lab)
    lab.cloud.fault('create d', 'reject')
    expect(await lab.apply(inside(lab, 'y'), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept', pending: ['t'] })
    expect((await lab.plan(inside(lab, 'y'))).document.changes).toMatchObject([{ address: 'd', action: 'replace', reasons: ['t has become a new object, and deletedWith names it'] }])
    calls(lab)
    expect(await lab.apply(inside(lab, 'y'))).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['create d', 'delete t'])
    await settles(lab, inside(lab, 'y'))
  })

  test('E3#37 a destroy of the other one as a target: it goes with it', async () => {
    const lab = freeLab()
    await lab.apply(() => {
      inside(lab, 'x')()
      lab.Box('rest', { name: 'rest' })
    })
    calls(lab)
    // Elsewhere it goes without being named; here nothing goes that is not part of what the command was restricted to.
    await expect(lab.destroy({ request: { targets: ['t'] } })).rejects.toMatchObject({ code: 'HF2107', address: 'd' })
    await expect(lab.plan(inside(lab, 'y'), { targets: ['t'] })).rejects.toMatchObject({ code: 'HF2107', address: 'd' })
    expect(calls(lab)).toEqual([])
    expect(await lab.destroy({ request: { targets: ['t'], targetDependents: true } })).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['delete t'])
    expect((await listResources(lab.cx)).map((r) => r.address)).toEqual(['rest'])
    await holds(lab)
  })
})

describe('replaceWith', () => {
  const pair = (lab: Lab, zone: string, o: { readonly a?: Options; readonly b?: Options; readonly together?: boolean } = {}) => () => {
    const a = lab.Box('a', { name: 'a', zone }, o.a)
    lab.Box('b', { name: 'b' }, { replaceWith: [a], ...(o.together ? { deletedWith: a } : {}), ...o.b })
  }

  test('E3#38 it is replaced whenever the other one is', async () => {
    const lab = freeLab()
    await lab.apply(pair(lab, 'x'))
    calls(lab)
    const plan = await lab.plan(pair(lab, 'y'))
    expect(plan.document.changes).toMatchObject([{ action: 'replace' }, { action: 'replace', reasons: ['a becomes a new object, and replaceWith names it'] }])
    await lab.apply(pair(lab, 'y'))
    expect(calls(lab)).toEqual(['create a', 'create b', 'delete b', 'delete a'])
    await settles(lab, pair(lab, 'y'))
  })

  test('E3#38 also when the old one goes first', async () => {
    const lab = freeLab()
    const o = { a: { deleteFirst: true } }
    await lab.apply(pair(lab, 'x', o))
    calls(lab)
    await lab.apply(pair(lab, 'y', o))
    expect(calls(lab)).toEqual(['delete b', 'delete a', 'create a', 'create b'])
    await settles(lab, pair(lab, 'y', o))
  })

  test('E3#38 also together with deletedWith', async () => {
    for (const deleteFirst of [false, true]) {
      const lab = freeLab()
      const o = { a: { deleteFirst }, together: true }
      await lab.apply(pair(lab, 'x', o))
      calls(lab)
      await lab.apply(pair(lab, 'y', o))
      expect(calls(lab)).toEqual(deleteFirst ? ['delete a', 'create a', 'create b'] : ['create a', 'create b', 'delete a'])
      // The fake cloud knows nothing of the two belonging together: what was said about it was not true.
      lab.cloud.objects.clear()
    }
  })

  test('E3#38 a component stands for every node under it, and the option holds for every node of a component', async () => {
    const { component } = await import('../../src/program/index.ts')
    const lab = freeLab()
    const build = (zone: string) => () => {
      const Source = component(`Source${lab.Box.type}`, { build: () => {
        lab.Box('one', { name: 'one' })
        lab.Box('two', { name: 'two', zone })
      } })
      const Sink = component(`Sink${lab.Box.type}`, { build: () => void lab.Box('three', { name: 'three' }) })
      Sink('sink', {}, { replaceWith: [Source('source')] as never })
    }
    await lab.apply(build('x'))
    expect(said(await lab.plan(build('y')))).toEqual(['replace create-first source/two', 'replace create-first sink/three'])
    await lab.apply(build('y'))
    await settles(lab, build('y'))
  })

  test('E3#38 whether the other one is replaced shows at apply: then this one is, or is not', async () => {
    for (const becomes of ['x', 'y']) {
      const lab = freeLab()
      const build = (size: number, zone: string) => () => {
        const first = lab.Box('first', { name: 'first', size })
        const a = lab.Box('a', { name: 'a', zone: str`${first.name}${zone}` })
        lab.Box('b', { name: 'b' }, { replaceWith: [a] })
      }
      await lab.apply(build(1, 'x'))
      calls(lab)
      const plan = await lab.plan(build(2, becomes))
      expect(said(plan)).toEqual(['update first', 'maybe create-first a', 'maybe create-first b'])
      expect(plan.document.changes[2]?.reasons).toEqual(['a may become a new object, and replaceWith names it'])
      await lab.apply(build(2, becomes))
      expect(calls(lab)).toEqual(becomes === 'x' ? ['update first'] : ['update first', 'create a', 'create b', 'delete b', 'delete a'])
      await settles(lab, build(2, becomes))
    }
  })
})

describe('taint', () => {
  const both = (lab: Lab) => () => {
    lab.Box('a', { name: 'a' })
    lab.Box('b', { name: 'b' })
  }

  test('E3#39 the next plan makes a new object, once; without it there is nothing to do', async () => {
    const lab = freeLab()
    await lab.apply(both(lab))
    calls(lab)
    expect((await lab.plan(both(lab))).empty).toBe(true)
    expect(await marked(lab, true, 'a')).toMatchObject({ changed: ['a'] })
    expect(await marked(lab, true, 'a')).toMatchObject({ changed: [] })
    expect(await showResource(lab.cx, 'a')).toMatchObject({ tainted: true })
    const plan = await lab.plan(both(lab))
    expect(plan.document.changes).toMatchObject([{ address: 'a', action: 'replace', reasons: ['it is tainted'] }])
    await lab.apply(both(lab))
    expect(calls(lab)).toEqual(['create a', 'delete a'])
    expect(await showResource(lab.cx, 'a')).not.toHaveProperty('tainted')
    await settles(lab, both(lab))
  })

  test('E3#39 several, and untaint', async () => {
    const lab = freeLab()
    await lab.apply(both(lab))
    calls(lab)
    await marked(lab, true, 'a', 'b')
    expect(said(await lab.plan(both(lab)))).toEqual(['replace create-first a', 'replace create-first b'])
    expect(await marked(lab, false, 'a', 'b')).toMatchObject({ changed: ['a', 'b'] })
    expect((await lab.apply(both(lab))).outcome).toBe('unchanged')
    expect(calls(lab)).toEqual([])
    await holds(lab)
  })

  test('E3#39 it is journaled, makes older plans stale, and is refused for what is not there', async () => {
    const lab = freeLab()
    await lab.apply(both(lab))
    const { id } = await makePlan(lab.cx, { graph: buildGraph(lab.app(() => void lab.Box('a', { name: 'a', size: 2 })), {}) }, { save: true })
    await marked(lab, true, 'a')
    const session = await lab.session()
    await expect(session.load({ id })).rejects.toMatchObject({ code: 'HF2401' })
    await expect(session.taint(['b', 'nobody'], true)).rejects.toMatchObject({ code: 'HF6001', address: 'nobody' })
    await session.end()
    expect(await showResource(lab.cx, 'b')).not.toHaveProperty('tainted')
    const env = await lab.store.env('lab', 'default')
    expect((await lab.store.events(env?.id as string, { seq: 0 }, 1000)).map((e) => e.kind)).toContain('state.tainted')
    await holds(lab)
  })

  test('E3#39 a run that is open is settled first', async () => {
    const lab = makeLab()
    const build = () => void lab.Box('a', { name: 'a', zone: 'y' })
    await lab.apply(one(lab, 'x'))
    await dies(lab, 'create a', false, build)
    await expect(marked(lab, true, 'a')).rejects.toMatchObject({ code: 'HF4101' })
    await settles(lab, build)
  })

  test('E3#39 a failed replacement is taken back with its taint', async () => {
    for (const deleteFirst of [false, true]) {
      const lab = freeLab()
      const build = one(lab, 'x', { deleteFirst })
      await lab.apply(build)
      await marked(lab, true, 'a')
      lab.cloud.fault('create a', 'reject')
      expect(await lab.apply(build)).toMatchObject({ outcome: 'reverted' })
      expect(await showResource(lab.cx, 'a')).toMatchObject({ tainted: true })
      expect(await lab.apply(build)).toMatchObject({ outcome: 'applied' })
      await settles(lab, build)
    }
  })

  test('E3#39 a protected node is not replaced for a taint either', async () => {
    const lab = freeLab()
    await lab.apply(one(lab, 'x', { protect: true }))
    await marked(lab, true, 'a')
    await expect(lab.plan(one(lab, 'x', { protect: true }))).rejects.toMatchObject({ code: 'HF5001', message: expect.stringContaining('it is tainted') })
    await lab.apply(one(lab, 'x', { protect: true }), { request: { unprotect: ['a'] } })
    await holds(lab, { lifted: ['a'] })
  })
})

describe('replaceWhen', () => {
  const when = (lab: Lab, value: unknown) => one(lab, 'x', value === undefined ? {} : { replaceWhen: value })

  test('E3#40 the same value leaves it, another one replaces it', async () => {
    const lab = freeLab()
    const values: unknown[] = ['v1', 'v2', 2, { a: [1, { b: null }] }, { a: [1, { b: 0 }] }, null, ['x'], true]
    await lab.apply(when(lab, 'v0'))
    for (const v of values) {
      calls(lab)
      const plan = await lab.plan(when(lab, v))
      expect(plan.document.changes, JSON.stringify(v)).toMatchObject([{ action: 'replace', reasons: ['replaceWhen has another value'] }])
      await lab.apply(when(lab, v))
      expect(calls(lab)).toEqual(['create a', 'delete a'])
      expect((await lab.plan(when(lab, structuredClone(v)))).empty).toBe(true)
      await settles(lab, when(lab, v))
    }
  })

  test('E3#40 absent on either side it is not compared', async () => {
    const lab = freeLab()
    await lab.apply(when(lab, undefined))
    calls(lab)
    for (const v of ['v1', undefined, 'v2']) {
      expect(said(await lab.plan(when(lab, v)))).toEqual(['update a'])
      await lab.apply(when(lab, v))
      await settles(lab, when(lab, v))
    }
    expect(calls(lab)).toEqual([])
  })

  test('E3#40 a secret, and one inside of a value, is compared by what it says, and stored nowhere', async () => {
    const lab = freeLab()
    const build = () => app('lab', { secrets: ['key'], build: ({ secrets }) => {
      lab.Box('a', { name: 'a' }, { replaceWhen: secrets.key })
      lab.Box('b', { name: 'b' }, { replaceWhen: { deep: [str`x-${secrets.key}`] } })
    } })
    const apply = async () => {
      const session = await beginRun(lab.cx, { lockTimeoutMs: 0, stop: never })
      try {
        return await session.apply(await session.plan({ graph: buildGraph(build() as never) }), { onFailure: 'revert', stop: never, abort: never })
      } finally {
        await session.end()
      }
    }
    await setSecret(lab.cx, 'key', 'first-secret-text')
    await apply()
    calls(lab)
    await setSecret(lab.cx, 'key', 'first-secret-text')
    expect((await apply()).outcome).toBe('unchanged')
    await setSecret(lab.cx, 'key', 'second-secret-text')
    const planned = await makePlan(lab.cx, { graph: buildGraph(build() as never) }, { save: true })
    expect(said(planned)).toEqual(['replace create-first a', 'replace create-first b'])
    await apply()
    expect(calls(lab).sort()).toEqual(['create a', 'create b', 'delete a', 'delete b'])
    let stored = `${planned.text()}${JSON.stringify(lab.events)}`
    for await (const line of lab.store.export()) stored += line
    expect(stored).not.toMatch(/(first|second)-secret-text/)
    await holds(lab)
  })

  test('E3#40 a value that becomes secret, or stops being one, is the same value', async () => {
    const lab = freeLab()
    const build = (secret: boolean) => () => {
      const token = lab.Box('token', { name: 'token' }).token
      lab.Box('a', { name: 'a' }, { replaceWhen: secret ? token : 'token-of-o1' })
    }
    await lab.apply(build(false))
    calls(lab)
    for (const secret of [true, false]) {
      expect(said(await lab.plan(build(secret)))).toEqual(['update a'])
      await lab.apply(build(secret))
    }
    expect(calls(lab)).toEqual([])
    await settles(lab, build(false))
  })

  test('E3#40 an output is compared by value: not known at plan it may replace, and whether it does shows at apply', async () => {
    for (const [next, made] of [['a-5', []], ['a-6', ['create b', 'delete b']]] as const) {
      const lab = freeLab()
      const build = (name: string, size: number) => () => {
        const a = lab.Box('a', { name, size })
        lab.Box('b', { name: 'b' }, { replaceWhen: str`${a.name}` })
      }
      await lab.apply(build('a-5', 1))
      calls(lab)
      const plan = await lab.plan(build(next, 2))
      expect(said(plan)).toEqual(['update a', 'maybe create-first b'])
      expect(plan.document.changes[1]?.reasons).toEqual(['replaceWhen is made of a.name, which is not known yet'])
      expect(await lab.apply(build(next, 2))).toMatchObject({ outcome: 'applied' })
      expect(calls(lab)).toEqual([`update ${next}`, ...made])
      await settles(lab, build(next, 2))
    }
  })
})

describe('ignore', () => {
  test('what is ignored stands as it stood, whatever the program says, and the rest is changed', async () => {
    const lab = freeLab()
    const build = (size: number, team: string, zone = 'x', deleteFirst = false) => () => void lab.Box('a', { name: 'a', size, zone, labels: { team, other: team } }, { ignore: ['size', 'labels.team', 'nothing[3].at.all'], deleteFirst })
    await lab.apply(build(1, 'one'))
    calls(lab)
    const plan = await lab.plan(build(2, 'two'))
    expect(plan.document.changes).toMatchObject([{ action: 'update', paths: [{ path: 'labels.other', before: 'one', after: 'two' }] }])
    await lab.apply(build(2, 'two'))
    expect(lab.cloud.content).toEqual(['a=1'])
    expect(await showResource(lab.cx, 'a')).toMatchObject({ inputs: { size: 1, labels: { team: 'one', other: 'two' } }, options: { ignore: ['size', 'labels.team', 'nothing[3].at.all'] } })
    await settles(lab, build(9, 'two'))
    // A new object gets what stood, too, whichever goes first.
    for (const deleteFirst of [false, true]) {
      await lab.apply(build(7, 'two', `z${deleteFirst}`, deleteFirst))
      expect(lab.cloud.content).toEqual(['a=1'])
      await settles(lab, build(8, 'two', `z${deleteFirst}`, deleteFirst))
    }
  })

  test('* leaves everything, and a value that is not known does not make the node wait', async () => {
    const lab = freeLab()
    const build = (size: number) => () => {
      const first = lab.Box('first', { name: 'first', size })
      lab.Box('a', { name: 'a', size: first.size, zone: str`z${first.size}` }, { ignore: ['*'] })
    }
    await lab.apply(build(1))
    calls(lab)
    expect(said(await lab.plan(build(2)))).toEqual(['update first'])
    await lab.apply(build(2))
    expect(calls(lab)).toEqual(['update first'])
    expect(lab.cloud.content).toEqual(['a=1', 'first=2'])
    await settles(lab, build(2))
  })

  test('a secret that is ignored is neither opened nor changed', async () => {
    const lab = freeLab()
    const build = (secret: string) => () => void lab.Box('a', { name: 'a', secret }, { ignore: ['secret'] })
    await lab.apply(build('first-secret'))
    expect((await lab.apply(build('second-secret'))).outcome).toBe('unchanged')
    expect([...lab.cloud.objects.values()].map((o) => o.secret)).toEqual(['first-secret'])
    await settles(lab, build('third-secret'))
  })
})

test('what a record of options changed is taken back without a call, also where a type cannot update', async () => {
  const lab = makeLab({ class: 'A', more: { claims: () => [], update: undefined as never } })
  await lab.apply(() => void lab.Box('a', { name: 'a' }))
  calls(lab)
  expect(await lab.apply(() => {
    const a = lab.Box('a', { name: 'a' }, { tags: { team: 'x' }, replaceWhen: 'v1', retain: true })
    lab.Box('bad', { name: str`bad${a.size}`, fail: true })
  })).toMatchObject({ outcome: 'reverted' })
  expect(calls(lab)).toEqual(['create bad1'])
  expect(exitCodeOf(await lab.apply(() => void lab.Box('a', { name: 'a' })))).toBe(0)
  expect((await readStatus(lab.cx)).openRun).toBeNull()
  await holds(lab)
})
