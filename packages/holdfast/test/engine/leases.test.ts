import { describe, expect, test } from 'vitest'
import { systemClock, systemRandom, type Clock } from '../../src/base/index.ts'
import { acquire, beginRun, envScope, forceLeases, heldLeases, keepForLater, makePlan, readStatus } from '../../src/engine/index.ts'
import { buildGraph } from '../../src/program/index.ts'
import { MemoryStore } from '../../src/store/index.ts'
import { isKept } from '../../src/state/index.ts'
import { makeLab, type Lab } from '../support/world.ts'

const stop = new AbortController().signal
const now = { lockTimeoutMs: 0, stop }
const code = (e: { readonly code?: string }) => e.code

/** Two commands over one state; nobody is known to be dead. */
function two(clock: Clock = systemClock): { readonly a: Lab; readonly b: Lab } {
  const a = makeLab({ clock, store: new MemoryStore({ clock, random: systemRandom }) })
  return { a, b: a.again() }
}
const one = (lab: Lab) => () => void lab.Box('one', { name: 'one' })

/** `plan --hold`: a plan, and the word by which an apply takes its lease. */
async function planned(lab: Lab, forMs = 60_000) {
  const lease = await acquire(lab.cx, envScope(lab.cx), now)
  const plan = await makePlan(lab.cx, { graph: buildGraph(lab.app(one(lab)), {}) }, { save: true })
  return { lease, plan, kept: await keepForLater(lab.cx, lease, forMs) }
}

describe('a lease that goes from one command to the next', () => {
  test('B8.9#142 a plan hands its lease to the apply of it by a word: nobody comes in between, and it is one lease all the time', async () => {
    const { a, b } = two()
    const { lease, plan, kept } = await planned(a)
    expect(await readStatus(b.cx)).toMatchObject({ leases: [{ scope: 'lab/default', kept: true, alive: true, expires: kept.expires }] })
    const refused = await beginRun(b.cx, now).catch((e) => e)
    expect(refused).toMatchObject({ code: 'HF4201', message: expect.stringContaining(`kept for an apply, until ${kept.expires}`), hint: expect.stringContaining('holdfast state unlock') })
    const waits = beginRun(b.again().cx, { lockTimeoutMs: 60_000, stop }) // whoever waits is not pushed past, and does not push in
    const run = await beginRun(b.cx, { ...now, lease: kept.token })
    const [held] = await a.store.leases()
    expect([held?.grantedAt, held && isKept(held.holder), (held?.fence ?? 0) > lease.fence]).toEqual([lease.grantedAt, false, true])
    await expect(a.store.commit([], { env: a.cx.env.id, fence: lease }).catch(code)).resolves.toBe('HF4203')
    const document = await run.apply(await run.load({ id: plan.id }), { onFailure: 'revert', stop, abort: stop })
    expect(document.outcome).toBe('applied')
    await run.end()
    const next = await waits
    await next.end()
    expect(await a.store.leases()).toEqual([])
  })

  test('a word is good once, for its own environment, and as long as nobody else has the lease', async () => {
    let ms = 1_000_000
    const { a, b } = two({ ...systemClock, now: () => ms })
    const { kept } = await planned(a)
    await expect(beginRun(b.cx, { ...now, lease: 'lab/other#1' }).catch(code)).resolves.toBe('HF1001')
    await expect(beginRun(b.cx, { ...now, lease: 'lab/default#0' }).catch(code)).resolves.toBe('HF4203')
    await (await beginRun(b.cx, { ...now, lease: kept.token })).end()
    await expect(beginRun(b.cx, { ...now, lease: kept.token }).catch(code)).resolves.toBe('HF4203')
    // Past its time it still is where it was left, until somebody takes it.
    const second = await planned(a, 1_000)
    ms += 5_000
    await (await beginRun(b.cx, { ...now, lease: second.kept.token })).end()
    const third = await planned(a, 1_000)
    ms += 5_000
    const other = await beginRun(b.cx, now)
    const late = await beginRun(a.cx, { ...now, lease: third.kept.token }).catch((e) => e)
    expect(late).toMatchObject({ code: 'HF4203', hint: expect.stringContaining('Plan again') })
    await other.end()
    // The lease of somebody at work is nobody's to take by a word.
    const working = await beginRun(b.cx, now)
    const [held] = await a.store.leases()
    await expect(beginRun(a.cx, { ...now, lease: `lab/default#${held?.fence}` }).catch(code)).resolves.toBe('HF4203')
    await working.end()
  })

  test('B8.9#140 a lease taken away by force: its holder commits nothing more, the next run settles what it had begun, and the history says who did it', async () => {
    const { a, b } = two()
    a.cloud.fault('create one', 'hang')
    const hung = new AbortController()
    const session = await a.session()
    const ends = session.apply(await session.plan({ graph: buildGraph(a.app(one(a)), {}) }), { onFailure: 'revert', stop: hung.signal, abort: hung.signal })
    while (!a.cloud.calls.includes('create one')) await new Promise((next) => setTimeout(next, 1))
    await expect(beginRun(b.cx, now).catch(code)).resolves.toBe('HF4201')
    const held = await heldLeases(b.cx)
    expect(held).toMatchObject([{ scope: 'lab/default', pid: process.pid, alive: true, kept: false }])
    await forceLeases(b.cx, held)
    expect(await heldLeases(b.cx)).toEqual([])
    hung.abort()
    expect(await ends).toMatchObject({ outcome: 'incomplete', error: { code: 'HF4203' } })
    await session.end().catch(() => undefined)
    expect(await b.apply(one(b))).toMatchObject({ outcome: 'applied' })
    expect(b.cloud.content).toEqual(['one=1'])
    const env = await b.store.env('lab', 'default')
    const forced = (await b.store.events(env?.id as string, { seq: 0 }, 999)).filter((e) => e.kind === 'lease.forced')
    expect(forced.map((e) => JSON.parse(e.data))).toMatchObject([{ by: expect.stringContaining(`pid ${process.pid}`), leases: [{ scope: 'lab/default', fence: held[0]?.fence }] }])
  })

  test('B8.9#141 a plan is made while an apply is at work, on the base, and asks for no lease', async () => {
    const { a, b } = two()
    await a.apply(one(a))
    a.cloud.fault('update one', 'hang')
    const bigger = () => void a.Box('one', { name: 'one', size: 2 })
    const hung = new AbortController()
    const session = await a.session()
    const ends = session.apply(await session.plan({ graph: buildGraph(a.app(bigger), {}) }), { onFailure: 'revert', stop: hung.signal, abort: hung.signal })
    while (!a.cloud.calls.includes('update one')) await new Promise((next) => setTimeout(next, 1))
    const fences = async () => (await a.store.leases()).map((l) => [l.scope, l.holder.id, l.fence])
    const before = await fences()
    const plan = await b.plan(() => { b.Box('one', { name: 'one' }); b.Box('two', { name: 'two' }) })
    expect(plan.document.revision).toBe(1)
    expect(plan.document.changes.map((c) => [c.address, c.action])).toContainEqual(['two', 'create'])
    expect(await fences()).toEqual(before)
    hung.abort()
    await ends
    await session.end()
  })

  test('only the leases that were seen are taken away', async () => {
    const { a, b } = two()
    const first = await a.session()
    const seen = await heldLeases(b.cx)
    await first.end()
    const second = await a.session()
    await expect(forceLeases(b.cx, seen).catch(code)).resolves.toBe('HF4201')
    expect(await heldLeases(b.cx)).toHaveLength(1)
    await second.end()
  })
})
