import { describe, expect, test } from 'vitest'
import { isFailure } from '../../src/base/index.ts'
import { readStatus, type RunDocument } from '../../src/engine/index.ts'
import { buildGraph, component } from '../../src/program/index.ts'
import { callsOf } from '../support/boxes.ts'
import { committed, inside, life, machine, parts, type Shape, sound } from '../support/parts.ts'
import { how, inSession, type Lab, resume, revert } from '../support/world.ts'

/** Holds every call whose text begins so, until it is let go. */
function gate(cloud: Lab['cloud'], beginning: string): { reached: Promise<void>; open(): void } {
  let reach = () => {}
  let open = () => {}
  const reached = new Promise<void>((r) => { reach = r })
  const opened = new Promise<void>((r) => { open = r })
  cloud.latency = async (call) => {
    if (!call.startsWith(beginning)) return
    reach()
    await opened
  }
  return { reached, open }
}

describe('runs of parts', () => {
  test('E3#138 disjoint targets run at the same time on one environment, and each is a revision of its own', async () => {
    const { start, cloud } = machine()
    const [one, two] = [start().lab, start().lab]
    await one.apply(parts(one, { web: { a: 1 }, db: { a: 1 } }))
    const slow = gate(cloud, 'update web-a')
    const web = one.apply(parts(one, { web: { a: 2, b: 2 }, db: { a: 1 } }), { request: inside('web') })
    await slow.reached
    const db = await two.apply(parts(two, { web: { a: 1 }, db: { a: 3, c: 3 } }), { request: inside('db') })
    expect(db).toMatchObject({ outcome: 'applied', revision: { from: 1, to: 2 } })
    expect(await committed(two)).toEqual(['db/a', 'db/c', 'web/a'])
    expect(await readStatus(two.cx)).toMatchObject({ revision: 2, parts: [{ alive: true, scopes: expect.arrayContaining(['lab/default:web/a']) }] })
    await sound(two.store)
    slow.open()
    expect(await web).toMatchObject({ outcome: 'applied', revision: { from: 2, to: 3 } })
    expect(cloud.content).toEqual(['db-a=3', 'db-c=3', 'web-a=2', 'web-b=2'])
    expect(await committed(one)).toEqual(['db/a', 'db/c', 'web/a', 'web/b'])
    expect((await readStatus(one.cx)).parts).toBeUndefined()
    await sound(one.store)
    expect((await one.apply(parts(one, { web: { a: 2, b: 2 }, db: { a: 3, c: 3 } }))).outcome).toBe('unchanged')
  })

  test('one that fails is taken back, whatever another has committed meanwhile', async () => {
    const { start, cloud } = machine()
    const [one, two] = [start().lab, start().lab]
    await one.apply(parts(one, { web: { a: 1 }, db: { a: 1 } }))
    cloud.fault('create web-b', 'reject')
    const slow = gate(cloud, 'create web-b')
    const web = one.apply(parts(one, { web: { a: 2, b: 2 }, db: { a: 1 } }), { request: inside('web') })
    await slow.reached
    expect(await two.apply(parts(two, { web: { a: 1 }, db: {} }), { request: inside('db') })).toMatchObject({ outcome: 'applied', revision: { from: 1, to: 2 } })
    slow.open()
    expect(await web).toMatchObject({ outcome: 'reverted', reverted: [{ address: 'web/a', identity: 'same' }] })
    expect([cloud.content, await committed(one), (await readStatus(one.cx)).revision]).toEqual([['web-a=1'], ['web/a'], 2])
    await sound(one.store)
  })

  test('outputs of the environment are those of all parts that were committed', async () => {
    const { start, cloud } = machine()
    const [one, two] = [start().lab, start().lab]
    const program = (lab: Lab, a: number, b: number) => () => ({ a: lab.Box('a', { name: 'a', size: a }).size, b: lab.Box('b', { name: 'b', size: b }).size })
    await one.apply(program(one, 1, 1))
    const slow = gate(cloud, 'update a')
    const first = one.apply(program(one, 2, 1), { request: { targets: ['a'] } })
    await slow.reached
    expect((await two.apply(program(two, 1, 3), { request: { targets: ['b'] } })).outputs).toEqual({ a: 1, b: 3 })
    slow.open()
    expect((await first).outputs).toEqual({ a: 2, b: 3 })
  })

  test('targets that meet, and the whole, do not run at the same time; nor does one whose nodes depend on what the other changes', async () => {
    const { start, cloud } = machine()
    const [one, two] = [start().lab, start().lab]
    const program = (lab: Lab) => () => {
      const a = lab.Box('a', { name: 'a', size: lab === one ? 2 : 1 })
      lab.Box('b', { name: 'b', secret: a.id, size: lab === one ? 1 : 2 })
      lab.Box('c', { name: 'c', size: 1 })
    }
    await two.apply(() => void two.Box('c', { name: 'c' }))
    await two.apply(program(two))
    const slow = gate(cloud, 'update a')
    const first = one.apply(program(one), { request: { targets: ['a'] } })
    await slow.reached
    for (const request of [{}, { targets: ['a'] }, { targets: ['b'] }, { targets: ['a', 'c'] }]) {
      await expect(two.apply(program(two), { request })).rejects.toMatchObject({ code: 'HF4201', details: { pid: process.pid } })
    }
    expect((await two.store.leases()).map((l) => [l.scope, l.mode])).toEqual([['lab/default:./a', 'X']]) // what was refused holds nothing
    slow.open()
    expect((await first).outcome).toBe('applied')
    expect((await two.apply(program(one), { request: { targets: ['b'] } })).outcome).toBe('applied')
  })

  test('many nodes are held by their component, many components by the one around them, and what is beyond that by the whole', async () => {
    const { start, tables } = machine()
    const { lab } = start()
    const shop = (inner: number, boxes: number, size: number) => () => {
      component('shop', { build: () => {
        for (let i = 0; i < inner; i++) component(`c${i}`, { build: () => { for (let b = 0; b < boxes; b++) lab.Box(`b${b}`, { name: `${i}-${b}`, size }); return {} } })(`c${i}`, {})
        return {}
      } })('shop', {})
      lab.Box('root', { name: 'root' })
    }
    const held = async (build: () => unknown, targets: string[]) => {
      const request = { graph: buildGraph(lab.app(build), {}), targets }
      const session = await lab.session(request)
      const scopes = [...tables.leases.values()].map((l) => `${l.scope} ${l.mode}`).sort()
      await session.plan(request)
      await session.end()
      return scopes
    }
    await lab.apply(() => void lab.Box('root', { name: 'root' }))
    expect(await held(shop(2, 2, 1), ['shop/**'])).toEqual(['lab/default:shop/c0/b0 X', 'lab/default:shop/c0/b1 X', 'lab/default:shop/c1/b0 X', 'lab/default:shop/c1/b1 X'])
    expect(await held(shop(2, 20, 1), ['shop/**'])).toEqual(['lab/default:shop/c0 X', 'lab/default:shop/c1 X'])
    expect(await held(shop(20, 2, 1), ['shop/**'])).toEqual(['lab/default:shop X'])
    expect(await held(shop(20, 2, 1), ['shop/**', 'root'])).toEqual(['lab/default:. X', 'lab/default:shop X'])
    expect(await held(() => { for (let i = 0; i < 20; i++) component(`c${i}`, { build: () => { lab.Box('b', { name: `${i}` }); return {} } })(`c${i}`, {}) }, ['**'])).toEqual(['lab/default X'])
  })

  test('two that read one node do not wait for each other', async () => {
    const { start, cloud } = machine()
    const [one, two] = [start().lab, start().lab]
    const program = (lab: Lab, b: number, c: number) => () => {
      const a = lab.Box('a', { name: 'a' })
      lab.Box('b', { name: 'b', secret: a.id, size: b })
      lab.Box('c', { name: 'c', secret: a.id, size: c })
    }
    await one.apply(program(one, 1, 1))
    const slow = gate(cloud, 'update b')
    const first = one.apply(program(one, 2, 1), { request: { targets: ['b'] } })
    await slow.reached
    expect((await two.apply(program(two, 1, 2), { request: { targets: ['c'] } })).outcome).toBe('applied')
    slow.open()
    expect([(await first).outcome, cloud.content]).toEqual(['applied', ['a=1', 'b=2', 'c=2']])
  })

  test('what one that died has done is taken over: by the same part, by the whole, by a way back, by a resumption', async () => {
    const after: Shape = { web: { a: 2, b: 2 }, db: { a: 1 } }
    const ends: Record<string, (lab: Lab) => Promise<RunDocument>> = {
      'the same part': (lab) => lab.apply(parts(lab, after), { request: inside('web') }),
      'the whole': (lab) => lab.apply(parts(lab, after)),
      revert, resume,
    }
    for (const [name, end] of Object.entries(ends)) for (const when of ['before', 'after'] as const) for (let n = 1; ; n++) {
      const at = `${name}, ${when} commit ${n}`
      const { start, cloud } = machine()
      const one = start().lab
      await one.apply(parts(one, { web: { a: 1 }, db: { a: 1 } }))
      const victim = start({ n, when })
      if ((await Promise.race([victim.died, victim.lab.apply(parts(victim.lab, after), { request: inside('web') })])) !== 'died') break
      await sound(one.store, at)
      // Meanwhile others go on elsewhere.
      const other = start().lab
      const db = await other.apply(parts(other, { web: { a: 1 }, db: { a: 3 } }), { request: inside('db') })
      expect(db.outcome, at).toBe('applied')
      const open = (await readStatus(one.cx)).parts !== undefined
      const next = start().lab
      const grown: Shape = { ...after, db: { a: 3 } }
      const doc = await (name === 'the same part' || name === 'the whole' ? next.apply(parts(next, grown), name === 'the whole' ? {} : { request: inside('web') }) : end(next)).catch((e) => e)
      if (isFailure(doc)) expect([doc.code, open], at).toEqual(['HF6005', false]) // nothing to go back to or on with
      else expect(doc.outcome, at).toMatch(name === 'revert' ? /^reverted$/ : /^(?:applied|unchanged)$/)
      await sound(next.store, at)
      const done = await committed(next)
      expect(cloud.content, at).toEqual(done.includes('web/b') ? ['db-a=3', 'web-a=2', 'web-b=2'] : ['db-a=3', 'web-a=1'])
      expect(await readStatus(next.cx), at).toMatchObject({ open: [], openRun: null, pendingDeletes: [] })
      expect((await readStatus(next.cx)).parts, at).toBeUndefined()
      expect((await next.apply(parts(next, grown))).outcome, at).toMatch(/^(?:applied|unchanged)$/)
      expect(cloud.content, at).toEqual(['db-a=3', 'web-a=2', 'web-b=2'])
    }
  })

  test('what two that died have done becomes one run of the whole, which can be taken back and has no plan to go on with', async () => {
    const { start, cloud } = machine()
    const one = start().lab
    await one.apply(parts(one, { web: { a: 1 }, db: { a: 1 } }))
    for (const [name, shape] of [['web', { web: { a: 2, b: 2 }, db: { a: 1 } }], ['db', { web: { a: 1 }, db: { a: 2, b: 2 } }]] as const) {
      const victim = start({ n: 7, when: 'after' })
      expect(await Promise.race([victim.died, victim.lab.apply(parts(victim.lab, shape), { request: inside(name) })])).toBe('died')
    }
    expect((await readStatus(one.cx)).parts).toHaveLength(2)
    await expect(resume(start().lab)).rejects.toMatchObject({ code: 'HF6005' })
    expect((await readStatus(one.cx))).toMatchObject({ openRun: expect.any(String) })
    expect((await revert(start().lab)).outcome).toBe('reverted')
    expect(cloud.content).toEqual(['db-a=1', 'web-a=1'])
    await sound(one.store)
  })

  test('one that would touch only a piece of what a dead one has changed is refused', async () => {
    const { start, cloud } = machine()
    const one = start().lab
    await one.apply(parts(one, { web: { a: 1, b: 1 } }))
    const victim = start({ n: 7, when: 'after' })
    expect(await Promise.race([victim.died, victim.lab.apply(parts(victim.lab, { web: { a: 2, b: 2 } }), { request: inside('web') })])).toBe('died')
    callsOf(one)
    const next = start().lab
    await expect(next.apply(parts(next, { web: { a: 2, b: 2 } }), { request: { targets: ['web/b'] } })).rejects.toMatchObject({ code: 'HF2107', message: expect.stringContaining('unfinished run') })
    expect([callsOf(one), await next.store.leases()]).toEqual([[], []])
    expect((await revert(next)).outcome).toBe('reverted')
    expect(cloud.content).toEqual(['web-a=1', 'web-b=1'])
  })

  test('who was taken over writes nothing any more', async () => {
    const { start, cloud } = machine()
    const [one, two] = [start().lab, start().lab]
    await one.apply(parts(one, { web: { a: 1 }, db: { a: 1 } }))
    const request = { graph: buildGraph(one.app(parts(one, { web: { a: 2 }, db: { a: 1 } })), {}), ...inside('web') }
    const old = await one.session(request)
    const planned = await old.plan(request)
    for (const l of await two.store.leases()) await two.store.lease.release(l)
    await inSession(two, async () => {
      callsOf(one)
      await expect(old.apply(planned, how)).rejects.toMatchObject({ code: 'HF4203' })
      expect(callsOf(one)).toEqual([])
    })
    await old.end().catch(() => undefined)
    expect(cloud.content).toEqual(['db-a=1', 'web-a=1'])
  })

  test('who has lost one of its leases gives the others back', async () => {
    const { start, tables } = machine()
    const [one, two] = [start().lab, start().lab]
    await one.apply(parts(one, { web: { a: 1, b: 1 } }))
    const request = { graph: buildGraph(one.app(parts(one, { web: { a: 2, b: 2 } })), {}), ...inside('web') }
    const old = await one.session(request)
    const planned = await old.plan(request)
    const [lease] = [...tables.leases.values()].filter((l) => l.scope.endsWith('web/a'))
    tables.leases.set('lab/default:web/a', { ...lease as NonNullable<typeof lease>, holder: two.cx.holder, fence: tables.fenceSeq + 1 })
    await two.store.leases() // a heartbeat of the first finds that it is gone
    await expect(old.apply(planned, how)).rejects.toMatchObject({ code: 'HF4203' })
    await old.end()
    expect((await two.store.leases()).map((l) => l.scope)).toEqual(['lab/default:web/a'])
  })

  const first = Number(process.env.HOLDFAST_SEED ?? Math.floor(Math.random() * 1e9))
  const seeds = Number(process.env.HOLDFAST_SEEDS ?? 20)
  test(`random parts at the same time, with faults and deaths: each is all or nothing, and the whole converges (seeds ${first} to ${first + seeds - 1})`, async () => {
    for (let seed = first; seed < first + seeds; seed++) await life(seed)
  }, 600_000)
})

