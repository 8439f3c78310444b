import { describe, expect, test } from 'vitest'
import { isFailure } from '../../src/base/index.ts'
import { readStatus, type RunDocument } from '../../src/engine/index.ts'
import { buildGraph, component } from '../../src/program/index.ts'
import { MemoryStore } from '../../src/store/index.ts'
import { seeded } from '../../src/testing/store-fuzz.ts'
import { callsOf } from '../support/boxes.ts'
import { how, inSession, type Lab, makeLab, resume, revert } from '../support/world.ts'

/** Boxes by component: `{ web: { a: 1 } }` is one box `a` of size 1 in the component `web`; `.` stands for those outside. */
type Shape = Readonly<Record<string, Readonly<Record<string, number>>>>

const parts = (lab: Lab, shape: Shape) => () => {
  for (const [name, sizes] of Object.entries(shape)) {
    const build = () => {
      let before: ReturnType<Lab['Box']> | undefined
      for (const [box, size] of Object.entries(sizes)) before = lab.Box(box, { name: `${name}-${box}`, size, secret: before ? before.id : '' })
      return {}
    }
    if (name === '.') build()
    else component(name, { build })(name, {})
  }
}
const inside = (name: string) => ({ targets: [name === '.' ? '*' : `${name}/**`] })

/** Processes over one store and one cloud; who dies is known to be dead. */
function machine() {
  const first = makeLab({ store: new MemoryStore({ clock: makeLab().cx.clock, random: makeLab().cx.random }) })
  const dead = new Set<string>()
  const { clock, random } = first.cx
  const { tables } = first.store as MemoryStore
  const start = (faults?: { readonly n: number; readonly when: 'before' | 'after' }) => {
    let die = () => {}
    const died = new Promise<'died'>((r) => { die = () => r('died') })
    const store: MemoryStore = new MemoryStore({
      clock, random, tables, isDead: (h) => dead.has(h.id),
      ...(faults ? { faults: { [faults.when]: async (at: number) => {
        if (at !== faults.n) return
        store.crash()
        dead.add(lab.cx.holder.id)
        die()
      } } } : {}),
    })
    const lab = makeLab({ store, cloud: first.cloud, Box: first.Box, clock })
    return { lab, died }
  }
  return { start, cloud: first.cloud }
}

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

const committed = async (lab: Lab): Promise<string[]> => (await lab.store.resources((await lab.store.env('lab', 'default'))?.id ?? '', 'committed')).map((r) => r.address)
const sound = async (lab: Lab, at?: string) => expect((await lab.store.doctor()).filter((c) => !c.ok), at).toEqual([])

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
    await sound(two)
    slow.open()
    expect(await web).toMatchObject({ outcome: 'applied', revision: { from: 2, to: 3 } })
    expect(cloud.content).toEqual(['db-a=3', 'db-c=3', 'web-a=2', 'web-b=2'])
    expect(await committed(one)).toEqual(['db/a', 'db/c', 'web/a', 'web/b'])
    expect((await readStatus(one.cx)).parts).toBeUndefined()
    await sound(one)
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
    await sound(one)
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
      await sound(one, at)
      // Meanwhile others go on elsewhere.
      const other = start().lab
      const db = await other.apply(parts(other, { web: { a: 1 }, db: { a: 5 } }), { request: inside('db') })
      expect(db.outcome, at).toBe('applied')
      const open = (await readStatus(one.cx)).parts !== undefined
      const next = start().lab
      const grown: Shape = { ...after, db: { a: 5 } }
      const doc = await (name === 'the same part' || name === 'the whole' ? next.apply(parts(next, grown), name === 'the whole' ? {} : { request: inside('web') }) : end(next)).catch((e) => e)
      if (isFailure(doc)) expect([doc.code, open], at).toEqual(['HF6005', false]) // nothing to go back to or on with
      else expect(doc.outcome, at).toMatch(name === 'revert' ? /^reverted$/ : /^(?:applied|unchanged)$/)
      await sound(next, at)
      const done = await committed(next)
      expect(cloud.content, at).toEqual(done.includes('web/b') ? ['db-a=5', 'web-a=2', 'web-b=2'] : ['db-a=5', 'web-a=1'])
      expect(await readStatus(next.cx), at).toMatchObject({ open: [], openRun: null, pendingDeletes: [] })
      expect((await readStatus(next.cx)).parts, at).toBeUndefined()
      expect((await next.apply(parts(next, grown))).outcome, at).toMatch(/^(?:applied|unchanged)$/)
      expect(cloud.content, at).toEqual(['db-a=5', 'web-a=2', 'web-b=2'])
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
    await sound(one)
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

  const first = Number(process.env.HOLDFAST_SEED ?? Math.floor(Math.random() * 1e9))
  const seeds = Number(process.env.HOLDFAST_SEEDS ?? 40)
  test(`random parts at the same time, with faults and deaths: each is all or nothing, and the whole converges (seeds ${first} to ${first + seeds - 1})`, async () => {
    for (let seed = first; seed < first + seeds; seed++) await life(seed)
  }, 600_000)
})

const NAMES = ['web', 'db', '.', 'mail'] as const
const BOXES = ['a', 'b', 'c']

/** Some commands at the same time, then some more over what they left; at the end a person applies the whole. */
async function life(seed: number): Promise<void> {
  const dice = seeded(seed)
  const { start, cloud } = machine()
  const sizes = () => Object.fromEntries(BOXES.filter(() => dice.int(3) > 0).map((b) => [b, 1 + dice.int(4)]))
  const truth: Record<string, Record<string, number>> = Object.fromEntries(NAMES.map((n) => [n, sizes()]))
  const one = start().lab
  await one.apply(parts(one, truth))
  cloud.latency = async () => {
    for (let n = dice.int(4); n > 0; n--) await new Promise((r) => setImmediate(r))
  }
  const show = (shape: Readonly<Record<string, number>>, name: string) => Object.entries(shape).map(([b, s]) => `${name}-${b}=${s}`).sort()
  const log: string[] = []
  const at = (what: string) => `seed ${seed}: ${what}\n${log.join('\n')}`
  /** Committed content of one component, as the store tells it. */
  const stored = async (name: string): Promise<string[]> => {
    const env = await one.store.env('lab', 'default')
    const rows = (await one.store.resources(env?.id ?? '', 'committed')).filter((r) => (name === '.' ? !r.address.includes('/') : r.address.startsWith(`${name}/`)))
    const docs = await one.store.docs(rows)
    return rows.map((_, i) => {
      const o = JSON.parse((docs[i] as { outputs: string }).outputs) as { name: string; size: number }
      return `${o.name}=${o.size}`
    }).sort()
  }
  const left = new Set<string>()
  for (let round = 0; round < 3; round++) {
    const names = [...NAMES].filter(() => dice.int(3) > 0)
    const before = (await one.store.env('lab', 'default'))?.revision ?? 0
    const commands = names.map((name) => {
      const wanted = sizes()
      const dies = dice.int(3) === 0 ? { n: 1 + dice.int(24), when: dice.pick(['before', 'after'] as const) } : undefined
      const fails = dice.int(4) === 0 ? `${dice.pick(['create', 'update', 'delete'])} ${name}-${dice.pick(BOXES)}` : undefined
      if (fails) cloud.fault(fails, dice.pick(['reject', 'lost', 'lost-applied', 'partly'] as const))
      return { name, wanted, dies, fails }
    })
    let commits = 0
    await Promise.all(commands.map(async ({ name, wanted, dies, fails }) => {
      const process = start(dies)
      const said = await Promise.race([process.died, process.lab.apply(parts(process.lab, { ...truth, [name]: wanted }), { request: inside(name) })]).catch((e: unknown) => e)
      log.push(`round ${round} ${name} ${JSON.stringify(truth[name])} -> ${JSON.stringify(wanted)}${dies ? ` dies ${dies.when} ${dies.n}` : ''}${fails ? ` fails ${fails}` : ''}: ${said === 'died' ? said : isFailure(said) ? `${said.code} ${said.message}` : (said as RunDocument).outcome}`)
      const now = await stored(name)
      const [was, will] = [show(truth[name] as Record<string, number>, name), show(wanted, name)]
      const outcome = said === 'died' ? 'died' : isFailure(said) ? said.code : (said as RunDocument).outcome
      if (!['died', 'applied', 'reverted', 'unchanged', 'incomplete', 'HF6001'].includes(outcome)) throw Object.assign(new Error(at(`${name}: ${outcome}`)), { cause: said })
      const isNew = now.join() === will.join() && now.join() !== was.join()
      if (outcome === 'applied') expect(now, at(name)).toEqual(will)
      else if (outcome === 'reverted') expect(now, at(name)).toEqual(was)
      else expect([was.join(), will.join()], at(name)).toContain(now.join())
      const { from, to } = (said as RunDocument).revision ?? { from: 0, to: 0 }
      if ((outcome === 'applied' && to > from) || (outcome === 'died' && isNew)) commits++
      if (now.join() === will.join()) truth[name] = wanted
      if (outcome === 'died' || outcome === 'incomplete') left.add(name)
      else if (outcome === 'applied' || outcome === 'reverted') left.delete(name)
      const there = cloud.content.filter((c) => c.startsWith(`${name}-`))
      if (!left.has(name) && !(said as RunDocument).pending?.length) expect(there, at(`world of ${name}`)).toEqual(now)
    }))
    expect(((await one.store.env('lab', 'default'))?.revision ?? 0) - before, at('revisions')).toBe(commits)
    await sound(one, at('doctor'))
  }
  cloud.faults.clear()
  const last = start().lab
  expect((await last.apply(parts(last, truth))).outcome, at('the whole')).toMatch(/^(?:applied|unchanged)$/)
  expect(cloud.content, at('the world')).toEqual(NAMES.flatMap((n) => show(truth[n] as Record<string, number>, n)).sort())
  expect(await readStatus(last.cx), at('status')).toMatchObject({ open: [], openRun: null, pendingDeletes: [] })
  expect((await last.store.env('lab', 'default'))?.parts, at('parts')).toBeUndefined()
  await sound(last, at('doctor'))
  const rows = await last.store.resources((await last.store.env('lab', 'default'))?.id ?? '', 'current')
  const docs = await last.store.docs(rows)
  expect(new Set(docs.map((d) => (JSON.parse((d as { outputs: string }).outputs) as { id: string }).id)), at('ids')).toEqual(new Set(cloud.objects.keys()))
}
