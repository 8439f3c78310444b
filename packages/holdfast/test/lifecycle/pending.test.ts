import { describe, expect, test } from 'vitest'
import { readStatus } from '../../src/engine/index.ts'
import { EnvState } from '../../src/resource/index.ts'
import { makeLab, type Lab } from '../support/world.ts'
import { calls, holds, said, settles } from './holds.ts'

/** Two objects of one node can stand side by side. */
const twinLab = () => makeLab({ class: 'A', more: { claims: () => [] } })

/** `a` was replaced, and its old object could not be deleted: both exist. */
async function twins(lab: Lab, others: () => unknown = () => undefined, taint = false): Promise<() => unknown> {
  const build = (zone: string) => () => {
    lab.Box('a', { name: 'a', zone })
    others()
  }
  await lab.apply(build('x'))
  if (taint) await mark(lab, true, 'a')
  lab.cloud.fault('delete a', 'reject')
  expect(await lab.apply(build('y'))).toMatchObject({ outcome: 'applied', pending: ['a'] })
  await holds(lab)
  calls(lab)
  return build('y')
}

async function mark(lab: Lab, tainted: boolean, ...addresses: string[]) {
  const session = await lab.session()
  try {
    return await session.taint(addresses, tainted)
  } finally {
    await session.end()
  }
}

describe('an object that is still to be deleted', () => {
  test('E3#24 and its live twin, which leaves the program: both are deleted, each once', async () => {
    const lab = twinLab()
    await twins(lab)
    const ids = [...lab.cloud.objects.keys()]
    expect(ids.length).toBe(2)
    expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['delete a', 'delete a'])
    expect([...lab.cloud.deleted].sort()).toEqual(ids.sort())
    await settles(lab, () => undefined)
  })

  test('E3#25 a destroy of another target leaves it', async () => {
    const lab = twinLab()
    const build = await twins(lab, () => void lab.Box('other', { name: 'other' }))
    const doc = await lab.destroy({ request: { targets: ['other'] } })
    expect(doc).toMatchObject({ outcome: 'applied', pending: ['a'] })
    expect(calls(lab)).toEqual(['delete other'])
    expect(lab.cloud.content).toEqual(['a=1', 'a=1'])
    expect((await readStatus(lab.cx)).pendingDeletes).toEqual(['a'])
    await holds(lab)
    // It goes with the next apply that is not narrowed.
    expect(await lab.apply(build)).toMatchObject({ outcome: 'applied', pending: [] })
    await settles(lab, build)
  })

  test('E3#25 and a target that names it takes it along', async () => {
    const lab = twinLab()
    const build = await twins(lab, () => void lab.Box('other', { name: 'other' }))
    expect(await lab.apply(build, { request: { targets: ['a'] } })).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['delete a'])
    await settles(lab, build)
  })

  test('E3#26 it and its live twin are tainted: the live one is replaced once, the other only deleted', async () => {
    const lab = twinLab()
    const build = await twins(lab, undefined, true)
    await mark(lab, true, 'a')
    const rows = [...(await EnvState.load(lab.cx)).current.values()].map((r) => [r.status, r.meta.tainted])
    expect(rows.sort()).toEqual([['deleting', true], ['ready', true]])
    const plan = await lab.plan(build)
    expect([said(plan), plan.document.pending]).toEqual([['replace create-first a'], ['a']])
    expect(await lab.apply(build)).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['create a', 'delete a', 'delete a'])
    expect(lab.cloud.content).toEqual(['a=1'])
    await settles(lab, build)
  })

  test('E3#26 it is retained when that is what its node said: it is forgotten, and nobody tries to delete it', async () => {
    // Not in the list: a retained old object is on the list of what is to go until the commit, and no longer.
    const lab = twinLab()
    const build = (zone: string) => () => void lab.Box('a', { name: 'a', zone }, { retain: true })
    await lab.apply(build('x'))
    calls(lab)
    expect(await lab.apply(build('y'))).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['create a'])
    await settles(lab, build('y'), { retained: ['a'] })
  })
})
