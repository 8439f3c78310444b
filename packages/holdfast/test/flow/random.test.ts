import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryFlowJournal, TaskFlowEngine, times, type Flow, type FlowJournal, type FlowReport, type Task } from '../../src/flow/workflow/index.ts'

/** A flow, drawn: leaves are tasks with the number of keys under which they fail, branches are flows with attempts (0: no controller). */
type Drawn = { readonly fails: number; readonly priority: number } | { readonly kind: 'linear' | 'unordered' | 'graph'; readonly attempts: number; readonly nodes: readonly Drawn[]; readonly links: readonly number[] }

const task: fc.Arbitrary<Drawn> = fc.record({ fails: fc.oneof({ weight: 7, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constant(9) }), priority: fc.nat(2) })
const branch = (inner: fc.Arbitrary<Drawn>): fc.Arbitrary<Drawn> => fc.record({
  kind: fc.constantFrom('linear', 'unordered', 'graph'), attempts: fc.constantFrom(0, 0, 1, 2, 3), nodes: fc.array(inner, { minLength: 1, maxLength: 3 }), links: fc.array(fc.nat(2), { maxLength: 3 }),
})
const drawn = branch(fc.oneof({ weight: 2, arbitrary: task }, { weight: 1, arbitrary: branch(fc.oneof({ weight: 2, arbitrary: task }, { weight: 1, arbitrary: branch(task) })) }))

/** What outlives every process: effects by key, and which keys a task was called under. */
class Outside {
  readonly standing = new Map<string, string>()
  readonly keys = new Map<string, string[]>()
  readonly broken: string[] = []
  /** Task -> tasks that must stand while it runs. */
  readonly after = new Map<string, readonly string[]>()
  /** Keys under which a task ended well, and that was stored. */
  readonly stored = new Set<string>()
  /** Key of the last call of a task: a flow may give one up that was never called, so keys cannot be counted. */
  readonly last = new Map<string, string>()
}

class Crash extends Error {}

/** Dies with the n-th commit, before or after it is written, and stays dead. */
function mortal(inner: FlowJournal, n: number, when: 'before' | 'after', outside: Outside): { readonly journal: FlowJournal; readonly commits: () => number } {
  let commits = 0
  let dead = false
  const journal = Object.create(inner) as FlowJournal
  for (const name of ['load', 'create', 'claim', 'renew'] as const) Object.assign(journal, { [name]: (inner[name] as (...a: never[]) => unknown).bind(inner) })
  Object.assign(journal, {
    commit: async (...args: Parameters<FlowJournal['commit']>) => {
      commits++
      if (dead || (commits === n && when === 'before')) {
        dead = true
        throw new Crash()
      }
      await inner.commit(...args)
      for (const row of args[2].tasks ?? []) {
        const key = outside.last.get(row.name)
        if (row.kind === 'task' && row.state === 'SUCCESS' && key !== undefined) outside.stored.add(key)
      }
      if (commits === n) {
        dead = true
        throw new Crash()
      }
    },
  })
  return { journal, commits: () => commits }
}

function build(engine: TaskFlowEngine, shape: Drawn, outside: Outside): { readonly flow: Flow; readonly tasks: readonly string[] } {
  let n = 0
  const tasks: string[] = []
  const node = (d: Drawn, before: readonly string[]): { readonly node: Task | Flow; readonly names: readonly string[] } => {
    if ('fails' in d) {
      const name = `t${n++}`
      tasks.push(name)
      outside.after.set(name, before)
      const made = engine.createTask((ctx) => {
        const known = outside.keys.get(name) ?? []
        if (!known.includes(ctx.key)) outside.keys.set(name, [...known, ctx.key])
        const epoch = (outside.keys.get(name) as string[]).indexOf(ctx.key)
        if (outside.stored.has(ctx.key)) outside.broken.push(`${name} ran again although it was stored as done`)
        outside.last.set(name, ctx.key)
        for (const p of outside.after.get(name) ?? []) if (![...outside.standing.values()].includes(p)) outside.broken.push(`${name} ran before ${p}`)
        outside.standing.set(ctx.key, name)
        if (epoch < d.fails) throw new Error(`${name} failed`)
      }, {
        name, priority: d.priority,
        undo: (ctx) => {
          for (const [later, before_] of outside.after) if (before_.includes(name) && [...outside.standing.values()].includes(later)) outside.broken.push(`${name} was taken back before ${later}`)
          outside.standing.delete(ctx.executeKey)
        },
      })
      return { node: made, names: [name] }
    }
    const flow = engine.buildFlow(`f${n++}`, d.kind, d.attempts > 0 ? { retry: times(d.attempts) } : {})
    const all: string[] = []
    const made: (Task | Flow)[] = []
    const namesOf: (readonly string[])[] = []
    d.nodes.forEach((child, i) => {
      // In a graph each node may wait for one before it.
      const link = d.kind === 'graph' ? d.links[i] : undefined
      const waits = d.kind === 'linear' ? all : link !== undefined && link < i ? namesOf[link] as readonly string[] : []
      const built = node(child, [...before, ...waits])
      engine.addTasks(flow, built.node)
      if (link !== undefined && link < i) engine.linkTask(flow, made[link] as Task, built.node)
      made.push(built.node)
      namesOf.push(built.names)
      all.push(...built.names)
    })
    return { node: flow, names: all }
  }
  return { flow: node('fails' in shape ? { kind: 'linear', attempts: 0, nodes: [shape], links: [] } : shape, []).node as Flow, tasks }
}

async function live(shape: Drawn, parallelism: number, crashes: readonly { readonly n: number; readonly when: 'before' | 'after' }[]): Promise<{ readonly outside: Outside; readonly state: string; readonly tasks: readonly string[]; readonly commits: number; readonly report: FlowReport | undefined }> {
  const outside = new Outside()
  let now = 0
  const inner = new MemoryFlowJournal({ clock: { now: () => now, mono: () => now, sleep: () => new Promise(() => undefined) } })
  const engine = new TaskFlowEngine()
  for (const crash of [...crashes, { n: -1, when: 'before' as const }]) {
    now += 1_000_000 // whoever died is not waited for
    const { journal, commits } = mortal(inner, crash.n, crash.when, outside)
    const { flow, tasks } = build(engine, shape, outside)
    const running = engine.getEngine(flow, { journal, id: 'f', parallelism })
    const error = await engine.runEngine(running).then(() => undefined, (e: unknown) => e)
    const row = (await inner.load('f'))?.flow
    // The last commit was written: a run after it would be the next run, not the rest of this one.
    if (!(error instanceof Crash) || row?.state === 'SUCCESS' || row?.state === 'REVERTED') return { outside, state: row?.state ?? 'none', tasks, commits: commits(), report: running.report }
  }
  throw new Error('it never ended')
}

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)

test(`random flows, killed before and after each of their commits, end as they might have without: seed ${seed}`, async () => {
  await fc.assert(fc.asyncProperty(drawn, fc.integer({ min: 1, max: 4 }), async (shape, parallelism) => {
    const calm = await live(shape, parallelism, [])
    const check = ({ outside, state, tasks, report }: Awaited<ReturnType<typeof live>>, crash?: unknown) => {
      expect(outside.broken).toEqual([])
      // Which of several failures comes first, and so how many attempts they use up, depends on what runs beside them.
      const asExpected = parallelism === 1 ? state === calm.state : state === 'SUCCESS' || state === 'REVERTED'
      expect([asExpected, ...(asExpected ? [] : [state, crash, report?.tasks.map((t) => `${t.name} ${t.state} ${t.attempt}`), report?.trace.map((t) => `${t.task} ${t.event}`)])]).toEqual([true])
      expect([...outside.standing.values()].sort()).toEqual(state === 'SUCCESS' ? [...tasks].sort() : [])
    }
    expect(['SUCCESS', 'REVERTED']).toContain(calm.state)
    check(calm)
    for (let n = 1; n <= Math.min(calm.commits, 40); n++) for (const when of ['before', 'after'] as const) check(await live(shape, parallelism, [{ n, when }]), { n, when })
    // Several deaths of one flow.
    check(await live(shape, parallelism, [{ n: 2, when: 'after' }, { n: 1, when: 'before' }, { n: 3, when: 'after' }, { n: 2, when: 'before' }]))
  }), { numRuns: Number(process.env.RUNS ?? 100), seed, endOnFailure: process.env.SHRINK === undefined })
}, 120_000)
