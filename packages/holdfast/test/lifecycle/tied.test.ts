import { describe, expect, test } from 'vitest'
import { listResources, makePlan } from '../../src/engine/index.ts'
import { resource, str } from '../../src/program/index.ts'
import { completeType, makeRegistry, notOurs } from '../../src/provider/index.ts'
import { boxSpec, type Lab } from '../support/world.ts'
import { calls, dies, freeLab, holds, said, settles } from './holds.ts'

type Options = NonNullable<Parameters<Lab['Box']>[2]>

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

describe('what lies in an object that goes first', () => {
  const kinds = (lab: Lab) => ({ Other: resource(boxSpec(lab.cloud, { type: `${lab.Box.type}Other`, class: 'A', more: { claims: () => ['room'] } })) })

  test('is made anew where it would be changed only after that; the plan says why, and protection is heard', async () => {
    const lab = freeLab({ claims: (i) => (i.size === 9 ? ['room'] : []) })
    const { Other } = kinds(lab)
    Object.assign(lab.cx, { types: makeRegistry([...lab.cx.types.all(), completeType(Other.spec as never, 'program#Other')]) })
    const before = (o: Options = {}) => () => {
      const t = lab.Box('t', { name: 't', size: 9 })
      lab.Box('d', { name: 'd', on: t.id, inside: true }, { deletedWith: t, ...o })
    }
    const after = () => {
      const k = Other('k', { name: 'k' })
      lab.Box('d', { name: 'd', on: k.id, inside: true }, { deletedWith: k })
    }
    await lab.apply(before())
    calls(lab)
    const plan = await lab.plan(after)
    expect(said(plan)).toEqual(['create k', 'replace delete-first d', 'delete t'])
    expect(plan.document.changes[1]?.reasons).toEqual(['t goes first, and it goes with that (deletedWith)'])
    lab.cloud.fault('create d', 'reject')
    expect(await lab.apply(after)).toMatchObject({ outcome: 'reverted' })
    await holds(lab)
    calls(lab)
    expect(await lab.apply(after)).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['delete t', 'create k', 'create d'])
    await settles(lab, after)

    const kept = freeLab({ claims: (i) => (i.size === 9 ? ['room'] : []) })
    Object.assign(kept.cx, { types: makeRegistry([...kept.cx.types.all(), completeType(Other.spec as never, 'program#Other')]) })
    await kept.apply(() => {
      const t = kept.Box('t', { name: 't', size: 9 })
      kept.Box('d', { name: 'd', on: t.id, inside: true }, { deletedWith: t, protect: true })
    })
    await expect(kept.plan(() => {
      const k = Other('k', { name: 'k' })
      kept.Box('d', { name: 'd', on: k.id, inside: true }, { deletedWith: k, protect: true })
    })).rejects.toMatchObject({ code: 'HF5001', address: 'd' })
  })

  test('is only changed where that can be done before', async () => {
    const lab = freeLab({ claims: (i) => (i.size === 9 ? ['room'] : []) })
    const { Other } = kinds(lab)
    Object.assign(lab.cx, { types: makeRegistry([...lab.cx.types.all(), completeType(Other.spec as never, 'program#Other')]) })
    await lab.apply(() => {
      const t = lab.Box('t', { name: 't', size: 9 })
      const d = lab.Box('d', { name: 'd', on: t.id, inside: true }, { deletedWith: t })
      lab.Box('d2', { name: 'd2', on: d.id, inside: true }, { deletedWith: d })
    })
    calls(lab)
    const after = () => {
      Other('k', { name: 'k' })
      lab.Box('d2', { name: 'd2' })
    }
    expect(said(await lab.plan(after))).toEqual(['create k', 'update d2', 'delete d', 'delete t'])
    expect(await lab.apply(after)).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['update d2', 'delete t', 'create k'])
  })

  test('and is not to be touched: the plan is refused, whatever the program says of it now', async () => {
    const lab = freeLab()
    await lab.apply(() => {
      const t = lab.Box('t', { name: 't' })
      lab.Box('d', { name: 'd', on: t.id, inside: true }, { deletedWith: t })
    })
    const after = () => {
      const t = lab.Box('t', { name: 't', zone: 'y' }, { deleteFirst: true })
      lab.Box('d', { name: 'd' }, { dependsOn: [t] })
    }
    await expect(lab.plan(after, { targets: ['t'] })).rejects.toMatchObject({ code: 'HF2107', address: 'd' })
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
