import { describe, expect, test } from 'vitest'
import { listResources, showRun } from '../../src/engine/index.ts'
import { buildGraph, component, forgetHooks, hook, str, type HookContext } from '../../src/program/index.ts'
import { z } from 'zod'
import { makeLab, type Lab } from '../support/world.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

/** Functions of the program that run before and after steps: spec/engine.md 2.5. */
let serial = 0
const named = (what: string) => `${what}-${++serial}`

/** A hook that notes what it was told, and the name it has. */
function noting(what = 'note', answer: (c: HookContext) => unknown = () => undefined) {
  const seen: HookContext[] = []
  const name = named(what)
  return { seen, name, it: hook(name, (c) => {
    seen.push(c)
    return answer(c) as undefined
  }) }
}
const failing = (what: string, text = 'no') => hook(named(what), () => { throw new Error(text) })
const calls = (lab: Lab) => lab.cloud.calls.splice(0)

describe('hooks', () => {
  test('run around every step of their node, with what the step knows, and are named in the plan and in the run', async () => {
    const lab = makeLab()
    const n = noting()
    const hooks = { beforeCreate: n.it, afterCreate: n.it, beforeUpdate: n.it, afterUpdate: n.it, beforeDelete: n.it, afterDelete: n.it }
    const build = (size: number) => () => void lab.Box('a', { name: 'a', size, secret: 'top-secret' }, { hooks })
    expect((await lab.plan(build(1))).document.changes).toMatchObject([{ action: 'create', hooks: { beforeCreate: n.name, afterCreate: n.name } }])
    const doc = await lab.apply(build(1))
    expect(doc.tasks).toMatchObject([{ outcome: 'succeeded', hooks: { beforeCreate: n.name, afterCreate: n.name } }])
    await lab.apply(build(2))
    await lab.apply(() => undefined)
    expect(n.seen.map((c) => [c.op, c.address, c.inputs.size, c.inputs.secret, c.outputs?.size])).toEqual([
      ['create', 'a', 1, 'top-secret', undefined], ['create', 'a', 1, 'top-secret', 1],
      ['update', 'a', 2, 'top-secret', 1], ['update', 'a', 2, 'top-secret', 2],
      ['delete', 'a', 2, 'top-secret', 2], ['delete', 'a', 2, 'top-secret', 2],
    ])
  })

  test('what refers to a node with hooks has its outputs, when it is made and when it is changed', async () => {
    const lab = makeLab()
    const n = noting()
    const build = (size: number) => () => {
      const a = lab.Box('a', { name: 'a', size }, { hooks: { afterCreate: n.it, afterUpdate: n.it } })
      lab.Box('b', { name: str`of-${a.name}-${a.size}` })
    }
    expect(await lab.apply(build(1))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['a=1', 'of-a-1=1'])
    expect(await lab.apply(build(2))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['a=2', 'of-a-2=1'])
  })

  test('a failing hook before a step fails it, and no provider is called', async () => {
    const lab = makeLab()
    const beforeCreate = failing('before', 'the disk is full')
    const doc = await lab.apply(() => void lab.Box('a', { name: 'a' }, { hooks: { beforeCreate } }))
    expect(doc).toMatchObject({ outcome: 'reverted', error: { code: 'HF3120' }, tasks: [{ outcome: 'failed' }] })
    expect(lab.cloud.calls).toEqual([])
    expect((await showRun(lab.cx, doc.run as string)).tasks).toMatchObject([{ address: 'a', state: 'failure', failure: expect.stringContaining('is full') }])
  })

  test('a failing hook after a step lets the step stand and the run fail, which takes the step back', async () => {
    const lab = makeLab()
    const afterCreate = failing('after')
    const build = () => void lab.Box('a', { name: 'a' }, { hooks: { afterCreate } })
    expect(await lab.apply(build)).toMatchObject({ outcome: 'reverted', error: { code: 'HF3120' } })
    expect(calls(lab)).toEqual(['create a', 'delete a'])
    expect(await lab.apply(build, { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
    expect(lab.cloud.content).toEqual(['a=1'])
    expect((await listResources(lab.cx)).map((r) => r.status)).toEqual(['ready'])
  })

  test('one that did not end well after a step is run again by the next apply, also when the process died before it', async () => {
    const lab = makeLab()
    let bad = true
    const seen: string[] = []
    const name = named('register')
    const it = hook(name, (c) => {
      seen.push(`${c.op} ${c.outputs?.size}`)
      if (bad) throw new Error('not now')
    })
    const build = (size: number) => () => void lab.Box('a', { name: 'a', size }, { hooks: { afterCreate: it, afterUpdate: it } })
    expect(await lab.apply(build(1), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
    expect((await lab.plan(build(1))).document.changes).toMatchObject([{ action: 'update', hooks: { afterCreate: name }, reasons: [`its hook ${name} (afterCreate) has not ended well yet`] }])
    expect(await lab.apply(build(1))).toMatchObject({ outcome: 'reverted', error: { code: 'HF3120' } })
    bad = false
    calls(lab)
    expect(await lab.apply(build(1))).toMatchObject({ outcome: 'applied', tasks: [{ hooks: { afterCreate: name } }] })
    expect([calls(lab), seen, (await lab.plan(build(1))).empty]).toEqual([[], ['create 1', 'create 1', 'create 1'], true])

    const commit = lab.store.commit.bind(lab.store)
    lab.store.commit = async (entries, options) => {
      if (entries.some((e) => e.t === 'resource.put' && e.docs === undefined)) throw new Error('the process dies') // what would say that the hook has run
      return commit(entries, options)
    }
    await expect(lab.apply(build(2))).rejects.toThrow('dies')
    lab.store.commit = commit
    const next = lab.again()
    expect(await next.apply(build(2))).toMatchObject({ outcome: 'applied' })
    expect([seen.slice(3), calls(lab), (await next.plan(build(2))).empty]).toEqual([['update 2', 'update 2'], ['update a'], true])
    expect((await lab.store.doctor()).filter((c) => !c.ok)).toEqual([])
  })

  test('taking back runs no hooks', async () => {
    const lab = makeLab()
    const n = noting()
    const doc = await lab.apply(() => {
      const a = lab.Box('a', { name: 'a' }, { hooks: { beforeDelete: n.it, afterDelete: n.it } })
      lab.Box('b', { name: 'b', fail: true }, { dependsOn: [a] })
    })
    expect(doc.outcome).toBe('reverted')
    expect(n.seen).toEqual([])
  })

  test('what left the program runs its hooks when it is deleted; a hook that is not declared any more refuses the plan', async () => {
    const lab = makeLab()
    const n = noting('bye')
    await lab.apply(() => void lab.Box('a', { name: 'a' }, { hooks: { beforeDelete: n.it } }))
    expect((await lab.plan(() => undefined)).document.changes).toMatchObject([{ action: 'delete', hooks: { beforeDelete: n.name } }])
    forgetHooks()
    await expect(lab.plan(() => undefined)).rejects.toMatchObject({ code: 'HF2122', address: 'a', message: expect.stringContaining(n.name) })
    hook(n.name, (c) => void n.seen.push(c))
    expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: [] })
    expect(n.seen.map((c) => c.op)).toEqual(['delete'])
  })

  test('a failing hook before a delete keeps the object on the list of what is to go', async () => {
    const lab = makeLab()
    let bad = true
    const h = hook(named('drain'), () => { if (bad) throw new Error('still busy') })
    await lab.apply(() => void lab.Box('a', { name: 'a' }, { hooks: { beforeDelete: h } }))
    expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: ['a'], error: { code: 'HF3120' } })
    expect(lab.cloud.content).toEqual(['a=1'])
    bad = false
    expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: [] })
    expect(lab.cloud.content).toEqual([])
  })

  test('onError may ask for another attempt, of deletions too', async () => {
    const lab = makeLab({ clock: new VirtualClock() })
    const n = noting('again', () => 'retry')
    const build = () => void lab.Box('a', { name: 'a' }, { hooks: { onError: n.it } })
    lab.cloud.fault('create a', 'reject', 'reject')
    expect(await lab.apply(build)).toMatchObject({ outcome: 'applied', tasks: [{ attempts: 3 }] })
    expect(n.seen.map((c) => [c.op, c.attempt, c.error?.code])).toEqual([['create', 1, 'HF3101'], ['create', 2, 'HF3101']])
    lab.cloud.fault('delete a', 'reject')
    expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: [] })
    const giving = noting('up', () => undefined)
    lab.cloud.fault('create b', 'reject')
    expect(await lab.apply(() => void lab.Box('b', { name: 'b' }, { hooks: { onError: giving.it } }))).toMatchObject({ outcome: 'reverted', error: { code: 'HF3101' } })
    expect(giving.seen.length).toBe(1)
  })

  test('run under the deadline of their step', async () => {
    const lab = makeLab({ clock: new VirtualClock() })
    const h = hook(named('slow'), () => new Promise(() => undefined))
    const doc = await lab.apply(() => void lab.Box('a', { name: 'a' }, { timeout: '5s', hooks: { beforeCreate: h } }))
    expect(doc).toMatchObject({ outcome: 'reverted', error: { code: 'HF3120', message: expect.stringContaining('deadline') } })
    expect(lab.cloud.calls).toEqual([])
  })

  test('have the time of their step once more where the call used it up, and had happened', async () => {
    const lab = makeLab({ clock: new VirtualClock() })
    const n = noting('late', (c) => void expect(c.signal.aborted).toBe(false))
    lab.cloud.fault('create a', 'hang')
    expect(await lab.apply(() => void lab.Box('a', { name: 'a' }, { timeout: '5s', hooks: { afterCreate: n.it } }))).toMatchObject({ outcome: 'applied' })
    expect(n.seen.length).toBe(1)
  })

  test('what they log and throw is redacted', async () => {
    const lab = makeLab()
    const h = hook(named('tell'), (c) => {
      c.log(`it is ${c.inputs.secret}`)
      throw new Error(`not ${c.inputs.secret}`)
    })
    const doc = await lab.apply(() => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('b', { name: 'b', secret: a.token }, { hooks: { beforeCreate: h } })
    })
    expect(doc.error?.code).toBe('HF3120')
    expect(JSON.stringify([doc, lab.events])).not.toContain('token-of-o1')
    expect(lab.events.some((e) => e.type === 'log' && e.message?.startsWith('it is '))).toBe(true)
  })

  test('only their names are recorded: another function of the same name is no change, another name is one that calls nobody', async () => {
    const lab = makeLab()
    const one = hook('same-name', () => void 1)
    await lab.apply(() => void lab.Box('a', { name: 'a' }, { hooks: { afterUpdate: one } }))
    expect((await lab.plan(() => void lab.Box('a', { name: 'a' }, { hooks: { afterUpdate: { $hook: 'same-name' } } }))).empty).toBe(true)
    calls(lab)
    const afterUpdate = noting().it
    const other = () => void lab.Box('a', { name: 'a' }, { hooks: { afterUpdate } })
    expect((await lab.plan(other)).document.changes).toMatchObject([{ action: 'update', reasons: ['only its options or dependencies differ'] }])
    await lab.apply(other)
    expect(calls(lab)).toEqual([])
  })

  test('of a component hold for its nodes; a node may name others', async () => {
    const lab = makeLab()
    const [outer, inner] = [noting('outer'), noting('inner')]
    const Pair = component('Pair', { inputs: z.object({}), build: () => {
      lab.Box('a', { name: 'a' })
      lab.Box('b', { name: 'b' }, { hooks: { beforeCreate: inner.it } })
      return {}
    } })
    const g = buildGraph(lab.app(() => void Pair('p', {}, { hooks: { beforeCreate: outer.it, afterCreate: outer.it } })), {})
    expect(g.nodes.get('p/a')?.options.hooks).toEqual({ beforeCreate: outer.name, afterCreate: outer.name })
    expect(g.nodes.get('p/b')?.options.hooks).toEqual({ beforeCreate: inner.name, afterCreate: outer.name })
  })

  test('are declared once, with a function, and named by what hook() gave', () => {
    const lab = makeLab()
    const name = named('once')
    hook(name, () => undefined)
    expect(() => hook(name, () => void 'another')).toThrow(expect.objectContaining({ code: 'HF1120' }))
    expect(() => hook(named('none'), 'text' as never)).toThrow(expect.objectContaining({ code: 'HF1120' }))
    const bad = (options: object) => () => buildGraph(lab.app(() => void lab.Box('a', { name: 'a' }, options as never)), {})
    expect(bad({ hooks: { beforeCreate: name } })).toThrow(expect.objectContaining({ code: 'HF1208' }))
    expect(bad({ hooks: { beforeRead: { $hook: name } } })).toThrow(expect.objectContaining({ code: 'HF1208' }))
    expect(bad({ hooks: [] })).toThrow(expect.objectContaining({ code: 'HF1208' }))
  })
})
