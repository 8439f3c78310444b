import { describe, expect, test } from 'vitest'
import { beginRun, makePlan, setSecret, showResource } from '../../src/engine/index.ts'
import { app, buildGraph, str } from '../../src/program/index.ts'
import { type Lab, makeLab, never } from '../support/world.ts'
import { calls, dies, freeLab, holds, one, said, settles } from './holds.ts'

async function marked(lab: Lab, tainted: boolean, ...addresses: string[]) {
  const session = await lab.session()
  try {
    return await session.taint(addresses, tainted)
  } finally {
    await session.end()
  }
}

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
