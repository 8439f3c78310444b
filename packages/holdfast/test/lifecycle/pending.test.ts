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

  describe('goes last although it refers to what goes first, because', () => {
    /** `mid` got another object in a run that was kept, and what referred to the old one was not reached. */
    const kept = async (build: (lab: Lab, step: number, base: Node) => void) => {
      const lab = twinLab()
      Object.assign(lab.cx, { serial: true, parallelism: 1 })
      lab.cloud.strict = true
      const program = (step: number) => () => {
        const base = lab.Box('base', { name: 'base', zone: step === 2 ? 'y' : 'x' }, { deleteFirst: true })
        build(lab, step, base)
      }
      await lab.apply(program(0))
      expect(await lab.apply(program(1), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept', pending: ['mid'] })
      await holds(lab)
      calls(lab)
      return { lab, last: program(2) }
    }
    type Node = ReturnType<Lab['Box']>
    const mid = (lab: Lab, step: number, base: Node) => lab.Box('mid', { name: 'mid', zone: step === 0 ? 'x' : 'y' }, step === 1 ? {} : { dependsOn: [base] })
    const late = (lab: Lab, step: number) => (step === 1 ? { dependsOn: [lab.Box('bad', { name: 'bad', fail: true })] } : {})

    const used = () => kept((lab, step, base) => {
      const { id } = mid(lab, step, base)
      lab.Box('user', { name: 'user', on: id }, late(lab, step))
    })

    test('an object still refers to it that is only changed after that', async () => {
      const { lab, last } = await used()
      expect(await lab.apply(last)).toMatchObject({ outcome: 'applied', pending: [] })
      expect(calls(lab)).toEqual(['delete base', 'create base', 'update user', 'delete mid'])
      await settles(lab, last)
    })

    test('such an object was written since, but not to refer to the new one (a taint)', async () => {
      const { lab, last } = await used()
      await mark(lab, true, 'user')
      expect(await lab.apply(last)).toMatchObject({ outcome: 'applied', pending: [] })
      expect(calls(lab)).toEqual(['delete base', 'create base', 'create user', 'delete user', 'delete mid'])
      await settles(lab, last)
    })

    test('an object still refers to it that leaves the program, and goes last because of another', async () => {
      const { lab, last } = await kept((lab, step, base) => {
        const { id } = mid(lab, step, base)
        const leaf = step === 0 ? lab.Box('leaf', { name: 'leaf', on: id }) : undefined
        lab.Box('top', { name: 'top', ...(leaf ? { on: leaf.id } : {}) }, late(lab, step))
      })
      expect(await lab.apply(last)).toMatchObject({ outcome: 'applied', pending: [] })
      expect(calls(lab).slice(-2)).toEqual(['delete leaf', 'delete mid'])
      await settles(lab, last)
    })
  })

  test('goes first where what refers to it can be changed before', async () => {
    const lab = twinLab()
    lab.cloud.strict = true
    const program = (step: number) => () => {
      const base = lab.Box('base', { name: 'base', zone: step === 2 ? 'y' : 'x' }, { deleteFirst: true })
      const { id } = lab.Box('mid', { name: 'mid', zone: step === 0 ? 'x' : 'y', ...(step === 0 ? { on: base.id } : {}) })
      lab.Box('user', { name: 'user', on: id }, step === 1 ? { dependsOn: [lab.Box('bad', { name: 'bad', fail: true })] } : {})
    }
    await lab.apply(program(0))
    expect(await lab.apply(program(1), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept', pending: ['mid'] })
    calls(lab)
    expect(await lab.apply(program(2))).toMatchObject({ outcome: 'applied', pending: [] })
    expect(calls(lab)).toEqual(['update user', 'delete mid', 'delete base', 'create base'])
    await settles(lab, program(2))
  })
})
