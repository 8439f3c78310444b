import { describe, expect, test } from 'vitest'
import { readDrift, readStatus } from '../../src/engine/index.ts'
import { EnvState } from '../../src/resource/index.ts'
import { makeLab, type Lab } from '../support/world.ts'
import { calls, dies, diesBefore, holds, settles } from './holds.ts'

// A failed apply is taken back, so a replacement is left half-done only by a process that died, or that could not take it back. Where other engines keep a
// record "pending replacement", the open run has rows of its own, and the next apply takes that run over.

/** Objects are found by their name, so nothing is sent again that was lost; and none is deleted that is referred to. */
function strictLab(): Lab {
  const lab = makeLab({ class: 'B', more: { replaceOn: ['zone', 'on'] } })
  lab.cloud.strict = true
  return lab
}

const build = (lab: Lab, zone: string, more: { readonly size?: number; readonly without?: 'a' | 'b'; readonly connection?: boolean } = {}) => () => {
  const connection = more.connection ? lab.Box('connection', { name: 'connection' }) : undefined
  if (more.without === 'a') return
  const a = lab.Box('a', { name: 'a', zone, size: more.size ?? 1, ...(connection ? { on: connection.id } : {}) }, { deleteFirst: true })
  if (more.without !== 'b') lab.Box('b', { name: 'b', on: a.id })
}

/** The old objects are gone, and the new ones were never made: the process died before its first create. */
async function halfway(lab: Lab, connection = false): Promise<void> {
  await lab.apply(build(lab, 'x', { connection }))
  await diesBefore(lab, 'create', 'a', build(lab, 'y', { connection }))
  expect(calls(lab).slice(-2)).toEqual(['delete b', 'delete a'])
  expect(lab.cloud.byName('a') ?? lab.cloud.byName('b')).toBeUndefined()
}

const standing = async (lab: Lab) => [...(await EnvState.load(lab.cx)).current.values()].map((r) => `${r.status} ${r.address}`).sort()

describe('a replacement that was interrupted', () => {
  test('E3#16 a delete that fails leaves everything as it was, and the next apply completes it', async () => {
    const lab = strictLab()
    await lab.apply(build(lab, 'x'))
    calls(lab)
    lab.cloud.fault('delete a', 'reject')
    // B went before A; it is made again when that is taken back.
    expect(await lab.apply(build(lab, 'y'))).toMatchObject({ outcome: 'reverted', reverted: [{ address: 'b', identity: 'new' }], error: { code: 'HF3101', address: 'a' } })
    expect(calls(lab)).toEqual(['delete b', 'delete a', 'create b'])
    expect(await standing(lab)).toEqual(['ready a', 'ready b'])
    expect((await lab.plan(build(lab, 'x'))).empty).toBe(true)
    await holds(lab)
    expect(await lab.apply(build(lab, 'y'))).toMatchObject({ outcome: 'applied' })
    await settles(lab, build(lab, 'y'))
  })

  test('E3#16 also when nobody knows whether the delete happened: then it is looked up', async () => {
    for (const fault of ['lost', 'lost-applied'] as const) {
      const lab = strictLab()
      await lab.apply(build(lab, 'x'))
      lab.cloud.fault('delete a', fault)
      expect(await lab.apply(build(lab, 'y'))).toMatchObject({ outcome: 'applied' })
      expect(lab.cloud.content).toEqual(['a=1', 'b=1'])
      await settles(lab, build(lab, 'y'))
    }
  })

  test('E3#18 what went first is not taken for gone by a look for drift in between', async () => {
    const lab = strictLab()
    await halfway(lab)
    expect((await readDrift(lab.cx)).drifted).toEqual([])
    expect(await lab.apply(build(lab, 'y'), { request: { repair: await readDrift(lab.cx) } })).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['a=1', 'b=1'])
    await settles(lab, build(lab, 'y'))
  })

  test('E3#19 the next program is without the node: it is neither deleted again nor made', async () => {
    const lab = strictLab()
    await halfway(lab)
    expect(await lab.apply(build(lab, 'y', { without: 'a' }))).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual([])
    expect(await standing(lab)).toEqual([])
    await settles(lab, build(lab, 'y', { without: 'a' }))
  })

  test('E3#20 the next program has other inputs: they are what is made, and nothing is deleted again', async () => {
    const lab = strictLab()
    await halfway(lab)
    expect(await lab.apply(build(lab, 'z', { size: 7 }))).toMatchObject({ outcome: 'applied' })
    expect(calls(lab)).toEqual(['create a', 'create b'])
    expect(lab.cloud.content).toEqual(['a=7', 'b=1'])
    await settles(lab, build(lab, 'z', { size: 7 }))
  })

  test('E3#20 run revert brings the old ones back', async () => {
    // Not in the list: elsewhere there is no way back.
    const lab = strictLab()
    await halfway(lab)
    const session = await lab.session()
    const never = new AbortController().signal
    expect(await session.revert({ onFailure: 'revert', stop: never, abort: never })).toMatchObject({ outcome: 'reverted' })
    await session.end()
    expect(calls(lab)).toEqual(['create a', 'create b'])
    expect(lab.cloud.content).toEqual(['a=1', 'b=1'])
    // A has a new id now, and B, which was made again, too, refers to that.
    expect((await lab.plan(build(lab, 'x'))).empty).toBe(true)
    await settles(lab, build(lab, 'x'))
  })

  test('E3#20 a process that dies while it takes back is followed by one that goes on: what is made again refers to what was made again', async () => {
    const lab = strictLab()
    await lab.apply(build(lab, 'x'))
    calls(lab)
    lab.cloud.fault('create b', 'reject')
    await diesBefore(lab, 'create', 'b', build(lab, 'y'), 2)
    expect(calls(lab)).toEqual(['delete b', 'delete a', 'create a', 'create b', 'delete a', 'create a'])
    const session = await lab.session()
    const never = new AbortController().signal
    expect(await session.revert({ onFailure: 'revert', stop: never, abort: never })).toMatchObject({ outcome: 'reverted' })
    await session.end()
    expect((await lab.plan(build(lab, 'x'))).empty).toBe(true)
    await settles(lab, build(lab, 'x'))
  })

  test('E3#21 it is interrupted twice, and completed by the third apply', async () => {
    const lab = strictLab()
    await halfway(lab)
    await dies(lab, 'create a', false, build(lab, 'y'))
    expect(calls(lab)).toEqual(['create a'])
    await dies(lab, 'create b', true, build(lab, 'y'))
    calls(lab)
    expect(await lab.apply(build(lab, 'y'))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['a=1', 'b=1'])
    expect(calls(lab).filter((c) => c.startsWith('delete'))).toEqual([])
    await settles(lab, build(lab, 'y'))
  })

  test('E3#21 two creates that fail are taken back, each time, and then it succeeds', async () => {
    const lab = strictLab()
    await lab.apply(build(lab, 'x'))
    for (let i = 0; i < 2; i++) {
      lab.cloud.fault('create a', 'reject')
      expect(await lab.apply(build(lab, 'y'))).toMatchObject({ outcome: 'reverted' })
      expect(lab.cloud.content).toEqual(['a=1', 'b=1'])
      await holds(lab)
    }
    expect(await lab.apply(build(lab, 'y'))).toMatchObject({ outcome: 'applied' })
    await settles(lab, build(lab, 'y'))
  })

  test('E3#22 it depends on a connection of its own: the state is sound in between, and the next apply completes it', async () => {
    // A provider of its own is a node here (decisions 12.5).
    const lab = strictLab()
    await halfway(lab, true)
    expect((await lab.store.doctor()).filter((c) => !c.ok)).toEqual([])
    expect((await readStatus(lab.cx)).openRun).not.toBeNull()
    expect(await lab.apply(build(lab, 'y', { connection: true }))).toMatchObject({ outcome: 'applied' })
    await settles(lab, build(lab, 'y', { connection: true }))
  })

  test('E3#22 the connection has left the program meanwhile, and what went first with it', async () => {
    const lab = strictLab()
    await halfway(lab, true)
    expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual([])
    await settles(lab, () => undefined)
  })
})
