import { describe, expect, test } from 'vitest'
import { listResources, readStatus } from '../../src/engine/index.ts'
import { str } from '../../src/program/index.ts'
import { another, dies } from '../support/deaths.ts'
import { inSession, type Lab, makeLab, resume, revert, strictLab } from '../support/world.ts'

/** What the simulation found in the engine, one small test each (the seeds themselves go stale with any change): taking back. */

describe('taking back', () => {
  test('a secret of another node in what was deleted to make room does not look changed afterwards', async () => {
    const lab = makeLab()
    const program = (zone: string, fail: boolean) => () => {
      const a = lab.Box('a', { name: 'a' })
      const b = lab.Box('b', { name: 'b', zone, secret: a.token })
      if (fail) lab.Box('bad', { name: str`bad${b.size}`, fail })
    }
    await lab.apply(program('a', false))
    expect(await lab.apply(program('z', true))).toMatchObject({ outcome: 'reverted' })
    expect((await lab.plan(program('a', false))).document.changes).toEqual([])
  })

  test('an object that the open run made and then set aside for another goes, too', async () => {
    const lab = makeLab()
    const program = (name: string, zone: string) => () => {
      const a = lab.Box('a', { name, zone })
      lab.Box('bad', { name: str`bad${a.size}`, fail: true })
    }
    lab.cloud.fault('delete x', 'reject')
    expect(await lab.apply(program('x', 'a'))).toMatchObject({ outcome: 'incomplete' })
    expect(await lab.apply(program('y', 'b'))).toMatchObject({ outcome: 'reverted' })
    expect(lab.cloud.content).toEqual([])
  })

  test('nothing is deleted while an object that was changed still refers to it', async () => {
    const lab = strictLab()
    const program = (a: { name: string; zone: string }, fail: boolean) => () => {
      const box = lab.Box('a', a)
      const user = lab.Box('user', { name: str`user-of-${box.id}` })
      if (fail) lab.Box('bad', { name: str`bad${user.size}`, fail })
    }
    await lab.apply(program({ name: 'x', zone: 'a' }, false))
    lab.cloud.calls.length = 0
    expect(await lab.apply(program({ name: 'y', zone: 'b' }, true))).toMatchObject({ outcome: 'reverted' })
    expect(lab.cloud.content).toEqual(['user-of-o1=1', 'x=1'])
    expect(lab.cloud.calls.slice(-2)).toEqual(['update user-of-o1', 'delete y'])
  })

  test('what an earlier run made is kept while a creation that refers to it is not settled', async () => {
    const lab = makeLab({ class: 'D' })
    lab.cloud.fault('delete a', 'reject')
    expect(await lab.apply(() => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('bad', { name: str`bad-${a.id}`, fail: true })
    })).toMatchObject({ outcome: 'incomplete' })
    lab.cloud.fault('create b-of-o1', 'lost-applied')
    expect(await lab.apply(() => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('b', { name: str`b-of-${a.id}` })
    })).toMatchObject({ outcome: 'incomplete', error: { code: 'HF3103' } })
    expect(lab.cloud.content).toEqual(['a=1', 'b-of-o1=1'])
  })

  test('what a plan changes is kept while an earlier creation that refers to it is not settled', async () => {
    const lab = makeLab({ class: 'D' })
    const program = (fail: boolean) => () => {
      const a = lab.Box('a', { name: 'a', size: fail ? 2 : 1, fail })
      lab.Box('b', { name: str`b-of-${a.id}` })
    }
    lab.cloud.fault('create b-of-o1', 'lost-applied')
    expect(await lab.apply(program(false))).toMatchObject({ outcome: 'incomplete', error: { code: 'HF3103' } })
    expect(await lab.apply(program(true))).toMatchObject({ outcome: 'incomplete' })
    expect(lab.cloud.content).toEqual(['a=1', 'b-of-o1=1'])
  })

  test('that broke off leaves the base as it was, and can be done again', async () => {
    const lab = makeLab()
    const program = (size: number, fail: boolean) => () => {
      const a = lab.Box('a', { name: 'x', size })
      if (fail) lab.Box('bad', { name: str`bad${a.size}`, fail })
    }
    await lab.apply(program(1, false))
    const cloud = lab.cloud
    const run = cloud.run.bind(cloud)
    let updates = 0
    cloud.run = (call, signal, act, partial) => {
      if (call === 'update x' && ++updates === 2) cloud.fault(call, 'lost', 'reject')
      return run(call, signal, act, partial)
    }
    expect(await lab.apply(program(5, true))).toMatchObject({ outcome: 'incomplete' })
    expect(await revert(lab)).toMatchObject({ outcome: 'reverted' })
    expect(cloud.content).toEqual(['x=1'])
    expect(await listResources(lab.cx)).toMatchObject([{ address: 'a', status: 'ready' }])
    expect((await lab.plan(program(1, false))).empty).toBe(true)
  })

  test('an object that a repair made anew goes before the one of the base is made again', async () => {
    const lab = makeLab()
    const base = () => void lab.Box('a', { name: 'x' })
    await lab.apply(base)
    lab.cloud.objects.clear()
    const doc = await lab.apply(() => {
      const a = lab.Box('a', { name: 'x' })
      lab.Box('bad', { name: str`bad${a.size}`, fail: true })
    }, { request: { repair: { drifted: [{ address: 'a', kind: 'gone', paths: [] }] } } })
    expect(doc.outcome).toBe('reverted')
    expect(lab.cloud.content).toEqual(['x=1'])
    expect((await lab.plan(base)).empty).toBe(true)
  })

  test('a run that has begun to take back is not resumed with its old plan', async () => {
    const lab = makeLab()
    lab.cloud.fault('delete x', 'reject')
    const doc = await lab.apply(() => {
      const a = lab.Box('a', { name: 'x' })
      lab.Box('bad', { name: str`bad${a.size}`, fail: true })
    })
    expect(doc.outcome).toBe('incomplete')
    await expect(resume(lab)).rejects.toMatchObject({ code: 'HF2401' })
    expect(await revert(lab)).toMatchObject({ outcome: 'reverted' })
    expect(lab.cloud.content).toEqual([])
  })
})

test('tags that are taken back call nobody, and make no second object of a type that cannot be updated', async () => {
  for (const update of [true, false]) {
    const lab = makeLab({ more: update ? {} : { update: undefined as never, claims: () => [] } })
    await lab.apply(() => void lab.Box('a', { name: 'a' }))
    lab.cloud.calls.length = 0
    const doc = await lab.apply(() => {
      const a = lab.Box('a', { name: 'a' }, { tags: { k: 'v' } })
      lab.Box('b', { name: 'b', fail: true }, { dependsOn: [a] })
    })
    expect(doc.outcome).toBe('reverted')
    expect(lab.cloud.calls.filter((c) => c.endsWith(' a'))).toEqual([])
    expect(lab.cloud.content).toEqual(['a=1'])
  }
})

describe('what went to make room stays away while nobody knows whether its successor is there', () => {
  /** The old box has gone first, and the answer about the new one was lost. */
  async function lostSuccessor(applied: boolean) {
    const lab = makeLab({ class: 'D' })
    const program = (name: string, zone: string, more = false) => () => {
      lab.Box('a', { name, zone }, { deleteFirst: true })
      if (more) lab.Box('bad', { name: 'bad', fail: true })
    }
    await lab.apply(program('x', 'a'))
    lab.cloud.fault('create y', applied ? 'lost-applied' : 'lost')
    expect(await lab.apply(program('y', 'b'))).toMatchObject({ outcome: 'incomplete', error: { code: 'HF3103' } })
    expect(await revert(lab)).toMatchObject({ outcome: 'incomplete', error: { code: 'HF3103', address: 'a' } })
    expect(await lab.apply(program('y', 'b', true))).toMatchObject({ outcome: 'incomplete' })
    expect(lab.cloud.content).toEqual(applied ? ['y=1'] : [])
    const [tx] = await lab.store.txs({ unresolved: true })
    return { lab, program, token: tx?.token as string }
  }

  test('it is there, and stays', async () => {
    const { lab, program, token } = await lostSuccessor(true)
    await inSession(lab, (s) => s.settle(token, { kind: 'adopt', id: lab.cloud.byName('y')?.id as string }))
    expect(await lab.apply(program('y', 'b'))).toMatchObject({ outcome: 'applied' })
    expect((await lab.plan(program('y', 'b'))).empty).toBe(true)
    expect(lab.cloud.content).toEqual(['y=1'])
  })

  test('it is there, and goes before the old one is made again', async () => {
    const { lab, token } = await lostSuccessor(true)
    await inSession(lab, (s) => s.settle(token, { kind: 'adopt', id: lab.cloud.byName('y')?.id as string }))
    lab.cloud.calls.length = 0
    expect(await revert(lab)).toMatchObject({ outcome: 'reverted' })
    expect(lab.cloud.calls).toEqual(['delete y', 'create x'])
    expect(lab.cloud.content).toEqual(['x=1'])
  })

  test('it is not there: the old one is made again', async () => {
    const { lab, token } = await lostSuccessor(false)
    await inSession(lab, (s) => s.settle(token, { kind: 'absent' }))
    expect(await revert(lab)).toMatchObject({ outcome: 'reverted' })
    expect(lab.cloud.content).toEqual(['x=1'])
    expect((await lab.store.doctor()).filter((c) => !c.ok)).toEqual([])
  })
})

describe('what has moved comes back before what stood on it', () => {
  const before = (lab: Lab) => () => {
    const a = lab.Box('a', { name: 'a' })
    lab.Box('user', { name: 'user' }, { dependsOn: [a] })
  }
  const after = (lab: Lab, last: object) => () => {
    const moved = lab.Box('moved', { name: 'a', size: 2 }, { movedFrom: ['a'] })
    const user = lab.Box('user', { name: 'user', size: 2 }, { dependsOn: [moved] })
    lab.Box('last', { name: 'last', ...last }, { dependsOn: [user] })
  }

  test('when the run that moved it takes it back', async () => {
    const lab = makeLab()
    await lab.apply(before(lab))
    expect(await lab.apply(after(lab, { fail: true }))).toMatchObject({ outcome: 'reverted' })
    expect(lab.cloud.calls.slice(-2)).toEqual(['update a', 'update user'])
  })

  test('when a later run takes it back', async () => {
    const lab = makeLab({ class: 'D' })
    await lab.apply(before(lab))
    lab.cloud.fault('create last', 'lost')
    expect(await lab.apply(after(lab, {}))).toMatchObject({ outcome: 'incomplete' })
    const [open] = await lab.store.txs({ unresolved: true })
    await inSession(lab, (s) => s.settle(String(open?.token), { kind: 'absent' }))
    expect(await revert(lab)).toMatchObject({ outcome: 'reverted' })
    expect(lab.cloud.calls.slice(-2)).toEqual(['update a', 'update user'])
  })
})

test('what an earlier run of this one deleted comes back after what it stood on, also when only this run changed that', async () => {
  const lab = makeLab({ class: 'D', more: { deleteFirst: true, replaceOn: ['zone'] } })
  const program = (zone: string, user: string, more: boolean) => () => {
    const a = lab.Box('a', { name: 'a', zone })
    lab.Box('user', { name: 'user', zone: user }, { dependsOn: [a] })
    if (more) lab.Box('last', { name: str`last-${a.id}`, fail: true })
  }
  await lab.apply(program('a', 'a', false))
  // The first run deletes the user, and nobody knows whether the new one was made: it was not.
  lab.cloud.fault('create user', 'lost')
  expect(await lab.apply(program('a', 'b', false))).toMatchObject({ outcome: 'incomplete' })
  const [open] = await lab.store.txs({ unresolved: true })
  await inSession(lab, (s) => s.settle(String(open?.token), { kind: 'absent' }))
  lab.cloud.calls.length = 0
  expect(await lab.apply(program('b', 'b', true))).toMatchObject({ outcome: 'reverted' })
  expect(lab.cloud.content).toEqual(['a=1', 'user=1'])
  expect(lab.cloud.calls.slice(-2)).toEqual(['create a', 'create user'])
})

test('what an earlier run of this one deleted comes back when the place that it had is free again', async () => {
  const lab = makeLab({ class: 'D', more: { deleteFirst: true, replaceOn: ['zone'] } })
  const program = (zone: string) => () => void lab.Box('a', { name: 'x', zone })
  await lab.apply(program('a'))
  lab.cloud.fault('create x', 'lost')
  expect(await lab.apply(program('b'))).toMatchObject({ outcome: 'incomplete' })
  const [open] = await lab.store.txs({ unresolved: true })
  await inSession(lab, (s) => s.settle(String(open?.token), { kind: 'absent' }))
  lab.cloud.calls.length = 0
  expect(await lab.apply(() => {
    const v = lab.Box('v', { name: 'x', size: 2 })
    lab.Box('bad', { name: str`bad-${v.size}`, fail: true })
  })).toMatchObject({ outcome: 'reverted' })
  expect(lab.cloud.content).toEqual(['x=1'])
  expect(lab.cloud.calls.slice(-2)).toEqual(['delete x', 'create x'])
})

describe('what failed half-way in the base owns what it is, when it is whole again', () => {
  const patched = { capability: { create: { name: true }, update: 'patch', maxCallMs: 0 } } as const

  test('because it was made anew', async () => {
    const lab = makeLab({ more: patched })
    const program = (name: string, other: string, fail: boolean) => () => {
      lab.Box('a', { name })
      const b = lab.Box('b', { name: other })
      if (fail) lab.Box('bad', { name: str`bad-${b.id}`, fail })
    }
    await lab.apply(program('x', 'b', false))
    lab.cloud.fault('update y', 'partly')
    expect(await lab.apply(program('y', 'b', false), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
    expect(await lab.apply(program('y', 'b', true))).toMatchObject({ outcome: 'reverted' })
    expect(await lab.apply(program('y', 'x', false))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['x=1', 'y=1'])
  })

  test('because what it depends on was made anew', async () => {
    const lab = makeLab({ more: { deleteFirst: true, replaceOn: ['zone'] } })
    const program = (zone: string, name: string, o: { readonly other?: string; readonly fail?: boolean }) => () => {
      const a = lab.Box('a', { name: 'a', zone })
      const b = lab.Box('b', { name }, { dependsOn: [a] })
      if (o.other !== undefined) lab.Box('c', { name: o.other })
      if (o.fail) lab.Box('bad', { name: str`bad-${b.id}`, fail: true })
    }
    await lab.apply(program('a', 'x', {}))
    lab.cloud.fault('update y', 'partly')
    expect(await lab.apply(program('a', 'y', {}), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
    expect(await lab.apply(program('b', 'y', { fail: true }))).toMatchObject({ outcome: 'reverted' })
    expect(await lab.apply(program('a', 'y', { other: 'x' }))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['a=1', 'x=1', 'y=1'])
  })
})

test('a claim that a dead run took on and the next one gives up again is nobody\'s once all of it is taken back', async () => {
  for (const to of ['large', 'middle']) {
    let deaths = 0
    for (let n = 1; ; n++) {
      const lab = makeLab()
      const program = (l: Lab, name: string, fail = false) => () => {
        const a = l.Box('a', { name })
        if (fail) l.Box('b', { name: 'b', secret: a.id, fail })
      }
      await lab.apply(program(lab, 'large'))
      if (!(await dies(lab, program(lab, 'small'), n, 'after'))) break
      deaths++
      const next = another(lab)
      const stood = (await next.store.resources((await next.store.env('lab', 'default'))?.id ?? '', 'committed'))[0]?.meta.claims
      expect((await next.apply(program(next, to, true))).outcome).toBe('reverted')
      expect((await next.store.doctor()).filter((c) => !c.ok), `${to} ${n}`).toEqual([])
      expect((await next.store.claimsOf((await next.store.env('lab', 'default'))?.id ?? '')).map((c) => [c.key, c.until])).toEqual(stood?.map((key) => [key, undefined]))
    }
    expect(deaths).toBeGreaterThan(5)
  }
})

test('what is retained and leaves the program stands once, whenever the run dies, and whether it is taken back or done again', async () => {
  for (const again of [false, true]) for (const when of ['before', 'after'] as const) for (let n = 1; ; n++) {
    const lab = makeLab()
    const wants = () => {
      lab.Box('x', { name: 'x' })
      lab.Box('a', { name: 'a' }, { retain: true })
    }
    const without = () => void lab.Box('x', { name: 'x', size: 2 })
    await lab.apply(wants)
    if (!(await dies(lab, without, n, when))) {
      expect(n).toBeGreaterThan(6)
      break
    }
    const next = another(lab)
    const at = `${when} commit ${n}`
    const open = (await readStatus(next.cx)).openRun !== null
    if (again) expect((await next.apply(without)).outcome, at).toMatch(/^(?:applied|unchanged)$/)
    else if (open) expect(await revert(next), at).toMatchObject({ outcome: 'reverted' })
    expect(next.cloud.calls.filter((c) => c.endsWith(' a') && !c.startsWith('read')), at).toEqual(['create a'])
    expect((await next.store.doctor()).filter((c) => !c.ok), at).toEqual([])
  }
})
