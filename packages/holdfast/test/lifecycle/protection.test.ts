import { describe, expect, test } from 'vitest'
import { listResources, loadPlan, makePlan } from '../../src/engine/index.ts'
import { buildGraph, str } from '../../src/program/index.ts'
import { makeLab, never } from '../support/world.ts'
import { calls, freeLab, holds, one, said, settles } from './holds.ts'

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
