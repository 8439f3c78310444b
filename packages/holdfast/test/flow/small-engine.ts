// A workflow engine in the fewest words: one task after the other, in memory, without retries. It shows what the port asks for and nothing more.
import type { EngineOptions, Flow, FlowEngine, FlowReport, Listeners, Task, TaskContext, TaskOptions, TraceEvent, WorkFlowEngine } from '../../src/flow/workflow/index.ts'

interface SmallTask extends Task { readonly run: (ctx: TaskContext, inputs: any) => unknown; readonly o: TaskOptions; readonly args: ReadonlyMap<string, string> }
interface SmallFlow extends Omit<Flow, 'nodes'> { readonly nodes: (SmallTask | SmallFlow)[]; readonly links: [unknown, unknown][] }
class Refused extends Error {
  readonly kind: string
  constructor(kind: string) {
    super(kind)
    this.kind = kind
  }
}
const refuse = (kind: string): never => { throw new Refused(kind) }
const isFlow = (n: SmallTask | SmallFlow): n is SmallFlow => 'nodes' in n
const ctx = {} as TaskContext

class Running implements FlowEngine {
  state: FlowEngine['state'] = 'PENDING'
  report: FlowReport | undefined
  values = new Map<string, unknown>()
  readonly flow: Flow
  readonly o: EngineOptions
  constructor(flow: Flow, o: EngineOptions) {
    this.flow = flow
    this.o = o
  }
  suspend(): void {}
  setTarget(): void {}
  async reset(): Promise<void> {
    this.state = 'PENDING'
    this.values.clear()
  }
  async resume(): Promise<FlowReport> {
    const trace: { task: string; event: TraceEvent }[] = []
    const tell = (act: (l: Listeners) => void) => { for (const l of [this.o.listeners ?? []].flat() as Listeners[]) try { act(l) } catch { /* harms nothing */ } }
    const step = (t: SmallTask, event: TraceEvent, state: 'RUNNING' | 'SUCCESS' | 'FAILURE' | 'REVERTING' | 'REVERTED') => {
      trace.push({ task: t.name, event })
      tell((l) => l.onTask?.(state, { flow: this.flow.name, id: '', task: t.name, kind: 'task', old: 'PENDING', attempt: 1 }))
    }
    const become = (state: FlowEngine['state']) => {
      const old = this.state
      this.state = state
      tell((l) => l.onFlow?.(state, { flow: this.flow.name, id: '', old }))
      this.report = { id: '', state, trace, outputs: Object.fromEntries(this.values), tasks: [], failures: {}, warnings: [], endedAt: 0 }
    }
    const order = tasksOf(this.flow as never)
    const known = new Set(Object.keys(this.o.store ?? {}))
    for (const t of order) {
      if (t.requires.some((s) => !known.has(s))) refuse('MissingDependencies')
      for (const s of t.provides) known.add(s)
    }
    if (this.state === 'SUCCESS') { become('SUCCESS'); return this.report as never }
    const done: { t: SmallTask; inputs: object; result: unknown }[] = []
    become('RUNNING')
    for (const t of order) {
      const value = (s: string) => (this.values.has(s) ? this.values.get(s) : this.o.store?.[s])
      const inputs = { ...t.o.inject, ...Object.fromEntries([...t.args].map(([a, s]) => [a, value(s)])) }
      step(t, 'executing', 'RUNNING')
      try {
        const result: any = await t.run(ctx, inputs)
        t.provides.forEach((s, i) => this.values.set(s, typeof t.o.provides === 'string' ? result : Array.isArray(t.o.provides) ? result[i] : result[s]))
        done.push({ t, inputs, result })
        step(t, 'succeeded', 'SUCCESS')
      } catch (e) {
        step(t, 'failed', 'FAILURE')
        const flowFailures = { [t.name]: e } as never
        for (const d of [...done, { t, inputs, result: e }].reverse()) {
          step(d.t, 'reverting', 'REVERTING')
          await d.t.o.undo?.(ctx as never, { ...d.inputs, result: d.result, flowFailures }, { result: d.result, flowFailures })
          step(d.t, 'reverted', 'REVERTED')
        }
        become('REVERTED')
        throw e
      }
    }
    become('SUCCESS')
    return this.report as never
  }
}

/** Tasks in an order that follows links, and what is given and needed. */
function tasksOf(flow: SmallFlow): SmallTask[] {
  const flat = (n: SmallTask | SmallFlow): SmallTask[] => (isFlow(n) ? tasksOf(n) : [n])
  if (flow.kind !== 'graph') return flow.nodes.flatMap(flat)
  const left = [...flow.nodes]
  const out: SmallTask[] = []
  while (left.length > 0) {
    const before = (n: SmallTask | SmallFlow) => left.some((m) => m !== n && (flow.links.some(([u, v]) => u === m && v === n) || flat(m).some((p) => p.provides.some((s) => flat(n).some((t) => t.requires.includes(s))))))
    out.push(...flat(left.splice(left.findIndex((n) => !before(n)), 1)[0] as never))
  }
  return out
}

export class SmallEngine implements WorkFlowEngine {
  buildFlow(name: string, kind: Flow['kind'] = 'graph'): Flow {
    return ['graph', 'linear', 'unordered'].includes(kind) ? { name, kind, retry: undefined, nodes: [], links: [] } as Flow : refuse('FlowTypeUnknown')
  }
  createTask(run: (c: TaskContext, inputs: any) => unknown, o: TaskOptions = {}): Task {
    const inject = { ...o.inject }
    const args = new Map((o.requires ?? []).filter((a) => !(a in inject)).map((a, i) => [a, (Array.isArray(o.rebind) ? o.rebind[i] : (o.rebind as Record<string, string> | undefined)?.[a]) ?? a]))
    const provides = o.provides === undefined ? [] : typeof o.provides === 'string' ? [o.provides] : [...o.provides]
    return { name: o.name ?? run.name, requires: [...args.values()], optional: [], provides, run, o: { ...o, inject }, args } as SmallTask
  }
  addTasks(flow: Flow, ...nodes: (Task | Flow)[]): void {
    ;(flow.nodes as unknown[]).push(...nodes)
  }
  linkTask(flow: Flow, u: Task | Flow, v: Task | Flow): void {
    const { kind, nodes, links } = flow as never as SmallFlow
    if (kind !== 'graph' || ![u, v].every((n) => nodes.includes(n as never))) refuse('InvalidLink')
    const reaches = (from: unknown): boolean => from === u || links.some(([a, b]) => a === from && reaches(b))
    if (reaches(v)) refuse('DependencyFailure')
    links.push([u, v])
  }
  searchTask(flow: Flow, name: string): Task | undefined {
    return tasksOf(flow as never).find((t) => t.name === name)
  }
  getEngine(flow: Flow, o: EngineOptions = {}): FlowEngine {
    if (!flow) refuse('InvalidTaskFlowObject')
    const names = tasksOf(flow as never).map((t) => t.name)
    if (new Set(names).size < names.length) refuse('Duplicate')
    return new Running(flow, o)
  }
  async runEngine(engine: FlowEngine): Promise<FlowReport> {
    return engine ? engine.resume() : refuse('InvalidTaskFlowObject')
  }
  output(engine: FlowEngine, symbol?: string): unknown {
    const { values } = engine as Running
    return symbol === undefined ? Object.fromEntries(values) : values.has(symbol) ? values.get(symbol) : refuse('NotFound')
  }
}
