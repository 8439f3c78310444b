import { expect } from 'vitest'
import { MemoryFlowJournal, TaskFlowEngine, type EngineOptions, type Flow, type FlowEngine, type FlowReport, type FlowType, type Inputs, type Retry, type Task, type TaskOptions } from '../../src/flow/workflow/index.ts'

export const engine = new TaskFlowEngine()

/** Tasks that write down what they do, and fail when they are told to. */
export class World {
  readonly log: string[] = []
  readonly seen: Record<string, Inputs> = {}
  readonly keys: Record<string, string[]> = {}
  readonly #failures = new Map<string, number>()

  /** `fails`: the first so many times; `undoFails`: always. `gives` is returned. */
  task(name: string, o: TaskOptions & { readonly fails?: number; readonly undoFails?: boolean; readonly gives?: unknown; readonly during?: () => unknown } = {}): Task {
    const { fails = 0, undoFails, gives, during, ...options } = o
    return engine.createTask(async (ctx, inputs) => {
      this.log.push(name)
      this.seen[name] = inputs
      this.keys[name] = [...(this.keys[name] ?? []), ctx.key]
      await during?.()
      const failed = this.#failures.get(name) ?? 0
      if (failed < fails) {
        this.#failures.set(name, failed + 1)
        throw new Error(`${name} failed`)
      }
      return typeof gives === 'function' ? (gives as (i: Inputs) => unknown)(inputs) : gives
    }, {
      name,
      undo: (_ctx, inputs) => {
        this.log.push(`-${name}`)
        this.seen[`-${name}`] = inputs
        if (undoFails) throw new Error(`undo of ${name} failed`)
      },
      ...options,
    })
  }
}

export function flow(type: FlowType, nodes: readonly (Task | Flow)[], options: { readonly name?: string; readonly retry?: Retry } = {}): Flow {
  const f = engine.buildFlow(options.name ?? type, type, options.retry ? { retry: options.retry } : {})
  engine.addTasks(f, ...nodes)
  return f
}
let flows = 0
export const linear = (...nodes: (Task | Flow)[]): Flow => flow('linear', nodes, { name: `linear${++flows}` })
export const unordered = (...nodes: (Task | Flow)[]): Flow => flow('unordered', nodes, { name: `unordered${++flows}` })
export const retried = (retry: Retry, ...nodes: (Task | Flow)[]): Flow => flow('linear', nodes, { name: `retried${++flows}`, retry })

export const ALWAYS = Number.POSITIVE_INFINITY

/** Runs to the end, whatever it is. */
export async function play(f: Flow | FlowEngine, options: EngineOptions = {}): Promise<{ readonly engine: FlowEngine; readonly report: FlowReport; readonly error: any }> {
  const running = 'nodes' in f ? engine.getEngine(f, options) : f
  let error: unknown
  await engine.runEngine(running).catch((e: unknown) => { error = e })
  if (!running.report) throw error
  return { engine: running, report: running.report, error }
}

/** A trace as a person would read it. */
export const read = (report: FlowReport): string[] => report.trace.map(({ task, event }) => `${task} ${event}`)

export async function fails(code: string, act: () => unknown): Promise<any> {
  try {
    await act()
  } catch (e) {
    expect((e as { code?: string }).code).toBe(code)
    return e
  }
  throw new Error(`expected ${code}`)
}

export const states = (report: FlowReport): Record<string, string> => Object.fromEntries(report.tasks.map((t) => [t.name, t.state]))
export const journal = () => new MemoryFlowJournal()

/** Sleeps are over when `pass` says so. */
export class SteppedClock {
  #now = 1_000_000
  readonly #sleepers = new Set<{ readonly at: number; readonly wake: () => void }>()
  readonly now = () => this.#now
  readonly mono = () => this.#now
  readonly sleep = (ms: number, signal?: AbortSignal): Promise<void> => new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error)
    const sleeper = { at: this.#now + ms, wake: () => { this.#sleepers.delete(sleeper); signal?.removeEventListener('abort', stop); resolve() } }
    const stop = () => { this.#sleepers.delete(sleeper); reject(signal?.reason as Error) }
    signal?.addEventListener('abort', stop, { once: true })
    this.#sleepers.add(sleeper)
  })
  get sleeping(): number {
    return this.#sleepers.size
  }
  async pass(ms: number): Promise<void> {
    this.#now += ms
    for (const s of [...this.#sleepers].sort((a, b) => a.at - b.at)) if (s.at <= this.#now) s.wake()
    await settle()
  }
}
export const settle = async (): Promise<void> => { for (let i = 0; i < 50; i++) await new Promise((next) => setImmediate(next)) }
