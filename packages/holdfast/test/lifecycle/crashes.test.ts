import { describe, expect, test } from 'vitest'
import { limits } from '../../src/base/index.ts'
import { beginRun, makePlan, readStatus, type RunDocument } from '../../src/engine/index.ts'
import { buildGraph } from '../../src/program/index.ts'
import { MemoryStore } from '../../src/store/index.ts'
import { boxes, callsOf, stateOf } from '../support/boxes.ts'
import { another, dies } from '../support/deaths.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { type Class, type Lab, makeLab, never } from '../support/world.ts'

const o = { onFailure: 'revert' as const, stop: never, abort: never }
type Build = (lab: Lab) => () => unknown

/** One program before, one after: together every kind of step. */
const kinds: Record<string, { readonly before: Build; readonly after: Build; readonly world: string[] }> = {
  create: { before: (l) => boxes(l, 'x'), after: (l) => boxes(l, 'x a b:a'), world: ['a=1', 'b=1', 'x=1'] },
  update: { before: (l) => boxes(l, 'a b:a'), after: (l) => boxes(l, 'a b:a', { sizes: { a: 2, b: 2 } }), world: ['a=2', 'b=2'] },
  'delete after the commit': { before: (l) => boxes(l, 'a b:a c:b x'), after: (l) => boxes(l, 'x', { sizes: { x: 2 } }), world: ['x=2'] },
  'replacement, the old one first': { before: (l) => boxes(l, 'a b:a'), after: (l) => boxes(l, 'a b:a', { zones: { a: 'b' } }), world: ['a=1', 'b=1'] },
  'replacement, the new one first': {
    before: (l) => () => void l.Box('a', { name: 'one' }), after: (l) => () => void l.Box('a', { name: 'two', zone: 'b' }), world: ['two=1'],
  },
  move: { before: (l) => () => void l.Box('a', { name: 'n' }), after: (l) => () => void l.Box('b', { name: 'n' }, { movedFrom: ['a'] }), world: ['n=1'] },
  'something takes the name of another': {
    before: (l) => () => void l.Box('a', { name: 'n' }),
    after: (l) => () => {
      l.Box('a', { name: 'm' })
      l.Box('b', { name: 'n', size: 5 })
    },
    world: ['m=1', 'n=5'],
  },
}

describe('E3#134 killed at any commit, the next run converges: no orphan, no duplicate', () => {
  for (const cls of ['A', 'B', 'C'] as Class[]) {
    for (const [kind, { before, after, world }] of Object.entries(kinds)) {
      // How a lost answer is settled differs for creations alone.
      if (cls !== 'B' && kind !== 'create' && kind !== 'replacement, the new one first') continue
      test(`E3#134 ${kind}, class ${cls}`, async () => {
        let deaths = 0
        for (const when of ['before', 'after'] as const) for (let n = 1; ; n++) {
          const lab = makeLab({ class: cls })
          await lab.apply(before(lab))
          if (!(await dies(lab, after(lab), n, when))) break
          deaths++
          const at = `${kind}, class ${cls}, ${when} commit ${n}`
          const next = another(lab)
          for (const t of (await readStatus(next.cx)).open) expect(t.status, at).toMatch(/^(?:open|sent|unknown)$/)
          expect((await next.store.doctor()).filter((c) => !c.ok), at).toEqual([])
          expect((await next.apply(after(next))).outcome, at).toMatch(/^(?:applied|unchanged)$/)
          expect(next.cloud.content, at).toEqual(world)
          const rows = Object.values(await stateOf(next))
          expect(new Set(rows.map((r) => JSON.parse(r.docs?.outputs as string).id)), at).toEqual(new Set(next.cloud.objects.keys()))
          expect([await readStatus(next.cx), (await next.store.doctor()).filter((c) => !c.ok)], at).toMatchObject([{ open: [], openRun: null, pendingDeletes: [] }, []])
          expect(await next.apply(after(next)), at).toMatchObject({ outcome: 'unchanged' })
        }
        expect(deaths).toBeGreaterThan(8)
      })
    }
  }
})

describe('E3#135 a run that fails at its last step is taken back', () => {
  for (const [kind, { before, after }] of Object.entries(kinds)) {
    test(`E3#135 ${kind}: world and state are as before`, async () => {
      const lab = makeLab()
      await lab.apply(before(lab))
      const [state, ids] = [await stateOf(lab), [...lab.cloud.objects.values()].map((b) => ({ ...b }))]
      lab.cloud.fault('create last', 'reject')
      const doc = await lab.apply(() => {
        after(lab)()
        // After everything else: its turn comes when the slow ones are done.
        lab.Box('last', { name: 'last' }, { dependsOn: [lab.Box('before-last', { name: 'before-last' }, { dependsOn: [lab.Box('first', { name: 'first' })] })] })
      })
      expect(doc).toMatchObject({ outcome: 'reverted', error: { address: 'last' }, revision: { from: 1, to: 1 } })
      const anew = new Set(doc.reverted.filter((r) => r.identity === 'new').map((r) => r.address))
      const now = await stateOf(lab)
      expect(Object.keys(now)).toEqual(Object.keys(state))
      // What had to go to make room is made again: the same content in another object, and the document says so.
      const asked = ({ uid, fingerprint, shape, meta }: (typeof state)[string]['row']) => ({ uid, fingerprint, shape, deps: meta.deps, claims: meta.claims })
      for (const [address, was] of Object.entries(state)) {
        // Who read an object that was made again reads the one that stands there now.
        if (was.row.meta.deps.some((d) => anew.has(d))) continue
        expect(now[address] && asked(now[address].row), address).toEqual(asked(was.row))
      }
      expect(lab.cloud.content).toEqual(ids.map((b) => `${b.name}=${b.size}`).sort())
      for (const b of ids) if (anew.size === 0) expect(lab.cloud.objects.get(b.id)).toEqual(b)
      expect((await lab.store.doctor()).filter((c) => !c.ok)).toEqual([])
      expect(await lab.apply(before(lab))).toMatchObject({ outcome: 'unchanged' })
    })
  }
})

describe('a lost answer', () => {
  test('E3#136 of a create is found by its token, not made twice: in the run, and after a crash', async () => {
    const lab = makeLab({ class: 'A' })
    lab.cloud.fault('create a', 'lost-applied')
    expect(await lab.apply(boxes(lab, 'a'))).toMatchObject({ outcome: 'applied' })
    expect([lab.cloud.objects.size, new Set(lab.cloud.keys).size, callsOf(lab)]).toEqual([1, 1, ['create a', 'create a']])
    // The process dies with the answer: before the commit that would have recorded it.
    for (let n = 1; n < 12; n++) {
      const dying = makeLab({ class: 'A' })
      await dying.apply(boxes(dying, 'x'))
      if (!(await dies(dying, boxes(dying, 'x a'), n, 'before'))) break
      const made = dying.cloud.calls.includes('create a')
      const next = another(dying)
      expect(await next.apply(boxes(next, 'x a'))).toMatchObject({ outcome: expect.stringMatching(/applied|unchanged/) })
      expect(next.cloud.content).toEqual(['a=1', 'x=1'])
      const keys = next.cloud.keys.filter((k) => k.startsWith('a '))
      if (made) expect(new Set(keys).size).toBe(1)
    }
  })
})

describe('two processes', () => {
  test('E3#137 race for an environment: one goes on, the other is told who has it; who was taken over writes nothing any more', async () => {
    const clock = new VirtualClock()
    const lab = makeLab({ clock })
    const rival = another(lab, false)
    const mine = await another(lab, false).session()
    await expect(beginRun(rival.cx, { lockTimeoutMs: 0, stop: never })).rejects.toMatchObject({ code: 'HF4201', details: { pid: process.pid } })
    await mine.end()
    const both = await Promise.allSettled([lab, rival].map((l) => beginRun(another(l, false).cx, { lockTimeoutMs: 0, stop: never })))
    expect(both.map((r) => r.status).sort()).toEqual(['fulfilled', 'rejected'])
    for (const r of both) if (r.status === 'fulfilled') await r.value.end()
    // The first one hangs past its lease (its store says nothing more), the second takes over, and the first wakes up.
    const slow = another(lab)
    const old = await beginRun(slow.cx, { lockTimeoutMs: 0, stop: never })
    const planned = await old.plan({ graph: buildGraph(lab.app(boxes(slow, 'a')), {}) })
    const leases = (lab.store as MemoryStore).tables.leases
    for (const [k, l] of leases) leases.set(k, { ...l, expiresAt: clock.now() - 1, holder: { ...l.holder, pid: 1, host: 'elsewhere' } })
    clock.pass(limits.leaseTtlMs * 2)
    const next = another(lab)
    expect(await next.apply(boxes(next, 'b'))).toMatchObject({ outcome: 'applied' })
    callsOf(lab)
    const late = await old.apply(planned, o).then((doc: RunDocument) => doc.error, (e: unknown) => e)
    expect(late).toMatchObject({ code: expect.stringMatching(/HF4203|HF2401/) })
    expect([callsOf(lab), lab.cloud.content]).toEqual([[], ['b=1']])
  })

  // What is restricted holds its part alone (test/engine/parts.test.ts).
  test('who holds the whole environment is waited for, by those who want a part of it, too', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b'))
    const one = another(lab, false)
    const two = another(lab, false)
    const wanted = (l: Lab) => buildGraph(l.app(boxes(l, 'a b', { sizes: { a: 2, b: 2 } })), {})
    const first = await beginRun(one.cx, { lockTimeoutMs: 0, stop: never })
    await expect(beginRun(two.cx, { lockTimeoutMs: 0, stop: never })).rejects.toMatchObject({ code: 'HF4201' })
    const second = beginRun(two.cx, { lockTimeoutMs: 60_000, stop: never })
    callsOf(lab)
    expect(await first.apply(await first.plan({ graph: wanted(one), targets: ['a'] }), o)).toMatchObject({ summary: { update: 1 } })
    expect(callsOf(lab)).toEqual(['update a'])
    await first.end()
    const session = await second
    expect(await session.apply(await session.plan({ graph: wanted(two), targets: ['b'] }), o)).toMatchObject({ summary: { update: 1 } })
    await session.end()
    expect([callsOf(lab), lab.cloud.content]).toEqual([['update b'], ['a=2', 'b=2']])
  })

  test('E3#139 with a stored plan each: one is carried out exactly, the other is refused', async () => {
    for (let i = 0; i < 5; i++) {
      const lab = makeLab()
      await lab.apply(boxes(lab, 'x'))
      const plans = await Promise.all(['x a', 'x b'].map((line) => makePlan(lab.cx, { graph: buildGraph(lab.app(boxes(lab, line)), {}) }, { save: true })))
      const ran = await Promise.allSettled(plans.map(async ({ id }) => {
        const session = await beginRun(another(lab, false).cx, { lockTimeoutMs: i * 100, stop: never })
        try {
          return await session.apply(await session.load({ id }), o)
        } finally {
          await session.end()
        }
      }))
      const done = ran.findIndex((r) => r.status === 'fulfilled')
      expect(ran[1 - done]).toMatchObject({ status: 'rejected', reason: { code: expect.stringMatching(/HF4201|HF2401/) } })
      expect(lab.cloud.content).toEqual([['a=1', 'x=1'], ['b=1', 'x=1']][done])
    }
  })
})

describe('going on', () => {
  test('E3#140 repeats only what was not finished: after a failure that was kept, and after a crash at any commit', async () => {
    const lab = makeLab()
    const line = 'a b:a c:b d:c e'
    lab.cloud.fault('create c', 'reject')
    expect(await lab.apply(boxes(lab, line), { onFailure: 'keep' })).toMatchObject({ outcome: 'kept' })
    callsOf(lab)
    const session = await lab.session()
    await session.resume(o)
    await session.end()
    expect(callsOf(lab)).toEqual(['create c', 'create d'])
    for (let n = 1; ; n++) {
      const dying = makeLab()
      if (!(await dies(dying, boxes(dying, line), n, 'after'))) break
      const done = new Set(Object.keys(await stateOf(dying)))
      callsOf(dying)
      const next = another(dying)
      const open = await readStatus(next.cx)
      if (open.openRun === null) continue // nothing had begun, or all was committed
      const again = await next.session()
      expect(await again.resume(o), `commit ${n}`).toMatchObject({ outcome: 'applied' })
      await again.end()
      expect(callsOf(next).filter((c) => done.has(c.split(' ')[1] as string)), `commit ${n}`).toEqual([])
      expect(next.cloud.content, `commit ${n}`).toEqual(['a=1', 'b=1', 'c=1', 'd=1', 'e=1'])
    }
  })
})
