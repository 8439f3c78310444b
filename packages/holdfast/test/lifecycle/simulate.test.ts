import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { makePlan, simulate, type SimulationDocument } from '../../src/engine/index.ts'
import { buildGraph, hook, lookup, resource, sensitive, str } from '../../src/program/index.ts'
import { completeType } from '../../src/provider/index.ts'
import { boxes, stateOf } from '../support/boxes.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { makeLab, type Lab } from '../support/world.ts'

const take = { onFailure: 'revert' as const, fail: [] }
const graphOf = (lab: Lab, build: () => unknown) => buildGraph(lab.app(build), {})
const shown = (doc: SimulationDocument) => doc.steps.map((s) => (s.phase === 'commit' ? 'commit' : `${s.at} ${s.tasks.map((t) => `${t.op} ${t.address}${t.outcome === 'failed' ? '!' : ''}`).join(', ')}`))

describe('a simulated run', () => {
  test('calls nobody and changes nothing: no call, no commit, no event, not even a plan', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a b:a old'))
    const [before, calls, events] = [await stateOf(lab), lab.cloud.calls.length, lab.events.length]
    const lines: string[] = []
    for await (const l of lab.store.export()) lines.push(l)
    const doc = await simulate(lab.cx, { graph: graphOf(lab, boxes(lab, 'a b:a c:b d', { sizes: { a: 2 } })) }, take)
    expect(doc).toMatchObject({ outcome: 'applied', revision: { from: 1, to: 2 }, pending: [], atOnce: 2 })
    expect(shown(doc)).toEqual(['1 create d, update a', '2 create c', 'commit', '3 delete old'])
    const after: string[] = []
    for await (const l of lab.store.export()) after.push(l)
    expect([await stateOf(lab), lab.cloud.calls.length, lab.events.length, after]).toEqual([before, calls, events, lines])
  })

  test('runs no hook', async () => {
    const lab = makeLab()
    const ran: string[] = []
    const note = hook(`simulated-${Math.random()}`, () => void ran.push('ran'))
    const build = () => void lab.Box('a', { name: 'a' }, { hooks: { beforeCreate: note } })
    expect(await simulate(lab.cx, { graph: graphOf(lab, build) }, take)).toMatchObject({ outcome: 'applied' })
    expect(ran).toEqual([])
    await lab.apply(build)
    expect(ran).toEqual(['ran'])
  })

  test('shows how a failure would be taken back, and what that leaves', async () => {
    const lab = makeLab()
    await lab.apply(boxes(lab, 'a old'))
    const request = { graph: graphOf(lab, boxes(lab, 'a b:a c:b d:c', { sizes: { a: 2 } })) }
    const doc = await simulate(lab.cx, request, { ...take, fail: [{ address: 'c' }] })
    expect(shown(doc)).toEqual(['1 update a', '2 create b', '3 create c!', '4 revert b', '5 revert a'])
    expect(doc).toMatchObject({ outcome: 'reverted', revision: { from: 1, to: 1 }, reverted: [{ address: 'b' }, { address: 'a' }], failure: { code: 'HF3101', address: 'c' } })
    // The same with other words about failures.
    expect(await simulate(lab.cx, request, { onFailure: 'continue', fail: [{ address: 'b', op: 'create' }] })).toMatchObject({ outcome: 'kept', skipped: ['c', 'd'], revision: { to: 2 } })
    expect(await simulate(lab.cx, request, { ...take, fail: [{ address: 'old', op: 'delete' }] })).toMatchObject({ outcome: 'applied', pending: ['old'] })
    expect(await simulate(lab.cx, request, { ...take, fail: [{ address: 'b', op: 'delete' }] })).toMatchObject({ outcome: 'applied' })
    await expect(simulate(lab.cx, request, { ...take, fail: [{ address: 'x' }] })).rejects.toMatchObject({ code: 'HF6001' })
    expect(lab.cloud.content).toEqual(['a=1', 'old=1'])
  })

  test('runs a plan that was stored, and refuses a stale one', async () => {
    const lab = makeLab()
    const { id } = await makePlan(lab.cx, { graph: graphOf(lab, boxes(lab, 'a b:a')) }, { save: true })
    expect(shown(await simulate(lab.cx, { id }, take))).toEqual(['1 create a', '2 create b', 'commit'])
    expect(await simulate(lab.cx, { id }, take)).toMatchObject({ plan: id, outcome: 'applied' })
    await lab.apply(boxes(lab, 'c'))
    await expect(simulate(lab.cx, { id }, take)).rejects.toMatchObject({ code: 'HF2401' })
  })

  test('says what it cannot imagine: a change whose outcome an apply would ask for first', async () => {
    const lab = makeLab({ class: 'D' })
    lab.cloud.fault('create a', 'hang')
    const abort = new AbortController()
    const session = await lab.session()
    const running = session.apply(await session.plan({ graph: graphOf(lab, boxes(lab, 'a')) }), { onFailure: 'revert', stop: new AbortController().signal, abort: abort.signal })
    while (lab.cloud.calls.length === 0) await new Promise((r) => setImmediate(r))
    await expect(simulate(lab.cx, { graph: graphOf(lab, boxes(lab, 'b')) }, take)).rejects.toMatchObject({ code: 'HF4101', address: 'a' })
    abort.abort()
    await running
    await session.end()
  })

  test('makes up outputs of every shape, and no schema refuses them', async () => {
    const lab = makeLab()
    const outputs = z.object({
      url: z.url(), n: z.int().min(5), list: z.array(z.string()).min(1), deep: z.object({ when: z.date(), kind: z.enum(['x', 'y']), maybe: z.string().optional() }),
      either: z.union([z.literal(3), z.string()]), pair: z.tuple([z.string(), z.boolean()]), map: z.record(z.string(), z.number()), key: sensitive(z.string().length(64)), none: z.null(), big: z.bigint(), given: z.string(),
      self: z.lazy(() => z.object({ v: z.string() })), filled: z.string().default('f'), piped: z.string().transform((s) => s.length), any: z.unknown(),
    })
    const Shapes = resource({
      type: `test:Shapes${Math.random()}`, inputs: z.object({ given: z.string() }), outputs,
      create: async () => { throw new Error('never called') }, delete: async () => { throw new Error('never called') },
    })
    const Picky = resource({
      type: `test:Picky${Math.random()}`, inputs: z.object({ url: z.url(), n: z.int().min(5), key: sensitive(z.string().length(64)), size: z.number().default(4) }), outputs: z.object({ size: z.number() }),
      create: async () => { throw new Error('never called') }, delete: async () => { throw new Error('never called') },
      predict: ({ size }) => ({ ...(size === undefined ? {} : { size }) }),
    })
    const Found = resource({ type: `test:Found${Math.random()}`, inputs: z.object({ name: z.string() }), outputs: z.object({ cidr: z.string() }), create: async () => ({ cidr: '' }), delete: async () => undefined, find: async () => { throw new Error('never called') } })
    for (const T of [Shapes, Picky, Found]) lab.cx.types.add(completeType(T.spec as never, `program#${T.type}`))
    const doc = await simulate(lab.cx, {
      graph: graphOf(lab, () => {
        const s = Shapes('s', { given: 'g' })
        const p = Picky('p', { url: s.url, n: s.n, key: s.key })
        const f = lookup(Found, { name: s.deep.kind }, { name: 'f' })
        lab.Box('b', { name: 'b', size: p.size, secret: str`${f.cidr}` })
        return { list: s.list, piped: s.piped }
      }),
    }, take)
    expect(doc.failure).toBeUndefined()
    expect(shown(doc)).toEqual(['1 create s', '2 create p, read f', '3 create b', 'commit'])
  })

  test('begins every step where the real run begins it: random programs, two limits, faults', async () => {
    const seed = Number(process.env.SEED ?? (Date.now() % 1_000_000))
    console.log(`simulate: SEED=${seed}`)
    let x = seed + 1
    const dice = (n: number) => {
      x = (x * 48271) % 2147483647
      return x % n
    }
    let faulty = 0
    for (let i = 0; i < 24; i++) {
      const clock = new VirtualClock()
      const lab = makeLab({ clock, parallelism: 2 + dice(5), more: { limit: 1 + dice(4) } })
      const letters = 'abcdefghij'.split('')
      const draw = () => {
        const names = letters.filter(() => dice(4) > 0)
        return names.map((n, at) => `${n}${at > 0 && dice(3) ? `:${names[dice(at)]}` : ''}${at > 1 && dice(4) === 0 ? `^${names[dice(at)]}` : ''}`).join(' ')
      }
      const variety = () => ({ sizes: Object.fromEntries(letters.map((n) => [n, 1 + dice(2)])), zones: Object.fromEntries(letters.map((n) => [n, dice(4) ? 'a' : 'b'])) })
      await lab.apply(boxes(lab, draw(), variety()))
      const [line, over] = [draw(), variety()]
      const build = boxes(lab, line, over)
      const planned = await makePlan(lab.cx, { graph: graphOf(lab, build) }, { save: true })
      if (planned.empty) continue
      const victim = dice(3) === 0 ? planned.document.changes.filter((c) => c.action === 'create')[0]?.address : undefined
      const what = `seed ${seed}, case ${i}: ${line}${victim ? `, ${victim} fails` : ''}`
      const doc = await simulate(lab.cx, { id: planned.id }, { ...take, fail: victim ? [{ address: victim, op: 'create' }] : [] })
      if (victim) {
        faulty++
        lab.cloud.fault(`create ${victim}`, 'reject')
      }
      // Every call of the cloud takes one moment of a virtual clock, as in the simulation.
      lab.cloud.latency = (call) => (call.startsWith('read') ? Promise.resolve() : clock.sleep(1))
      lab.events.length = 0
      const began = clock.now()
      const real: string[] = []
      const push = lab.events.push.bind(lab.events)
      lab.events.push = (...e) => {
        for (const event of e) if (event.type === 'task.started' || event.type === 'task.reverting') real.push(`${clock.now() - began + 1} ${event.type === 'task.reverting' ? 'revert' : event.op} ${event.node}`)
        return push(...e)
      }
      const session = await lab.session()
      const never = new AbortController().signal
      const ran = await session.apply(await session.load({ id: planned.id }), { onFailure: 'revert', stop: never, abort: never })
      await session.end()
      expect(doc.steps.flatMap((s) => s.tasks.map((t) => `${s.at} ${t.op} ${t.address}`)), what).toEqual(real)
      expect([doc.outcome, doc.reverted, doc.pending, doc.revision], what).toEqual([ran.outcome, ran.reverted, ran.pending, ran.revision])
    }
    expect(faulty).toBeGreaterThan(0)
  })
})
