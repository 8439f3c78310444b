import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MemoryFlowJournal, openFlowJournal, TaskFlowEngine, Worker, type FlowJournal, type OperationRequest } from '../../src/flow/workflow/index.ts'
import { flowCases, flowSuite } from '../../src/testing/index.ts'
import { SmallEngine } from './small-engine.ts'

const framework = { describe, test }

flowSuite('TaskFlowEngine in memory', async () => {
  const journal = new MemoryFlowJournal()
  return { engine: new TaskFlowEngine(), durable: async (id) => ({ journal, id }) }
}, { framework, tier: 'durable' })

flowSuite('TaskFlowEngine in a file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-flow-'))
  const open: FlowJournal[] = []
  return {
    engine: new TaskFlowEngine(),
    durable: async (id) => {
      // Another process: the file is closed and opened again.
      for (const j of open.splice(0)) await j.close()
      open.push(await openFlowJournal({ path: join(folder, 'flows.db') }))
      return { journal: open[0] as FlowJournal, id }
    },
    close: async () => {
      for (const j of open) await j.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}, { framework, tier: 'durable' })

flowSuite('a small one of the tests', async () => ({ engine: new SmallEngine() }), { framework, tier: 'port' })

describe('the suite', () => {
  test('has two tiers, and the second holds the first', () => {
    const port = flowCases('port')
    expect(flowCases('durable').slice(0, port.length)).toEqual(port)
    expect(flowCases('durable').length).toBeGreaterThan(port.length)
  })

  test('a lack names a case, and is shown', () => {
    const shown: string[] = []
    const quiet = { describe: (_n: string, body: () => void) => body(), test: (n: string) => { shown.push(n) } }
    const [first = ''] = flowCases('port')
    flowSuite('x', async () => ({ engine: new SmallEngine() }), { framework: quiet, tier: 'port', lacks: { [first]: 'it has no names' } })
    expect(shown[0]).toBe(`${first} (not here: it has no names)`)
    expect(() => flowSuite('x', async () => ({ engine: new SmallEngine() }), { framework: quiet, tier: 'port', lacks: { nonsense: 'x' } })).toThrow('there is no case')
  })

  test('red: an engine that takes back in the wrong order fails named cases', async () => {
    class Wrong extends SmallEngine {
      override addTasks(...args: Parameters<SmallEngine['addTasks']>): void {
        super.addTasks(args[0], ...args.slice(1).reverse() as never[])
      }
    }
    const failed: string[] = []
    const bodies: Promise<void>[] = []
    flowSuite('wrong', async () => ({ engine: new Wrong() }), {
      tier: 'port', framework: { describe: (_n, body) => body(), test: (n: string, body: () => unknown) => { bodies.push(Promise.resolve(body()).then(() => undefined, () => { failed.push(n) })) } },
    })
    await Promise.all(bodies)
    expect(failed).toContain('tasks of a linear flow run in the order they were added')
    expect(failed).toContain('a failure is taken back newest first, the failed task included, and its error is thrown')
  })
})

for (const [name, engine] of [['the built-in engine', undefined], ['another engine', new SmallEngine()]] as const) {
  test(`S002-72 ${name} runs a protect flow: Initiate first, the work, Complete last`, async () => {
    const log: string[] = []
    const protect = ({ workflowEngine: e, checkpoint }: OperationRequest) => {
      const step = (n: string, more = {}) => e.createTask((_c, inputs) => { log.push(n); return inputs.checkpoint ?? n }, { name: n, ...more })
      const work = e.buildFlow('hooks', 'graph')
      const [prepare, main] = [step('prepare'), step('main')]
      e.addTasks(work, main, prepare)
      e.linkTask(work, prepare, main)
      const flow = e.buildFlow('Protect', 'linear')
      e.addTasks(flow, step('InitiateProtect', { requires: ['checkpoint'], provides: 'id' }), work, step('CompleteProtect', { requires: ['id'] }))
      return { flow, options: { store: { checkpoint } } }
    }
    const worker = new Worker({ ...(engine ? { engine } : {}), operations: { protect } })
    const running = await worker.getFlow({}, 'protect', 'cp-1', {})
    expect((await worker.runFlow(running)).state).toBe('SUCCESS')
    expect(log).toEqual(['InitiateProtect', 'prepare', 'main', 'CompleteProtect'])
    expect(await worker.flowOutputs(running, 'id')).toBe('cp-1')
  })
}
