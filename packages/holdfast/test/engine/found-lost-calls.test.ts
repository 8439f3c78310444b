import { describe, expect, test } from 'vitest'
import { failure, systemClock, systemRandom } from '../../src/base/index.ts'
import { beginRun, exitCodeOf, listResources, makePlan, readStatus, type SettleHow } from '../../src/engine/index.ts'
import { buildGraph, str } from '../../src/program/index.ts'
import { MemoryStore } from '../../src/store/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { how, inSession, type Lab, makeLab, never, revert } from '../support/world.ts'

/** What the simulation found in the engine, one small test each (the seeds themselves go stale with any change): calls of which nobody knows how they ended. */

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

describe('while nobody knows how an earlier change ended, nothing becomes a revision, and readers do not see that appear in it later:', () => {
  const a = (lab: Lab) => () => void lab.Box('a', { name: 'x' })
  /** A first apply whose creation of x was lost. */
  async function lostLab(): Promise<{ readonly lab: Lab; readonly tx: string }> {
    const lab = makeLab({ class: 'D' })
    lab.cloud.fault('create x', 'lost-applied')
    expect(await lab.apply(a(lab))).toMatchObject({ outcome: 'incomplete', error: { code: 'HF3103' } })
    return { lab, tx: String((await readStatus(lab.cx)).open[0]?.tx) }
  }
  const settle = (lab: Lab, tx: string, how: SettleHow) => inSession(lab, (s) => s.settle(tx, how))

  test('not what a failed run would keep', async () => {
    const { lab, tx } = await lostLab()
    const broken = () => {
      lab.Box('a', { name: 'x' })
      lab.Box('bad', { name: 'bad', fail: true })
    }
    expect(await lab.apply(broken, { onFailure: 'keep' })).toMatchObject({ outcome: 'incomplete', revision: { from: 0, to: 0 } })
    await settle(lab, tx, { kind: 'adopt', id: 'o1' })
    expect(await listResources(lab.cx)).toEqual([])
    expect(await lab.apply(broken, { onFailure: 'keep' })).toMatchObject({ outcome: 'kept', revision: { from: 0, to: 1 } })
  })

  test('not what a program says in which its node is no more', async () => {
    const { lab, tx } = await lostLab()
    const without = () => void lab.Box('b', { name: 'b' })
    const doc = await lab.apply(without)
    expect(doc).toMatchObject({ outcome: 'incomplete', revision: { from: 0, to: 0 }, error: { code: 'HF3103', address: 'a' } })
    expect(exitCodeOf(doc)).toBe(12)
    await settle(lab, tx, { kind: 'adopt', id: 'o1' })
    expect(await listResources(lab.cx)).toEqual([])
    expect(await lab.apply(without)).toMatchObject({ outcome: 'applied', revision: { from: 0, to: 1 }, pending: [] })
    expect(lab.cloud.content).toEqual(['b=1'])
  })

  test('a deletion that an earlier revision left over is no such change', async () => {
    const lab = makeLab({ class: 'D' })
    await lab.apply(a(lab))
    lab.cloud.fault('delete x', ...Array.from({ length: 20 }, () => 'lost' as const))
    expect(await lab.apply(() => void lab.Box('b', { name: 'b' }))).toMatchObject({ outcome: 'applied', pending: ['a'] })
    expect((await readStatus(lab.cx)).open).toMatchObject([{ op: 'delete', status: 'unknown' }])
    expect(await lab.apply(() => void lab.Box('b', { name: 'b', size: 2 }))).toMatchObject({ outcome: 'applied', revision: { from: 2, to: 3 }, pending: ['a'] })
    expect(await lab.apply(() => void lab.Box('b', { name: 'b', size: 3, fail: true }))).toMatchObject({ outcome: 'reverted', revision: { from: 3, to: 3 } })
  })
})

test('what a call has reported is on record before its outcome, also when it is given up while that is written', async () => {
  const lab = makeLab({ class: 'D', more: { timeout: '20ms' } })
  const written: string[] = []
  const commit = lab.store.commit.bind(lab.store)
  lab.store.commit = async (entries, options) => {
    if (entries.some((e) => e.t === 'event' && e.kind === 'task.partial')) await new Promise((resolve) => setTimeout(resolve, 60))
    const done = await commit(entries, options)
    for (const e of entries) if (e.t === 'event') written.push(e.kind)
    return done
  }
  lab.cloud.fault('create x', 'partly')
  expect(await lab.apply(() => void lab.Box('a', { name: 'x' }))).toMatchObject({ outcome: 'incomplete', error: { code: 'HF3103' } })
  expect(written.filter((kind) => kind.startsWith('t'))).toEqual(['tx.sent', 'task.partial', 'tx.unknown'])
})

test('what a call reports after it was given up is not heard, as its answer is not: nothing moves a change that is a question for a person', async () => {
  let report: (() => Promise<void>) | undefined
  const lab = makeLab({
    class: 'D',
    more: {
      timeout: '20ms',
      create: ({ partial }) => {
        report = () => partial({ id: 'o1' })
        return new Promise(() => undefined)
      },
    },
  })
  expect(await lab.apply(() => void lab.Box('a', { name: 'x' }))).toMatchObject({ outcome: 'incomplete', error: { code: 'HF3103' } })
  const [before] = await lab.store.txs({ unresolved: true })
  expect(before).toMatchObject({ status: 'unknown' })
  await report?.()
  expect(await lab.store.txs({ unresolved: true })).toEqual([before])
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

  test('makes it stale also when it turns out that the call broke off', async () => {
    const lab = makeLab()
    const commit = lab.store.commit.bind(lab.store)
    // The last words of the first run are lost: what it reported is on record, and how it ended is not.
    lab.store.commit = async (entries, options) => {
      if (entries.some((e) => e.t === 'tx.move' && e.to === 'failed')) throw failure('HF4006')
      return commit(entries, options)
    }
    lab.cloud.fault('create x', 'partly')
    expect(await lab.apply(() => void lab.Box('a', { name: 'x' }))).toMatchObject({ outcome: 'incomplete', error: { code: 'HF4006' } })
    lab.store.commit = commit
    const next = () => void lab.Box('a', { name: 'x', size: 2 })
    const { id } = await makePlan(lab.cx, { graph: buildGraph(lab.app(next), {}) }, { save: true })
    const [tx] = await lab.store.txs({ unresolved: true })
    await lab.store.commit([{ t: 'tx.move', token: String(tx?.token), to: 'failed', set: { applied: 'partly' } }], { env: lab.cx.env.id })
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

test('a name that leads to the object that is to be replaced is no proof that the new one was made', async () => {
  for (const fault of ['lost', 'lost-applied'] as const) {
    const lab = makeLab({ more: { claims: () => [] } })
    const program = (zone: string) => () => void lab.Box('a', { name: 'x', zone })
    await lab.apply(program('a'))
    const id = lab.cloud.byName('x')?.id
    lab.cloud.fault('create x', fault)
    const doc = await lab.apply(program('b'))
    expect(lab.cloud.objects.has(id as string), fault).toBe(true)
    if (fault === 'lost') expect(doc).toMatchObject({ outcome: 'reverted', error: { code: 'HF3104' } })
    else expect(doc.outcome).not.toBe('applied')
  }
})
