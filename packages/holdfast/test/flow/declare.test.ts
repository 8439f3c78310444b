import { describe, expect, expectTypeOf, test } from 'vitest'
import { TaskFlowEngine, times, type Flow, type Inputs, type Task, type TaskContext } from '../../src/flow/workflow/index.ts'
import { ALWAYS, engine, fails, flow, linear, play, states, unordered, World } from './world.ts'

const graph = (...nodes: Parameters<typeof flow>[1]): Flow => flow('graph', nodes)

describe('building', () => {
  test('S002-73 S002-74 S002-75 S002-76 a flow has a name and one of three types, graph unless another is asked for (HF3202)', async () => {
    expect(engine.buildFlow('x')).toMatchObject({ name: 'x', kind: 'graph' })
    for (const kind of ['linear', 'unordered', 'graph'] as const) expect(engine.buildFlow('x', kind).kind).toBe(kind)
    const e = await fails('HF3202', () => engine.buildFlow('x', 'circular' as 'graph'))
    expect(e.details.kind).toBe('FlowTypeUnknown')
    await fails('HF3203', () => engine.buildFlow(''))
    const w = new World()
    await play(graph(w.task('second', { requires: ['x'] }), w.task('first', { provides: 'x', gives: 1 })))
    expect(w.log).toEqual(['first', 'second'])
  })

  test('S002-77 S002-78 tasks and nested flows are added, and a nested flow runs inside', async () => {
    const w = new World()
    const f = linear(w.task('a'), linear(w.task('b'), w.task('c')), w.task('d'))
    expect(f.nodes.map((n) => n.name)).toEqual(['a', expect.stringMatching(/^linear/), 'd'])
    await play(f)
    expect(w.log).toEqual(['a', 'b', 'c', 'd'])
    engine.addTasks(f, f.nodes[0] as never)
    expect(f.nodes).toHaveLength(3)
  })

  test('nesting is bounded by memory, not by the stack: of every type, declared, linked, compiled and run', async () => {
    const w = new World()
    let nested: Flow = linear(w.task('leaf', { requires: ['given'], provides: 'x', gives: 1 }))
    for (let i = 0; i < 3_000; i++) nested = flow((['linear', 'graph', 'unordered'] as const)[i % 3] as 'graph', [nested], { name: `level${i}` })
    const outer = graph(w.task('after', { requires: ['x'] }), nested, w.task('before', { provides: 'given', gives: 2 }))
    expect(engine.searchTask(outer, 'leaf')?.name).toBe('leaf')
    const { report } = await play(outer)
    expect([report.state, w.log, w.seen.leaf, w.seen.after]).toEqual(['SUCCESS', ['before', 'leaf', 'after'], { given: 2 }, { x: 1 }])
  })

  test('S002-92 a task is found by name, in nested flows, too', () => {
    const w = new World()
    const inner = w.task('inner')
    const f = linear(w.task('a'), unordered(linear(inner)))
    expect(engine.searchTask(f, 'inner')).toBe(inner)
    expect(engine.searchTask(f, 'nobody')).toBeUndefined()
  })

  test('S002-88 what is no flow, no task and no engine is refused (HF3201)', async () => {
    for (const nothing of [undefined, null, {}, 'flow']) {
      const e = await fails('HF3201', () => engine.getEngine(nothing as never))
      expect(e.details.kind).toBe('InvalidTaskFlowObject')
      await fails('HF3201', () => engine.runEngine(nothing as never))
      await fails('HF3201', () => engine.output(nothing as never))
      await fails('HF3201', () => engine.addTasks(linear(), nothing as never))
      await fails('HF3201', () => engine.addTasks(nothing as never))
    }
    const t = new World().task('a')
    await fails('HF3201', () => engine.getEngine(linear(t, linear(t))))
  })

  test('TF-27 S002-01 a name stands once in the whole flow (HF3204)', async () => {
    const w = new World()
    const e = await fails('HF3204', () => engine.getEngine(linear(unordered(w.task('a')), unordered(w.task('a')))))
    expect(e.details).toEqual({ kind: 'Duplicate', name: 'a' })
  })

  test('S002-93 the built-in engine has all eight operations', () => {
    const e = new TaskFlowEngine()
    for (const name of ['buildFlow', 'createTask', 'addTasks', 'linkTask', 'searchTask', 'getEngine', 'runEngine', 'output'] as const) expect(e[name]).toBeTypeOf('function')
  })
})

describe('inputs and outputs', () => {
  test('S002-03 TF-12 S002-09 what nobody gives is said before anything runs, for the way back, too (HF3205)', async () => {
    const w = new World()
    const e = await fails('HF3205', () => play(linear(w.task('a'), w.task('b', { requires: ['x'] }))))
    expect(e.details.kind).toBe('MissingDependencies')
    const undo = await fails('HF3205', () => play(linear(w.task('c', { undoRequires: ['z'] }))))
    expect(undo.message).toContain('c needs z to be taken back')
    expect(w.log).toEqual([])
  })

  test('TF-13 everything that is missing, in nested flows, is one error with a chain of causes', async () => {
    const w = new World()
    const e = await fails('HF3205', () => play(linear(unordered(w.task('a', { requires: ['x', 'y'] })), linear(w.task('b', { requires: ['z'] })))))
    expect([e.cause.message, e.cause.cause.message]).toEqual(['a needs x, y', 'b needs z'])
    expect(e.details.missing).toEqual([{ task: 'a', half: 'execute', symbols: ['x', 'y'] }, { task: 'b', half: 'execute', symbols: ['z'] }])
  })

  test('TF-14 S002-07 an optional input may be missing', async () => {
    const w = new World()
    await play(linear(w.task('a', { optional: ['x'] }), w.task('b', { provides: 'y', gives: 1 }), w.task('c', { optional: ['y'] })))
    expect([w.seen.a, w.seen.c]).toEqual([{}, { y: 1 }])
  })

  test('S002-04 S002-16 inputs are declared and come as one object: nothing is read out of a signature', async () => {
    const w = new World()
    await play(linear(engine.createTask((_ctx, { x, ...rest }, ...more: unknown[]) => { w.log.push(String(x), JSON.stringify(rest), String(more.length)) }, { name: 'a', requires: ['x'] })), { store: { x: 1, y: 2 } })
    expect(w.log).toEqual(['1', '{}', '0'])
    expectTypeOf<Parameters<Parameters<TaskFlowEngine['createTask']>[0]>>().toEqualTypeOf<[ctx: TaskContext, inputs: Inputs]>()
  })

  test('TF-15 S002-05 another symbol for an argument: by position or by name', async () => {
    const w = new World()
    const given = linear(w.task('list', { requires: ['a', 'b'], rebind: ['x', 'y'] }), w.task('map', { requires: ['a', 'b'], rebind: { b: 'z' } }))
    await play(given, { store: { x: 1, y: 2, a: 3, z: 4 } })
    expect([w.seen.list, w.seen.map]).toEqual([{ a: 1, b: 2 }, { a: 3, b: 4 }])
  })

  test('TF-16 more symbols than arguments are refused when the task is made (HF3203)', async () => {
    const e = await fails('HF3203', () => new World().task('a', { requires: ['a'], rebind: ['x', 'y'] }))
    expect(e.details.kind).toBe('InvalidFormat')
    await fails('HF3203', () => new World().task('a', { rebind: 7 as never }))
    await fails('HF3203', () => new World().task('a', { requires: 'x' as never }))
    await fails('HF3203', () => new World().task('a', { provides: ['x', 'x'] }))
    await fails('HF3203', () => new World().task('a', { timeout: 'soon' }))
    await fails('HF3203', () => engine.createTask(undefined as never))
  })

  test('S002-08 the undo has its own names', async () => {
    const w = new World()
    await play(linear(w.task('a', { requires: ['p'], undoRequires: ['q'], undoRebind: { q: 'other' } }), w.task('b', { fails: ALWAYS })), { store: { p: 1, other: 2 } })
    expect(w.seen['-a']).toMatchObject({ q: 2 })
    expect(w.seen['-a']).not.toHaveProperty('p')
  })

  test('S002-83 an undo that reads `result` needs no symbol of that name, and cannot ask for one', async () => {
    const seen: unknown[] = []
    const a = engine.createTask(() => 5, { name: 'a', undo: (_ctx, { result }) => { seen.push(result) } })
    await play(linear(a, new World().task('b', { fails: ALWAYS })))
    expect([a.requires, seen]).toEqual([[], [5]])
    await fails('HF3203', () => new World().task('a', { undoRequires: ['result'] }))
  })

  test('TF-18 what was announced and not returned fails the task that announced it (HF3215)', async () => {
    const w = new World()
    const { error, report } = await play(linear(w.task('a', { provides: new Set(['a', 'b']), gives: { a: 1 } }), w.task('c', { requires: ['b'] })))
    expect(error).toMatchObject({ code: 'HF3215', details: { missing: ['b'] } })
    expect(states(report)).toEqual({ a: 'REVERTED', c: 'PENDING' })
    expect((await play(linear(w.task('l', { provides: ['p', 'q'], gives: [1] })))).error.code).toBe('HF3215')
  })

  test('S002-02 S002-11 S002-79 S002-80 S002-81 results are named: the whole, by position, by key; the order of inputs is kept', async () => {
    const w = new World()
    const f = linear(w.task('whole', { provides: 'w', gives: 1 }), w.task('list', { provides: ['l', 'm'], gives: [2, 3] }), w.task('set', { provides: new Set(['s', 't']), gives: { s: 4, t: 5, u: 6 } }),
      engine.createTask((_c, { l, w: one, t }) => [l, one, t], { name: 'all', requires: ['l', 'w', 't'], provides: 'sum' }))
    const { engine: running } = await play(f)
    expect(engine.output(running)).toEqual({ w: 1, l: 2, m: 3, s: 4, t: 5, sum: [2, 1, 5] })
    expect((f.nodes[3] as Task).requires).toEqual(['l', 'w', 't'])
  })

  test('S002-91 one output by name, or all; what nobody gave is not there (HF3210)', async () => {
    const w = new World()
    const { engine: running } = await play(linear(w.task('a', { provides: 'x', gives: 1 }), w.task('b', { provides: 'x', gives: 2 })), { store: { given: 3 } })
    expect(engine.output(running)).toEqual({ x: [1, 2] })
    expect(engine.output(running, 'x')).toBe(1)
    expect(engine.output(running, 'given')).toBe(3)
    const e = await fails('HF3210', () => engine.output(running, 'nothing'))
    expect(e.details.kind).toBe('NotFound')
  })

  test('TF-19 S002-06 S002-82 what is injected is seen by its task alone, and fixed when the task is made', async () => {
    const w = new World()
    const inject = { x: { deep: [1] } }
    const a = w.task('a', { requires: ['x'], inject })
    inject.x.deep.push(2)
    await play(linear(a))
    expect(w.seen.a).toEqual({ x: { deep: [1] } })
    await fails('HF3205', () => play(linear(w.task('b', { inject: { x: 1 } }), w.task('c', { requires: ['x'] }))))
  })
})

describe('who sees what', () => {
  test('TF-20 a symbol given from outside and by a task before is refused (HF3209)', async () => {
    const w = new World()
    const e = await fails('HF3209', () => play(linear(w.task('a', { provides: 'x', gives: 1 }), w.task('b', { requires: ['x'] })), { store: { x: 2 } }))
    expect(e.details.kind).toBe('ShadowedSymbol')
    expect(w.log).toEqual([])
  })

  test('TF-21 the nearest one is used', async () => {
    const w = new World()
    await play(linear(w.task('outer', { provides: 'x', gives: 'outer' }), linear(w.task('inner', { provides: 'x', gives: 'inner' }), w.task('use', { requires: ['x'] })), w.task('after', { requires: ['x'] })))
    expect([w.seen.use, w.seen.after]).toEqual([{ x: 'inner' }, { x: 'inner' }])
    const v = new World()
    await play(linear(v.task('one', { provides: 'x', gives: 1 }), v.task('two', { provides: 'x', gives: 2 }), v.task('use', { requires: ['x'] })))
    expect(v.seen.use).toEqual({ x: 2 })
  })

  test('TF-22 siblings that are not linked do not see each other', async () => {
    const w = new World()
    await fails('HF3205', () => play(unordered(w.task('a', { provides: 'x', gives: 1 }), w.task('b', { requires: ['x'] }))))
    expect(w.log).toEqual([])
  })

  test('tasks of a nested flow see what stands before their flow', async () => {
    const w = new World()
    const s = linear(w.task('s1'), w.task('s2', { provides: 'x', gives: 1 }))
    const t = unordered(w.task('t1', { requires: ['x'] }))
    const g = graph(s, t)
    await play(g)
    expect(w.seen.t1).toEqual({ x: 1 })
  })
})

describe('graphs', () => {
  test('TF-24 the order of adding does not matter', async () => {
    for (const order of [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]]) {
      const w = new World()
      const all = [w.task('a', { provides: 'a', gives: 1 }), w.task('b', { requires: ['a'], provides: 'b', gives: 1 }), w.task('c', { requires: ['b'], provides: 'c', gives: 1 }), w.task('d', { requires: ['c', 'a'] })]
      const g = engine.buildFlow('g')
      for (const i of order) engine.addTasks(g, all[i] as never)
      await play(g)
      expect(w.log).toEqual(['a', 'b', 'c', 'd'])
    }
  })

  test('TF-25 a consumer of two providers is refused, and the graph stays as it was (HF3206)', async () => {
    const w = new World()
    const g = graph(w.task('a', { provides: 'x', gives: 1 }), w.task('b', { provides: 'x', gives: 2 }))
    const e = await fails('HF3206', () => engine.addTasks(g, w.task('d'), w.task('c', { requires: ['x'] })))
    expect(e.details).toEqual({ kind: 'AmbiguousDependency', symbol: 'x', providers: ['a', 'b'] })
    expect(g.nodes.map((n) => n.name)).toEqual(['a', 'b'])
  })

  test('TF-26 S002-87 a circle is refused, and the graph stays as it was (HF3207)', async () => {
    const w = new World()
    const [a, b, c] = [w.task('a'), w.task('b'), w.task('c')]
    const g = graph(c, b, a)
    engine.linkTask(g, a, b)
    engine.linkTask(g, b, c)
    const e = await fails('HF3207', () => engine.linkTask(g, c, a))
    expect(e.details.kind).toBe('DependencyFailure')
    await fails('HF3207', () => engine.linkTask(g, a, a))
    await fails('HF3207', () => engine.addTasks(g, w.task('p', { requires: ['y'], provides: 'x' }), w.task('q', { requires: ['x'], provides: 'y' })))
    await play(g)
    expect(w.log).toEqual(['a', 'b', 'c'])
  })

  test('S002-84 S002-85 S002-86 a link says who comes first; in graphs only, between what was added (HF3208)', async () => {
    const w = new World()
    const [a, b] = [w.task('a'), w.task('b')]
    const g = graph(b, a)
    engine.linkTask(g, a, b)
    await play(g)
    expect(w.log).toEqual(['a', 'b'])
    await fails('HF3208', () => engine.linkTask(g, a, w.task('stranger')))
    const l = linear(w.task('c'), w.task('d'))
    await fails('HF3208', () => engine.linkTask(l, l.nodes[0] as never, l.nodes[1] as never))
    await fails('HF3203', () => engine.linkTask(g, a, b, { depth: 'DEEP' as 'ALL' }))
    await fails('HF3203', () => engine.linkTask(g, a, b, { decide: () => true } as never))
  })

  test('a decider that gives a promise fails the task that it was asked for: no promise counts as a yes', async () => {
    const w = new World()
    const [a, b] = [w.task('a'), w.task('b')]
    const g = graph(a, b)
    engine.linkTask(g, a, b, { decider: (async () => false) as never })
    const { report, error } = await play(g)
    expect([report.state, error.code, w.log]).toEqual(['REVERTED', 'HF3203', ['a', '-b', '-a']])
  })

  for (const [depth, n] of [['ALL', 1], ['FLOW', 2], ['NEIGHBORS', 3], ['ATOM', 4]] as const) {
    test(`TF-30 a decider that says no ignores as much as its depth says: ${depth} leaves ${n} tasks`, async () => {
      const w = new World()
      const [g1, g2, g3, g4] = [w.task('g1'), w.task('g2'), w.task('g3'), w.task('g4')]
      const sub = linear(w.task('in-sub'))
      const g = graph(g1, g2, sub, g3, g4)
      engine.linkTask(g, g1, g2, { decider: () => false, depth })
      engine.linkTask(g, g1, sub)
      engine.linkTask(g, g2, sub)
      engine.linkTask(g, g2, g3)
      engine.linkTask(g, g3, g4)
      const { report } = await play(g)
      expect(w.log).toHaveLength(n)
      expect(report.state).toBe('SUCCESS')
    })
  }

  test('TF-31 what was ignored is not taken back, and pending again after a reset', async () => {
    const w = new World()
    const [a, b, c] = [w.task('a'), w.task('b'), w.task('c', { fails: ALWAYS })]
    const g = graph(a, b, c)
    engine.linkTask(g, a, b, { decider: () => false, depth: 'ATOM' })
    engine.linkTask(g, b, c)
    const { report, engine: running } = await play(g)
    expect(w.log).toEqual(['a', 'c', '-c', '-a'])
    expect(states(report)).toMatchObject({ b: 'IGNORE' })
    const seen: unknown[] = []
    const again = engine.getEngine(g, { listeners: { onTask: (state, { task, old }) => seen.push([task, old, state]) } })
    await play(again)
    await again.reset()
    expect(seen).toContainEqual(['b', 'IGNORE', 'PENDING'])
    expect(running.state).toBe('REVERTED')
  })

  test('TF-32 a source that was ignored has no vote, and deciders see the results of the others', async () => {
    const w = new World()
    const [a, b, c, d] = [w.task('a', { gives: 1 }), w.task('b', { gives: 2 }), w.task('c', { gives: 3 }), w.task('d')]
    const g = graph(a, b, c, d)
    const seen: unknown[] = []
    engine.linkTask(g, a, b, { decider: () => false, depth: 'ATOM' })
    engine.linkTask(g, b, d, { decider: (history) => { seen.push(['b', history]); return false } })
    engine.linkTask(g, c, d, { decider: (history) => { seen.push(['c', history]); return true } })
    await play(g)
    expect(seen).toEqual([['c', { c: 3 }]])
    expect(w.log).toContain('d')
  })

  test('a flow can be ignored as a whole, and a decider that throws fails what it decides about', async () => {
    const w = new World()
    const a = w.task('a')
    const sub = linear(w.task('s1'), w.task('s2'))
    const after = w.task('after')
    const g = graph(a, sub, after)
    engine.linkTask(g, a, sub, { decider: () => false, depth: 'ATOM' })
    engine.linkTask(g, sub, after)
    expect((await play(g)).report.state).toBe('SUCCESS')
    expect(w.log).toEqual(['a', 'after'])
    const bad = graph(w.task('b'), linear(w.task('c')), w.task('d'))
    const [b, c, d] = bad.nodes as never[]
    engine.linkTask(bad, b as never, c as never, { decider: () => { throw new Error('cannot say') } })
    engine.linkTask(bad, b as never, d as never, { decider: () => { throw new Error('cannot say') } })
    const { error } = await play(bad)
    expect(error.message).toContain('cannot say')
  })

  test('a value of a task that was ignored is missing when it is needed', async () => {
    const w = new World()
    const [a, b, c] = [w.task('a'), w.task('b', { provides: 'x', gives: 1 }), w.task('c', { requires: ['x'] })]
    const g = graph(a, b, c)
    engine.linkTask(g, a, b, { decider: () => false, depth: 'ATOM' })
    const { error } = await play(g)
    expect(error.code).toBe('HF3205')
  })

  test('a task with a retry of its own may stand in a graph', async () => {
    const w = new World()
    await play(graph(w.task('b', { requires: ['x'], fails: 1, retry: times(2) }), w.task('a', { provides: 'x', gives: 1 })))
    expect(w.log).toEqual(['a', 'b', '-b', 'b'])
  })
})
