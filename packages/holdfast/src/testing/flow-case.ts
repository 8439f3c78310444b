import assert from 'node:assert/strict'
import type { EngineOptions, Flow, FlowEngine, FlowReport, Inputs, Outcome, Task, TaskOptions, WorkFlowEngine } from '../flow/workflow/index.ts'

/** One workflow engine under test. */
export interface FlowSubject {
  readonly engine: WorkFlowEngine
  /** The durable tier: options that make a flow durable under `id`, on what an earlier process has kept. Each call stands for another process. */
  durable?(id: string): Promise<EngineOptions>
  close?(): Promise<void>
}
/** One promise of the port: how it is seen to be kept. */
export type FlowCase = (subject: FlowSubject) => Promise<void>

type Declared = Omit<TaskOptions, 'undo'> & { readonly gives?: unknown; readonly fails?: boolean | (() => boolean); readonly undo?: (inputs: Inputs, outcome: Outcome) => unknown }

/** Tasks that write down that they ran, and that they were taken back. */
export function recorder(engine: WorkFlowEngine) {
  const log: string[] = []
  const seen: Record<string, Inputs> = {}
  const task = (name: string, declared: Declared = {}): Task => {
    const { gives, fails, undo, ...options } = declared
    return engine.createTask((_ctx, inputs) => {
      log.push(name)
      seen[name] = inputs
      if (typeof fails === 'function' ? fails() : fails) throw new Error(`${name} failed`)
      return typeof gives === 'function' ? (gives as (i: Inputs) => unknown)(inputs) : gives
    }, {
      name, ...options,
      undo: (_ctx, inputs, outcome) => {
        log.push(`-${name}`)
        return undo?.(inputs, outcome)
      },
    })
  }
  const flow = (type: 'graph' | 'linear', ...nodes: (Task | Flow)[]): Flow => {
    const made = engine.buildFlow(type, type)
    engine.addTasks(made, ...nodes)
    return made
  }
  return { log, seen, task, flow }
}

export async function run(engine: WorkFlowEngine, flow: Flow, options: EngineOptions = {}): Promise<{ readonly running: FlowEngine; readonly report: FlowReport }> {
  const running = engine.getEngine(flow, options)
  return { running, report: await engine.runEngine(running) }
}

/** Whatever the act throws or rejects with, told by the name that the contract has for it, where it has one. */
export async function refuses(kind: string | undefined, act: () => unknown): Promise<Error> {
  try {
    await act()
  } catch (e) {
    assert(e instanceof Error, 'what is thrown is an error')
    if (kind !== undefined) assert.equal((e as { details?: { kind?: string } }).details?.kind ?? (e as { kind?: string }).kind ?? e.name, kind)
    return e
  }
  throw new assert.AssertionError({ message: `expected ${kind ?? 'a refusal'}, but it was accepted` })
}
