import { describe, expect, test } from 'vitest'
import { systemClock, systemRandom } from '../../src/base/index.ts'
import { beginRun, listResources, makePlan, readStatus } from '../../src/engine/index.ts'
import { buildGraph, resource, str } from '../../src/program/index.ts'
import { MemoryStore } from '../../src/store/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { boxSpec, Cloud, how, inSession, type Lab, makeLab, never } from '../support/world.ts'

/** What the simulation found in the engine, one small test each (the seeds themselves go stale with any change). */

const revert = (lab: Lab) => inSession(lab, (s) => s.revert(how))
const resume = (lab: Lab) => inSession(lab, (s) => s.resume(how))

/** A cloud that refuses to delete a box whose id stands in the name of another. */
function strictLab(o: Pick<NonNullable<Parameters<typeof makeLab>[0]>, 'class' | 'more'> = {}): Lab {
  const cloud = new Cloud()
  return makeLab({
    ...o, cloud,
    more: {
      ...o.more,
      delete: ({ outputs: prior, inputs: i, signal }) => cloud.run(`delete ${i.name}`, signal, () => {
        const user = [...cloud.objects.values()].find((o) => prior.id !== undefined && o.id !== prior.id && o.name.endsWith(`of-${prior.id}`))
        if (user) throw new Error(`${i.name} is used by ${user.name}`)
        if (prior.id) cloud.objects.delete(prior.id)
      }),
    },
  })
}

describe('a call that never answers', () => {
  test('ends at its deadline while a lost call is settled, too', async () => {
    const lab = makeLab({ class: 'A', more: { timeout: '40ms' } })
    lab.cloud.fault('create x', 'lost', 'hang')
    expect(await lab.apply(() => void lab.Box('a', { name: 'x' }))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['x=1'])
  })

  test('ends at its deadline while something is taken back, too', async () => {
    const lab = makeLab({ more: { timeout: '40ms' } })
    lab.cloud.fault('delete x', 'hang')
    const doc = await lab.apply(() => {
      const a = lab.Box('a', { name: 'x' })
      lab.Box('bad', { name: str`bad${a.size}`, fail: true })
    })
    expect(doc.outcome).toBe('reverted')
    expect(lab.cloud.content).toEqual([])
  })
})

test('a lost patch of what no output shows is not taken for undone because the outputs are equal', async () => {
  const lab = makeLab({ more: { capability: { create: { name: true }, update: 'patch', maxCallMs: 0 } } })
  await lab.apply(() => void lab.Box('a', { name: 'x', secret: 'one-secret' }))
  let updates = 0
  const run = lab.cloud.run.bind(lab.cloud)
  lab.cloud.run = (call, signal, act, partial) => {
    if (call === 'update x' && ++updates <= 2) lab.cloud.fault(call, updates === 1 ? 'lost-applied' : 'reject')
    return run(call, signal, act, partial)
  }
  const next = () => void lab.Box('a', { name: 'x', secret: 'other-secret' })
  const doc = await lab.apply(next)
  expect([doc.outcome, lab.cloud.byName('x')?.secret]).not.toEqual(['reverted', 'other-secret'])
  expect(await lab.apply(next)).toMatchObject({ outcome: 'applied' })
  expect(lab.cloud.byName('x')?.secret).toBe('other-secret')
})

describe('what was half done', () => {
  test('an output of the app that is not known after a partial run keeps its former value', async () => {
    const lab = makeLab()
    const doc = await lab.apply(() => {
      lab.Box('a', { name: 'a' })
      return { id: lab.Box('bad', { name: 'bad', fail: true }).id }
    }, { onFailure: 'keep' })
    expect(doc).toMatchObject({ outcome: 'kept', outputs: {} })
  })

  test('what an attempt reported while a lost call was settled is not forgotten: the object is withdrawn', async () => {
    const lab = makeLab()
    lab.cloud.fault('create x', 'lost', 'partly')
    expect(await lab.apply(() => void lab.Box('a', { name: 'x' }))).toMatchObject({ outcome: 'reverted' })
    expect(lab.cloud.content).toEqual([])
    expect(await readStatus(lab.cx)).toMatchObject({ open: [], resources: 0 })
  })

  test('an object whose update failed half-way is updated again, not made anew', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'x' }))
    lab.cloud.fault('update x', 'partly')
    const next = () => void lab.Box('a', { name: 'x', size: 3 })
    expect(await lab.apply(next, { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
    lab.cloud.calls.length = 0
    expect(await lab.apply(next)).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.calls).toEqual(['update x'])
    expect((await lab.plan(next)).empty).toBe(true)
  })

  test('a protected node that turns out to need a new object is refused while it is carried out', async () => {
    const lab = makeLab()
    const program = (size: number) => () => {
      const a = lab.Box('a', { name: 'a', size })
      lab.Box('p', { name: str`p-${a.name}` }, { protect: true })
    }
    lab.cloud.fault('create p-a', 'partly')
    await lab.apply(program(1), { onFailure: 'keep' })
    const plan = await lab.plan(program(2))
    expect(plan.document.changes.map((c) => `${c.action} ${c.address}`)).toEqual(['update a', 'maybe p'])
    const doc = await lab.apply(program(2))
    expect(doc).toMatchObject({ outcome: 'reverted', error: { code: 'HF5001', address: 'p' } })
    expect(lab.cloud.content).toEqual(['a=1', 'p-a=1'])
  })

  test('a protected node that failed half-way can be made anew once the program gives its protection up', async () => {
    const lab = makeLab()
    lab.cloud.fault('create x', 'partly')
    await lab.apply(() => void lab.Box('a', { name: 'x' }, { protect: true }), { onFailure: 'keep' })
    await expect(lab.plan(() => void lab.Box('a', { name: 'x' }, { protect: true }))).rejects.toMatchObject({ code: 'HF5001' })
    expect(await lab.apply(() => void lab.Box('a', { name: 'x' }))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.content).toEqual(['x=1'])
  })
})

test('a creation that left something is not repeated under a key that would make a second one', async () => {
  const lab = makeLab({ class: 'D' })
  lab.cloud.fault('create x', 'partly')
  expect(await lab.apply(() => void lab.Box('a', { name: 'x' }, { retries: 2 }))).toMatchObject({ outcome: 'reverted' })
  expect(lab.cloud.calls).toEqual(['create x', 'delete x'])
  expect(lab.cloud.content).toEqual([])
})

test('a process that was stopped between the intent and the call does not call when its lease has gone to another', async () => {
  let stoppedMs = 0
  const clock = { ...systemClock, now: () => systemClock.now() + stoppedMs }
  const store = new MemoryStore({ clock, random: systemRandom })
  const other = new MemoryStore({ clock, random: systemRandom, tables: store.tables, isDead: () => true })
  store.lease.keep = () => undefined // a stopped process neither renews its lease nor hears that it is gone
  const lab = makeLab({ store, clock })
  const commit = store.commit.bind(store)
  store.commit = async (entries, options) => {
    const done = await commit(entries, options)
    if (!entries.some((e) => e.t === 'tx.open')) return done
    stoppedMs = 60_000
    await other.lease.acquire('lab/default', { ...lab.cx.holder, id: 'h-other' }, 30_000)
    return done
  }
  const doc = await lab.apply(() => void lab.Box('a', { name: 'x' })).catch((e: { code: string }) => ({ error: e }))
  expect(doc.error).toMatchObject({ code: 'HF4203' })
  expect(lab.cloud.calls).toEqual([])
})

test('rows that another command changes while they are read are a failure, not a bug', async () => {
  const lab = makeLab()
  await lab.apply(() => void lab.Box('a', { name: 'x' }))
  lab.store.docs = async (keys) => keys.map(() => undefined)
  await expect(lab.plan(() => void lab.Box('a', { name: 'x', size: 2 }))).rejects.toMatchObject({ code: 'HF2401' })
})

test('what a failed run would keep is no revision yet while an earlier change is not settled: readers do not see that appear in it later', async () => {
  const lab = makeLab({ class: 'D' })
  lab.cloud.fault('create x', 'lost-applied')
  expect(await lab.apply(() => void lab.Box('a', { name: 'x' }))).toMatchObject({ outcome: 'incomplete', error: { code: 'HF3103' } })
  const broken = () => {
    lab.Box('a', { name: 'x' })
    lab.Box('bad', { name: 'bad', fail: true })
  }
  expect(await lab.apply(broken, { onFailure: 'keep' })).toMatchObject({ outcome: 'incomplete', revision: { from: 0, to: 0 } })
  const [open] = (await readStatus(lab.cx)).open
  await inSession(lab, (s) => s.settle(open?.tx as string, { kind: 'adopt', id: 'o1' }))
  expect(await listResources(lab.cx)).toEqual([])
  expect(await lab.apply(broken, { onFailure: 'keep' })).toMatchObject({ outcome: 'kept', revision: { from: 0, to: 1 } })
})

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

describe('claims', () => {
  test('one node gives up in place what another takes, and both are taken back', async () => {
    const lab = makeLab()
    const program = (a: string, b: string, fail: boolean) => () => {
      const one = lab.Box('a', { name: a })
      const two = lab.Box('b', { name: b, size: 2 })
      if (fail) lab.Box('bad', { name: str`bad${one.size}${two.size}`, fail })
    }
    await lab.apply(program('x', 'y', false))
    expect(await lab.apply(program('z', 'x', true))).toMatchObject({ outcome: 'reverted' })
    expect(lab.cloud.content).toEqual(['x=1', 'y=2'])
    lab.cloud.calls.length = 0
    expect(await lab.apply(program('z', 'x', false))).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.calls).toEqual(['update z', 'update x'])
    expect((await lab.store.claims(['box:x', 'box:y', 'box:z'])).map((c) => c?.key)).toEqual(['box:x', undefined, 'box:z'])
  })

  test('of an object that is being taken back come free only when it is as it was', async () => {
    const cloud = new Cloud()
    const owned: boolean[] = []
    const lab: Lab = makeLab({
      cloud,
      more: {
        update: async ({ inputs: i, outputs: prior }) => {
          owned.push((await lab.store.claims(['box:y']))[0] !== undefined)
          const b = cloud.objects.get(prior.id) as NonNullable<ReturnType<typeof cloud.byName>>
          b.name = i.name
          return { id: b.id, name: b.name, size: b.size, token: `token-of-${b.id}` }
        },
      },
    })
    const program = (name: string, fail: boolean) => () => {
      const a = lab.Box('a', { name })
      if (fail) lab.Box('bad', { name: str`bad${a.size}`, fail })
    }
    await lab.apply(program('x', false))
    expect(await lab.apply(program('y', true))).toMatchObject({ outcome: 'reverted' })
    expect(owned).toEqual([true, true])
    expect(await lab.store.claims(['box:y'])).toEqual([undefined])
  })

  test('that an update was to take come free when the update is refused', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'x' }))
    expect(await lab.apply(() => void lab.Box('a', { name: 'y', fail: true }))).toMatchObject({ outcome: 'reverted' })
    expect((await lab.store.claims(['box:x', 'box:y'])).map((c) => c?.key)).toEqual(['box:x', undefined])
  })

  test('of a node that failed half-way are all that it may own, and come free when it is whole', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'x' }))
    lab.cloud.fault('update z', 'partly')
    expect(await lab.apply(() => void lab.Box('a', { name: 'z' }), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
    expect((await lab.store.claims(['box:x', 'box:z'])).map((c) => c?.key)).toEqual(['box:x', 'box:z'])
    lab.cloud.calls.length = 0
    expect(await lab.apply(() => {
      lab.Box('a', { name: 'z' })
      lab.Box('b', { name: 'x' })
    })).toMatchObject({ outcome: 'applied' })
    expect(lab.cloud.calls).toEqual(['update z', 'create x'])
  })

  test('that two nodes exchange in place are refused: each would wait for the other', async () => {
    const lab = makeLab()
    await lab.apply(() => {
      lab.Box('a', { name: 'x' })
      lab.Box('b', { name: 'y' })
    })
    await expect(lab.plan(() => {
      lab.Box('a', { name: 'y' })
      lab.Box('b', { name: 'x' })
    })).rejects.toMatchObject({ code: 'HF2104', details: { nodes: ['a', 'b'] } })
  })

  test('an object that must go first goes after those that refer to it now and will not any more', async () => {
    const cloud = new Cloud()
    const Crate = resource(boxSpec(cloud, { type: 'test:Crate' }))
    const lab = makeLab({ cloud, types: [{ type: Crate.type, spec: Crate.spec }] })
    await lab.apply(() => {
      const a = lab.Box('a', { name: 'x' })
      lab.Box('user', { name: str`user-of-${a.id}` })
    })
    cloud.calls.length = 0
    expect(await lab.apply(() => {
      lab.Box('user', { name: 'user' })
      Crate('b', { name: 'x' })
    })).toMatchObject({ outcome: 'applied' })
    expect(cloud.calls).toEqual(['update user', 'delete x', 'create x'])
  })

  test('an object that something which stays refers to is not taken along by one that must go first', async () => {
    const cloud = new Cloud()
    const Crate = resource(boxSpec(cloud, { type: 'test:Crate2' }))
    const lab = makeLab({ cloud, types: [{ type: Crate.type, spec: Crate.spec }] })
    await lab.apply(() => {
      const a = lab.Box('a', { name: 'x' })
      const b = lab.Box('b', { name: str`b-of-${a.id}` })
      lab.Box('c', { name: str`c-of-${b.id}` })
    })
    cloud.calls.length = 0
    expect(await lab.apply(() => {
      const a = Crate('a2', { name: 'x' })
      const b = lab.Box('b2', { name: str`b2-of-${a.id}` })
      lab.Box('c', { name: str`c-of-${b.id}` })
    })).toMatchObject({ outcome: 'applied', pending: [] })
    expect(cloud.calls).toEqual(['delete x', 'create x', 'create b2-of-o4', 'update c-of-o5', 'delete b-of-o1'])
  })
})

test('after a partial run an old object is kept as long as something may still refer to it', async () => {
  const lab = strictLab()
  const program = (a: { name: string; zone: string }, fail: boolean) => () => {
    const box = lab.Box('a', a)
    lab.Box('user', { name: str`user-of-${box.id}`, fail })
  }
  await lab.apply(program({ name: 'x', zone: 'a' }, false))
  lab.cloud.calls.length = 0
  expect(await lab.apply(program({ name: 'y', zone: 'b' }, true), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept', pending: ['a'] })
  expect(lab.cloud.calls).not.toContain('delete x')
  expect(await lab.apply(program({ name: 'y', zone: 'b' }, false))).toMatchObject({ outcome: 'applied', pending: [] })
  expect(lab.cloud.content).toEqual(['user-of-o3=1', 'y=1'])
})

test('after a partial run what an old object that waits refers to waits, too', async () => {
  const lab = strictLab()
  const program = (zone: string, fail: boolean) => () => {
    const a = lab.Box('a', { name: `a-${zone}`, zone })
    const b = lab.Box('b', { name: str`b-of-${a.id}`, zone })
    lab.Box('c', { name: str`c-of-${b.id}`, fail })
  }
  await lab.apply(program('a', false))
  expect(await lab.apply(program('z', true), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept', pending: ['a', 'b'], error: { address: 'c' } })
  expect(lab.cloud.calls.filter((c) => c.startsWith('delete'))).toEqual([])
  expect(await lab.apply(program('z', false))).toMatchObject({ outcome: 'applied', pending: [] })
  expect(lab.cloud.calls.filter((c) => c.startsWith('delete'))).toEqual(['delete b-of-o1', 'delete a-a'])
})

test('an object whose update failed half-way, and that others refer to, is replaced without deleting it first', async () => {
  const lab = strictLab({ class: 'A', more: { capability: { create: { token: { windowMs: 3_600_000 } }, update: 'patch', maxCallMs: 0 }, claims: () => [] } })
  const program = (size: number) => () => {
    const a = lab.Box('a', { name: 'a', size })
    lab.Box('user', { name: str`user-of-${a.id}` })
  }
  await lab.apply(program(1))
  lab.cloud.fault('update a', 'partly')
  expect(await lab.apply(program(2), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
  expect(await lab.apply(program(2))).toMatchObject({ outcome: 'applied', pending: [] })
  expect(lab.cloud.content).toEqual(['a=2', 'user-of-o3=1'])
})

test('what is deleted to make room is deleted after what refers to it and goes, too', async () => {
  const lab = strictLab({ more: { deleteFirst: true } })
  await lab.apply(() => {
    const a = lab.Box('a', { name: 'a' })
    const b = lab.Box('b', { name: str`b-of-${a.id}` })
    lab.Box('c', { name: str`c-of-${b.id}` })
  })
  lab.cloud.calls.length = 0
  const next = () => void lab.Box('a', { name: 'a', zone: 'z' })
  expect((await lab.plan(next)).document.changes.map((c) => `${c.action} ${c.address}`)).toEqual(['replace a', 'delete b', 'delete c'])
  expect(await lab.apply(next)).toMatchObject({ outcome: 'applied', pending: [] })
  expect(lab.cloud.calls).toEqual(['delete c-of-o2', 'delete b-of-o1', 'delete a', 'create a'])
})

test('what is still to be deleted since an earlier run makes room after what refers to it and is still to be deleted, too', async () => {
  const lab = strictLab()
  const program = (both: boolean) => () => {
    const a = lab.Box('a', { name: 'x' })
    if (both) lab.Box('user', { name: str`user-of-${a.id}` })
  }
  await lab.apply(program(true))
  lab.cloud.fault('delete user-of-o1', 'reject')
  expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: ['a', 'user'] })
  lab.cloud.calls.length = 0
  expect(await lab.apply(program(false))).toMatchObject({ outcome: 'applied', pending: [] })
  expect(lab.cloud.calls).toEqual(['delete user-of-o1', 'delete x', 'create x'])
  expect(lab.cloud.content).toEqual(['x=1'])
})

test('many tasks that run at once are no leak that Node would warn of', async () => {
  const lab = makeLab()
  Object.assign(lab.cx, { parallelism: 64 })
  const warnings: Error[] = []
  const hear = (w: Error) => void warnings.push(w)
  process.on('warning', hear)
  const doc = await inSession(lab, async (s) => s.apply(await s.plan({ graph: buildGraph(lab.app(() => {
    for (let i = 0; i < 30; i++) lab.Box(`b${i}`, { name: `n${i}` })
  }), {}) }), how))
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', hear)
  expect(doc.outcome).toBe('applied')
  expect(warnings).toEqual([])
})

test.each([['after a partial run', true], ['when it could not be deleted at once', false]])('what left the program goes before what it uses, although that has moved: %s', async (_when, partial) => {
  const lab = strictLab()
  await lab.apply(() => {
    const a = lab.Box('a', { name: 'a' })
    lab.Box('user', { name: str`user-of-${a.id}` })
  })
  lab.cloud.fault('delete user-of-o1', 'reject')
  await lab.apply(() => {
    lab.Box('moved', { name: 'a' }, { movedFrom: ['a'] })
    if (partial) lab.Box('bad', { name: 'bad', fail: true })
  }, { onFailure: 'keep' })
  expect(lab.cloud.content).toEqual(['a=1', 'user-of-o1=1'])
  if (partial) lab.cloud.faults.clear()
  lab.cloud.calls.length = 0
  expect(await lab.destroy()).toMatchObject({ outcome: 'applied', pending: [] })
  expect(lab.cloud.calls).toEqual(['delete user-of-o1', 'delete a'])
})

test('what was renamed after a partial run, because what it uses had moved, is renamed again when that moves back', async () => {
  const lab = makeLab()
  const before = () => {
    const a = lab.Box('a', { name: 'a' })
    lab.Box('user', { name: str`user-of-${a.id}` })
  }
  const uses = async () => (await listResources(lab.cx)).find((r) => r.address === 'user')?.dependsOn
  await lab.apply(before)
  await lab.apply(() => {
    lab.Box('moved', { name: 'a' }, { movedFrom: ['a'] })
    lab.Box('bad', { name: 'bad', fail: true })
  }, { onFailure: 'keep' })
  expect(await uses()).toEqual(['moved'])
  await lab.apply(before)
  expect(await uses()).toEqual(['a'])
})

describe('a call that was cut off and of which nobody knows how it ended', () => {
  /** Leaves a change of x under way: its run was stopped hard. */
  async function leftUnderWay(size?: number): Promise<Lab> {
    const clock = new VirtualClock()
    const store = new MemoryStore({ clock, random: systemRandom })
    const lab = makeLab({ class: 'C', clock, store, more: { capability: { create: { find: true }, update: 'full', maxCallMs: 50, settleMs: 0 } } })
    if (size !== undefined) await lab.apply(() => void lab.Box('a', { name: 'x' }))
    const abort = new AbortController()
    lab.cloud.fault(size === undefined ? 'create x' : 'update x', 'lost-applied')
    lab.cloud.onCall = () => queueMicrotask(() => abort.abort(new Error('interrupted')))
    const session = await lab.session()
    const planned = await session.plan({ graph: buildGraph(lab.app(() => void lab.Box('a', { name: 'x', ...(size === undefined ? {} : { size }) })), {}) })
    expect(await session.apply(planned, { ...how, abort: abort.signal })).toMatchObject({ outcome: 'incomplete' })
    await session.end()
    lab.cloud.onCall = undefined
    expect(await lab.store.txs({ unresolved: true })).toMatchObject([{ status: 'sent' }])
    return lab
  }

  test('makes a plan stale that was made before it was looked up', async () => {
    const lab = await leftUnderWay(2)
    const { id } = await makePlan(lab.cx, { graph: buildGraph(lab.app(() => void lab.Box('a', { name: 'x', size: 3 })), {}) }, { save: true })
    await inSession(lab, (s) => expect(s.load({ id })).rejects.toMatchObject({ code: 'HF2401' }))
  })

  test('is not passed over by a command that is stopped while it looks', async () => {
    const lab = await leftUnderWay()
    const abort = AbortSignal.abort(new Error('interrupted'))
    await expect(beginRun(lab.cx, { lockTimeoutMs: 0, stop: never, abort })).rejects.toMatchObject({ code: 'HF1008' })
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

test('what makes room for an object of another type counts against the limit of its own type', async () => {
  const cloud = new Cloud()
  let busy = 0
  let most = 0
  const Small = resource(boxSpec(cloud, { type: 'test:Small', more: {
    limit: 1,
    delete: async ({ outputs: prior }) => {
      most = Math.max(most, ++busy)
      await new Promise((resolve) => setTimeout(resolve, 10))
      busy--
      if (prior.id) cloud.objects.delete(prior.id)
    },
  } }))
  const lab = makeLab({ cloud, types: [Small] })
  const of = (Type: typeof Small) => () => {
    Type('a', { name: 'x' })
    Type('b', { name: 'y' })
  }
  await lab.apply(of(Small))
  expect(await lab.apply(of(lab.Box as typeof Small))).toMatchObject({ outcome: 'applied' })
  expect(cloud.content).toEqual(['x=1', 'y=1'])
  expect(most).toBe(1)
})

test('what a dead run made and this one has moved is kept while nobody knows whether something refers to it', async () => {
  const lab = makeLab({ class: 'D' })
  lab.cloud.fault('create lost', 'lost')
  await lab.apply(() => {
    const a = lab.Box('a', { name: 'a' })
    lab.Box('lost', { name: 'lost' }, { dependsOn: [a] })
  })
  const [open] = await lab.store.txs({ unresolved: true })
  await inSession(lab, (s) => s.settle(String(open?.token), { kind: 'absent' }))
  lab.cloud.fault('create user', 'lost-applied')
  const doc = await lab.apply(() => {
    const moved = lab.Box('moved', { name: 'a' }, { movedFrom: ['a'] })
    lab.Box('user', { name: 'user' }, { dependsOn: [moved] })
  })
  expect(doc).toMatchObject({ outcome: 'incomplete', error: { code: 'HF3103', address: 'user' } })
  expect(lab.cloud.content).toEqual(['a=1', 'user=1'])
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
