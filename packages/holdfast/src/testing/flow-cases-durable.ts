import assert from 'node:assert/strict'
import { times, type EngineOptions, type FlowEngine } from '../flow/workflow/index.ts'
import { recorder, refuses, type FlowCase, type FlowSubject } from './flow-case.ts'

async function under(subject: FlowSubject, id: string): Promise<EngineOptions> {
  assert(subject.durable, 'the durable tier needs `durable`')
  return subject.durable(id)
}

/** Flows that outlive their process. Each `under()` is another process that finds what the last one left. */
export const durableFlowCases: Readonly<Record<string, FlowCase>> = {
  'a retry controller tries its flow again, and what it did is taken back in between': async ({ engine }) => {
    const { log, task } = recorder(engine)
    let failures = 1
    const flow = engine.buildFlow('f', 'linear', { retry: times(3, { name: 'r', provides: 'n' }) })
    engine.addTasks(flow, task('a'), task('b', { requires: ['n'], fails: () => failures-- > 0 }))
    const running = engine.getEngine(flow)
    const report = await engine.runEngine(running)
    assert.deepEqual([report.state, log, engine.output(running, 'n')], ['SUCCESS', ['a', 'b', '-b', '-a', 'a', 'b'], 2])
    assert(report.trace.some((t) => t.event === 'retrying'))
  },
  'a controller that has given up leaves everything taken back': async ({ engine }) => {
    const { log, task, flow } = recorder(engine)
    const inner = engine.buildFlow('inner', 'linear', { retry: times(1) })
    engine.addTasks(inner, task('b', { fails: true }))
    const running = engine.getEngine(flow('linear', task('a'), inner))
    await refuses(undefined, () => engine.runEngine(running))
    assert.deepEqual([running.state, log], ['REVERTED', ['a', 'b', '-b', '-a']])
  },
  'a decider that says no ignores what is behind it': async ({ engine }) => {
    const { log, task, flow } = recorder(engine)
    const [a, b, c] = [task('a', { gives: 1 }), task('b'), task('c')]
    const graph = flow('graph', a, b, c)
    const asked: unknown[] = []
    engine.linkTask(graph, a, b, { decider: (history) => { asked.push(history); return false } })
    engine.linkTask(graph, b, c)
    const report = await engine.runEngine(engine.getEngine(graph))
    assert.deepEqual([report.state, log, asked.map((h) => ({ ...h as object }))], ['SUCCESS', ['a'], [{ a: 1 }]])
  },
  'a suspended flow is gone on with in another process: nothing that finished runs again, and its results are there': async (subject) => {
    const { engine } = subject
    const { log, seen, task, flow } = recorder(engine)
    const build = () => flow('linear', task('a', { provides: 'x', gives: { at: new Date(5), bytes: new Uint8Array([1]), n: 3n } }), task('b', { requires: ['x'] }))
    const running: FlowEngine = engine.getEngine(build(), { ...await under(subject, 's'), listeners: { onTask: (state, d) => { if (d.task === 'a' && state === 'SUCCESS') running.suspend() } } })
    assert.equal((await engine.runEngine(running)).state, 'SUSPENDED')
    assert.deepEqual(log, ['a'])
    const again = engine.getEngine(build(), await under(subject, 's'))
    assert.equal((await engine.runEngine(again)).state, 'SUCCESS')
    assert.deepEqual([log, seen.b], [['a', 'b'], { x: { at: new Date(5), bytes: new Uint8Array([1]), n: 3n } }])
    assert.equal((await engine.runEngine(engine.getEngine(build(), await under(subject, 's')))).trace.length, 0)
  },
  'a way back that was suspended is gone on with, and the failure is known': async (subject) => {
    const { engine } = subject
    const { log, task, flow } = recorder(engine)
    const build = () => flow('linear', task('a', { gives: 7, undo: (_i, { result, flowFailures }) => { log.push(`${String(result)} ${Object.keys(flowFailures).join()}`) } }), task('b', { fails: true }))
    const running: FlowEngine = engine.getEngine(build(), { ...await under(subject, 's'), listeners: { onTask: (state) => { if (state === 'REVERTED') running.suspend() } } })
    await engine.runEngine(running)
    assert.deepEqual(log, ['a', 'b', '-b'])
    const again = engine.getEngine(build(), await under(subject, 's'))
    const e = await refuses(undefined, () => engine.runEngine(again))
    assert(e.message.includes('b failed'), e.message)
    assert.deepEqual(log.slice(3), ['-a', '7 b'])
  },
  'flows of different ids do not know each other': async (subject) => {
    const { engine } = subject
    const { log, task, flow } = recorder(engine)
    for (const id of ['one', 'two']) await engine.runEngine(engine.getEngine(flow('linear', task('a')), await under(subject, id)))
    assert.deepEqual(log, ['a', 'a'])
  },
  'a flow that was changed while it was unfinished is refused': async (subject) => {
    const { engine } = subject
    const { log, task, flow } = recorder(engine)
    const running: FlowEngine = engine.getEngine(flow('linear', task('a'), task('b')), { ...await under(subject, 's'), listeners: { onTask: (state) => { if (state === 'SUCCESS') running.suspend() } } })
    await engine.runEngine(running)
    await refuses('StructureChanged', async () => engine.runEngine(engine.getEngine(flow('linear', task('a'), task('other')), await under(subject, 's'))))
    assert.deepEqual(log, ['a'])
  },
  'a result that cannot be kept fails its task, and it is taken back': async (subject) => {
    const { engine } = subject
    const { log, task, flow } = recorder(engine)
    await refuses('ResultNotStorable', async () => engine.runEngine(engine.getEngine(flow('linear', task('a', { gives: () => () => 1 })), await under(subject, 's'))))
    assert.deepEqual(log, ['a', '-a'])
  },
}
