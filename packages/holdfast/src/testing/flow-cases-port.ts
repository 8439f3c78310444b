import assert from 'node:assert/strict'
import { recorder, refuses, run, type FlowCase } from './flow-case.ts'

/** What every workflow engine does: the eight operations of the port. */
export const portFlowCases: Readonly<Record<string, FlowCase>> = {
  'a flow has the name and the type it was built with, and is a graph unless another is asked for': async ({ engine }) => {
    assert.deepEqual([engine.buildFlow('x').name, engine.buildFlow('x').kind, engine.buildFlow('x', 'linear').kind], ['x', 'graph', 'linear'])
    await refuses('FlowTypeUnknown', () => engine.buildFlow('x', 'circle' as 'linear'))
  },
  'tasks of a linear flow run in the order they were added': async ({ engine }) => {
    const { log, task, flow } = recorder(engine)
    const { report } = await run(engine, flow('linear', task('a'), task('b'), task('c')))
    assert.deepEqual([report.state, log], ['SUCCESS', ['a', 'b', 'c']])
  },
  'a nested flow runs inside': async ({ engine }) => {
    const { log, task, flow } = recorder(engine)
    await run(engine, flow('linear', task('a'), flow('linear', task('b'), task('c')), task('d')))
    assert.deepEqual(log, ['a', 'b', 'c', 'd'])
  },
  'tasks of a graph are ordered by what they give and need': async ({ engine }) => {
    const { log, seen, task, flow } = recorder(engine)
    await run(engine, flow('graph', task('use', { requires: ['x'] }), task('give', { provides: 'x', gives: 7 })))
    assert.deepEqual([log, seen.use], [['give', 'use'], { x: 7 }])
  },
  'a link orders two tasks of a graph': async ({ engine }) => {
    const { log, task, flow } = recorder(engine)
    const [b, a] = [task('b'), task('a')]
    const graph = flow('graph', b, a)
    engine.linkTask(graph, a, b)
    await run(engine, graph)
    assert.deepEqual(log, ['a', 'b'])
  },
  'a link needs a graph, two tasks that are in it, and closes no circle; a refused one changes nothing': async ({ engine }) => {
    const { log, task, flow } = recorder(engine)
    const [a, b] = [task('a'), task('b')]
    const graph = flow('graph', a, b)
    engine.linkTask(graph, a, b)
    await refuses('DependencyFailure', () => engine.linkTask(graph, b, a))
    await refuses(undefined, () => engine.linkTask(graph, a, task('stranger')))
    const [c, d] = [task('c'), task('d')]
    const linear = flow('linear', c, d)
    await refuses(undefined, () => engine.linkTask(linear, d, c))
    await run(engine, graph)
    assert.deepEqual(log, ['a', 'b'])
  },
  'results are named as a whole, by position, or by key': async ({ engine }) => {
    const { task, flow } = recorder(engine)
    const { running } = await run(engine, flow('linear', task('a', { provides: 'w', gives: 1 }), task('b', { provides: ['l', 'm'], gives: [2, 3] }), task('c', { provides: new Set(['s']), gives: { s: 4 } })))
    assert.deepEqual({ ...engine.output(running) as object }, { w: 1, l: 2, m: 3, s: 4 })
    assert.equal(engine.output(running, 'm'), 3)
    await refuses('NotFound', () => engine.output(running, 'nothing'))
  },
  'values come from outside, from tasks before, or from the task itself, under the name it asks for': async ({ engine }) => {
    const { seen, task, flow } = recorder(engine)
    const inject = { fixed: 1 }
    const own = task('own', { requires: ['fixed', 'x'], inject })
    inject.fixed = 2
    await run(engine, flow('linear', own, task('renamed', { requires: ['a', 'b'], rebind: { b: 'x' }, optional: ['nobody'] })), { store: { x: 5, a: 6 } })
    assert.deepEqual([seen.own, seen.renamed], [{ fixed: 1, x: 5 }, { a: 6, b: 5 }])
  },
  'what nobody gives is refused before anything runs': async ({ engine }) => {
    const { log, task, flow } = recorder(engine)
    await refuses('MissingDependencies', () => run(engine, flow('linear', task('a'), task('b', { requires: ['x'] }))))
    await refuses('MissingDependencies', () => run(engine, flow('linear', task('c', { inject: { x: 1 } }), task('d', { requires: ['x'] }))))
    assert.deepEqual(log, [])
  },
  'a task is found by its name, in nested flows, too': async ({ engine }) => {
    const { task, flow } = recorder(engine)
    const inner = task('inner')
    const outer = flow('linear', task('a'), flow('linear', inner))
    assert.equal(engine.searchTask(outer, 'inner'), inner)
    assert.equal(engine.searchTask(outer, 'nobody'), undefined)
  },
  'two tasks of one name are refused': async ({ engine }) => {
    const { log, task, flow } = recorder(engine)
    await refuses('Duplicate', () => run(engine, flow('linear', task('a'), flow('linear', task('a')))))
    assert.deepEqual(log, [])
  },
  'a failure is taken back newest first, the failed task included, and its error is thrown': async ({ engine }) => {
    const { log, task, flow } = recorder(engine)
    const running = engine.getEngine(flow('linear', task('a'), task('b'), task('c', { fails: true }), task('d')))
    const e = await refuses(undefined, () => engine.runEngine(running))
    assert.equal(e.message, 'c failed')
    assert.deepEqual([running.state, log], ['REVERTED', ['a', 'b', 'c', '-c', '-b', '-a']])
  },
  'an undo is told what its task returned, or its failure, and every failure of the flow': async ({ engine }) => {
    const { task, flow } = recorder(engine)
    const told: unknown[] = []
    const undo = (name: string) => (inputs: { readonly result?: unknown; readonly x?: number }, { result, flowFailures }: { readonly result: any; readonly flowFailures: object }) => {
      told.push([name, inputs.x, inputs.result === result, result?.message ?? result, Object.keys(flowFailures)])
    }
    await refuses(undefined, () => run(engine, flow('linear', task('a', { requires: ['x'], gives: 7, undo: undo('a') }), task('b', { fails: true, undo: undo('b') })), { store: { x: 1 } }))
    assert.deepEqual(told, [['b', undefined, true, 'b failed', ['b']], ['a', 1, true, 7, ['b']]])
  },
  'what happened stands in the trace, in order': async ({ engine }) => {
    const { task, flow } = recorder(engine)
    const running = engine.getEngine(flow('linear', task('a'), task('b', { fails: true })))
    await refuses(undefined, () => engine.runEngine(running))
    assert.deepEqual(running.report?.trace.map((t) => `${t.task} ${t.event}`), ['a executing', 'a succeeded', 'b executing', 'b failed', 'b reverting', 'b reverted', 'a reverting', 'a reverted'])
  },
  'a flow that succeeded runs nothing again, and a reset one runs from the start': async ({ engine }) => {
    const { log, task, flow } = recorder(engine)
    const { running } = await run(engine, flow('linear', task('a')))
    assert.equal((await engine.runEngine(running)).state, 'SUCCESS')
    assert.deepEqual(log, ['a'])
    await running.reset()
    await engine.runEngine(running)
    assert.deepEqual(log, ['a', 'a'])
  },
  'listeners are told every state of the flow and of its tasks, and what they throw harms nothing': async ({ engine }) => {
    const { task, flow } = recorder(engine)
    const told: string[] = []
    const { report } = await run(engine, flow('linear', task('a')), {
      listeners: { onFlow: (state) => { told.push(state); throw new Error('listener') }, onTask: (state, { task: name }) => { told.push(`${name} ${state}`); throw new Error('listener') } },
    })
    assert.deepEqual([report.state, told], ['SUCCESS', ['RUNNING', 'a RUNNING', 'a SUCCESS', 'SUCCESS']])
  },
  'what is no flow and no engine is refused': async ({ engine }) => {
    for (const nothing of [undefined, null]) {
      await refuses('InvalidTaskFlowObject', () => engine.getEngine(nothing as never))
      await refuses('InvalidTaskFlowObject', () => engine.runEngine(nothing as never))
    }
  },
}
