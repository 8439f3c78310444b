import { canonical, clockKind, failure, isFailure, limits, makeIds, optionKind, systemClock, systemRandom, textOf, type Clock, type Kind, type Kinds } from '../../base/index.ts'
import type { FlowRow, FlowState } from '../../state/index.ts'
import { currentHolder, type FlowChange } from '../../store/index.ts'
import { compile, targeted, type Compiled, type Vertex } from './compile.ts'
import { Drive } from './drive.ts'
import { Failure, type FailureDoc } from './failure.ts'
import { BuiltFlow, flowOf, nodeOf } from './flow.ts'
import { checkOptions, factoryKind, failing, journalKind, retryKind } from './kinds.ts'
import { Machine } from './machine.ts'
import { kindOf, type Atom } from './motion.ts'
import { flowMove } from './moves.ts'
import type { EngineOptions, Flow, FlowEngine, FlowOptions, FlowReport, FlowType, Inputs, LinkOptions, Listeners, RemoteOptions, Task, TaskContext, TaskOptions, TaskReport, WorkFlowEngine } from './port.ts'
import { decodeValue, encodeValue, restore, rowOf } from './rows.ts'
import { output, outputs, Symbols } from './symbols.ts'
import { structureOf } from './structure.ts'
import { BuiltTask } from './task.ts'

const TYPES: readonly FlowType[] = ['graph', 'linear', 'unordered']
const FLOW_OPTIONS: Kinds = new Map([['retry', retryKind]])
const LINK_OPTIONS: Kinds = new Map<string, Kind>([['decider', optionKind.function], ['depth', optionKind.anything]])
const LISTENER: Kinds = new Map([['onFlow', optionKind.function], ['onTask', optionKind.function], ['onProgress', optionKind.function]])
const { flag, text } = optionKind
const ENGINE_OPTIONS: Kinds = new Map<string, Kind>([
  ['store', optionKind.object], ['journal', journalKind], ['id', text], ['parallelism', optionKind.above], ['listeners', { says: 'an object with onFlow, onTask or onProgress, or a list of such', is: areListeners }],
  ['deferReverts', flag], ['neverResolve', flag], ['acceptChanges', flag], ['factory', factoryKind], ['clock', clockKind],
])
/** A holder on another machine that is silent for so long has lost its flow. */
const CLAIM_MS = 30_000
/** Lines of a difference that are shown. */
const DIFF_MAX = 10

const ids = makeIds(systemClock, systemRandom)

/**
 * The engine that comes with Holdfast: in memory, or durable with a journal. It keeps nothing itself; several flows may run on one, and in one journal.
 * What each method takes, gives and fails with stands at {@link WorkFlowEngine}.
 */
export class TaskFlowEngine implements WorkFlowEngine {
  #unnamed = 0

  buildFlow(name: string, type: FlowType = 'graph', options: FlowOptions = {}): Flow {
    if (!TYPES.includes(type)) throw failing('HF3202', { message: `There is no flow of type ${textOf(type)}; there are ${TYPES.join(', ')}.` })
    if (typeof name !== 'string' || name === '') throw failing('HF3203', { message: 'A flow has a name.' })
    checkOptions(options, FLOW_OPTIONS, `Flow ${name}`)
    return new BuiltFlow(name, type, options.retry)
  }

  createTask(run: (ctx: TaskContext, inputs: Inputs) => unknown, options: TaskOptions = {}): Task {
    if (typeof run !== 'function') throw failing('HF3203', { message: 'A task is made from a function.' })
    return new BuiltTask(options?.name ?? (run.name || `task-${++this.#unnamed}`), run, options)
  }

  /**
   * A task that a worker carries out, in this process or another one on the same journal: see `TaskWorker`.
   *
   * Takes    `options.type`: what the worker must know; `undo: true` when it can take the task back.
   * Fails    HF3203 without a type; when it runs, HF3203 without a journal, and HF3221 when nobody takes it within `claimWithin`.
   */
  createRemoteTask(name: string, options: RemoteOptions): Task {
    if (typeof options !== 'object' || options === null) throw failing('HF3203', { message: `Task ${textOf(name)}: the options must be an object.` })
    if (typeof options.type !== 'string' || options.type === '') throw failing('HF3203', { message: `Task ${textOf(name)}: the type that a worker must know is missing.` })
    const { undo, ...rest } = options
    return new BuiltTask(name, undefined, { ...rest, ...({ undo } as object) })
  }

  addTasks(flow: Flow, ...nodes: (Task | Flow)[]): void {
    flowOf(flow).add(nodes.map(nodeOf))
  }

  linkTask(flow: Flow, u: Task | Flow, v: Task | Flow, options: LinkOptions = {}): void {
    checkOptions(options, LINK_OPTIONS, 'A link')
    flowOf(flow).link(nodeOf(u), nodeOf(v), options)
  }

  searchTask(flow: Flow, name: string): Task | undefined {
    return flowOf(flow).search(name)
  }

  getEngine(flow: Flow, options: EngineOptions = {}): FlowEngine {
    const built = flowOf(flow)
    checkOptions(options, ENGINE_OPTIONS, `The engine of ${built.name}`)
    return new Engine(built, options)
  }

  async runEngine(engine: FlowEngine, signal?: AbortSignal): Promise<FlowReport> {
    return engineOf(engine).resume(signal)
  }

  output(engine: FlowEngine, symbol?: string): unknown {
    return engineOf(engine).output(symbol)
  }
}

function areListeners(given: unknown): boolean {
  const list = Array.isArray(given) ? given as readonly unknown[] : [given]
  return list.every((l) => optionKind.object.is(l) && [...LISTENER].every(([name, kind]) => (l as Record<string, unknown>)[name] === undefined || kind.is((l as Record<string, unknown>)[name])))
}

function engineOf(engine: unknown): Engine {
  if (engine instanceof Engine) return engine
  throw failing('HF3201', { message: `${engine === null || engine === undefined ? 'Nothing was given' : 'What was given is not an engine of this workflow engine'}: getEngine makes one.` })
}

const taskReport = ({ v, state, attempt, failure: why, undoFailure, undoResult }: Atom): TaskReport => ({
  name: v.name, state, attempt, ...(why ? { failure: why } : {}), ...(undoFailure ? { undoFailure } : {}), ...(undoResult === undefined ? {} : { undoResult }),
})

/** What an earlier run left, beside what the flow of today has. */
interface Left { readonly failures: Readonly<Record<string, Failure>> }

class Engine implements FlowEngine {
  readonly flow: Flow
  readonly #o: EngineOptions
  readonly #id: string
  readonly #clock: Clock
  readonly #compiled: Compiled
  readonly #holder = currentHolder()
  #lines: readonly string[] | undefined
  #target: ReadonlySet<Vertex> | undefined
  #state: FlowState = 'PENDING'
  #machine: Machine
  #store: Readonly<Record<string, unknown>>
  #rows = new Map<Atom, number>()
  /** As the journal had it when the flow was claimed. */
  #stored: Pick<FlowRow, 'structure' | 'store' | 'rejected' | 'born'> | undefined
  #symbols: Symbols | undefined
  #left: Left = { failures: {} }
  #warnings: string[] = []
  #drive: Drive | undefined
  #running = false
  report: FlowReport | undefined

  constructor(flow: BuiltFlow, options: EngineOptions) {
    this.flow = flow
    this.#o = options
    this.#clock = options.clock ?? systemClock
    this.#id = options.id ?? (options.journal ? flow.name : ids.next('f'))
    this.#store = options.store ?? {}
    this.#compiled = compile(flow)
    this.#machine = this.#newMachine()
  }

  get #structure(): readonly string[] {
    this.#lines ??= structureOf(this.#compiled.flow)
    return this.#lines
  }

  get state(): FlowState {
    return this.#drive?.state ?? this.#state
  }

  setTarget(target: Task | string | undefined): void {
    this.#atRest('The target cannot be changed')
    this.#target = target === undefined ? undefined : targeted(this.#compiled, target)
    this.#machine = this.#copy()
  }

  suspend(): void {
    this.#drive?.suspend()
  }

  output(symbol: string | undefined): unknown {
    if (symbol === undefined) return outputs(this.#machine)
    if (!optionKind.text.is(symbol)) throw failing('HF3203', { message: `output: symbol must be ${optionKind.text.says}.` })
    const found = output(this.#machine, symbol)
    if (found) return found.value
    if (Object.hasOwn(this.#store, symbol)) return this.#store[symbol]
    throw failing('HF3210', { message: `Nothing is called ${symbol} in ${this.flow.name}; there is ${Object.keys(outputs(this.#machine)).join(', ') || 'nothing'}.`, details: { symbol } })
  }

  async reset(): Promise<void> {
    await this.#alone(async () => {
      if (!this.#o.journal) this.#machine = this.#copy()
      const held = await this.#claim(true)
      const step = this.#machine.reset()
      this.#warnings = []
      this.#left = { failures: {} }
      if (held) {
        const tasks = [...this.#rows].map(([a, at]) => rowOf(a, at, undefined, undefined))
        await held.journal.commit(this.#id, held.fence, { clear: true, tasks, set: { state: 'PENDING', structure: this.#structure.join('\n'), rejected: '' }, release: true })
      }
      for (const n of step.notices) this.#tell((l) => l.onTask?.(n.state, { flow: this.flow.name, id: this.#id, task: n.atom.v.name, kind: kindOf(n.atom), old: n.old, attempt: n.atom.attempt }))
      this.#move('PENDING')
      this.#machine = this.#copy()
    })
  }

  async resume(signal?: AbortSignal): Promise<FlowReport> {
    if (signal !== undefined && !optionKind.signal.is(signal)) throw failing('HF3203', { message: `signal must be ${optionKind.signal.says}.` })
    return this.#alone(async () => {
      this.#warnings = []
      if (this.report && !this.#o.journal) this.#machine = this.#copy()
      const held = await this.#claim(false)
      let first: FlowChange
      try {
        this.#symbols = new Symbols(this.#compiled, this.#store)
        this.#symbols.validate()
        first = this.#prepare(held !== undefined)
      } catch (e) {
        if (held) await held.journal.commit(this.#id, held.fence, { release: true })
        throw e
      }
      const drive = new Drive(this.#machine, {
        id: this.#id, born: this.#stored?.born ?? 0, name: this.flow.name, clock: this.#clock, listeners: this.#listeners, journal: held && { ...held, claimMs: CLAIM_MS }, first, rows: this.#rows, signal, state: this.#state,
        warn: (text) => this.#warnings.push(text),
      })
      this.#drive = drive
      try {
        await drive.run()
      } catch (e) {
        // Nothing more can be stored: what is stored is what counts, and a later run goes on from there.
        this.#state = 'SUSPENDED'
        if (held) await held.journal.commit(this.#id, held.fence, { release: true }).catch(() => undefined)
        throw e
      } finally {
        this.#drive = undefined
        this.#report(drive)
      }
      this.#state = drive.state
      return this.#ended(drive)
    })
  }

  // beginning

  async #alone<T>(act: () => Promise<T>): Promise<T> {
    if (this.#running) throw failing('HF3212', { message: `${this.flow.name} is being run already.` })
    this.#running = true
    try {
      return await act()
    } finally {
      this.#running = false
    }
  }

  #atRest(what: string): void {
    if (this.#running) throw failing('HF3211', { message: `${what} while ${this.flow.name} runs.`, details: { state: this.state } })
  }

  /** Finds or makes the flow in the journal, and takes what is kept of it. `afresh`: whatever its structure was. */
  async #claim(afresh: boolean): Promise<{ readonly journal: NonNullable<EngineOptions['journal']>; readonly fence: number } | undefined> {
    const { journal, store } = this.#o
    if (!journal) return undefined
    const structure = this.#structure.join('\n')
    const encoded = store === undefined ? undefined : encodeValue(store, 'The values given from outside')
    const [, claim] = await Promise.all([
      journal.create({ id: this.#id, name: this.flow.name, structure, store: encoded, factory: this.#o.factory && canonical(this.#o.factory), createdAt: this.#clock.now() }),
      journal.claim(this.#id, this.#holder, CLAIM_MS),
    ])
    if ('heldBy' in claim) {
      throw failing('HF3212', { message: `${this.#id} is being run by process ${claim.heldBy.pid} on ${claim.heldBy.host}.`, details: { holder: claim.heldBy } })
    }
    try {
      const stored = await journal.load(this.#id)
      if (!stored) throw failing('HF3212', { message: `${this.#id} is gone from the journal.` })
      this.#stored = stored.flow
      if (store === undefined) this.#store = (decodeValue(stored.flow.store) as Record<string, unknown> | undefined) ?? {}
      // A flow that a worker was asked to run has no structure before its first run.
      if (!afresh && stored.flow.structure !== '' && stored.flow.structure !== structure) this.#changed(stored.flow.structure.split('\n'))
      this.#machine = this.#newMachine()
      this.#rows = new Map()
      const orphans: Record<string, Failure> = {}
      for (const row of stored.tasks) {
        const v = this.#compiled.atoms.get(row.name)
        if (v) {
          restore(this.#machine.atom(v), row)
          this.#rows.set(this.#machine.atom(v), row.at)
        } else if (row.failure !== undefined) orphans[row.name] = Failure.from(JSON.parse(row.failure) as FailureDoc)
      }
      this.#left = { failures: orphans }
      this.#state = stored.flow.state
      return { journal, fence: claim.fence }
    } catch (e) {
      await journal.commit(this.#id, claim.fence, { release: true }).catch(() => undefined)
      throw e
    }
  }

  #changed(was: readonly string[]): void {
    const is = new Set(this.#structure)
    const before = new Set(was)
    const removed = was.filter((l) => !is.has(l))
    const added = this.#structure.filter((l) => !before.has(l))
    const shown = [...removed.map((l) => `- ${l}`), ...added.map((l) => `+ ${l}`)]
    const text = shown.length > DIFF_MAX ? [...shown.slice(0, DIFF_MAX), `and ${shown.length - DIFF_MAX} more`] : shown
    const message = `${this.#id} was changed since it began:\n${text.join('\n')}`
    if (!this.#o.acceptChanges) throw failing('HF3216', { message, details: { removed, added } })
    this.#warnings.push(message)
  }

  /** Brings the state to where a run may begin. Gives what is stored with the first step. */
  #prepare(durable: boolean): FlowChange {
    if (this.#state === 'RUNNING' || this.#state === 'SUSPENDING') {
      this.#move('RESUMING')
      this.#move('SUSPENDED')
    }
    const old = this.#machine
    const step = this.#state === 'REVERTED' ? old.reset() : this.#state === 'PARTIALLY_REVERTED' ? old.resetReverted() : undefined
    if (this.#state === 'REVERTED') this.#move('PENDING')
    if (!step) return durable ? { set: this.#set() } : {}
    // A machine that went through a reset has queues of its own: the run begins with a fresh one.
    this.#machine = this.#copy()
    const rows = new Map([...this.#rows].map(([a, at]) => [a.v, at]))
    this.#rows = new Map([...rows].map(([v, at]) => [this.#machine.atom(v), at]))
    if (!durable) return {}
    const tasks = [...step.dirty].flatMap((a) => {
      const at = rows.get(a.v)
      return at === undefined ? [] : [rowOf(a, at, undefined, undefined)]
    })
    return { tasks, set: this.#set() }
  }

  /** What the journal does not know yet. */
  #set(): NonNullable<FlowChange['set']> {
    const { store } = this.#o
    const structure = this.#structure.join('\n')
    const encoded = store === undefined ? undefined : encodeValue(store, 'The values given from outside')
    return { ...(structure === this.#stored?.structure ? {} : { structure }), ...(encoded === undefined || encoded === this.#stored?.store ? {} : { store: encoded }), ...(this.#stored?.rejected ? { rejected: '' } : {}) }
  }

  #newMachine(): Machine {
    const { parallelism = limits.parallelLocal, deferReverts = true, neverResolve = false } = this.#o
    const machine: Machine = new Machine(this.#compiled, { parallelism, deferReverts, neverResolve, target: this.#target }, (atom, half) => (this.#symbols as Symbols).inputs(machine, atom, half))
    return machine
  }

  /** The same tasks at rest: what a run begins with. */
  #copy(): Machine {
    const next = this.#newMachine()
    this.#machine.atoms.forEach((a, i) => {
      const { state, intention, attempt, epoch, result, failure: why, undoResult, undoFailure, history, wakeAt, completed } = a
      Object.assign(next.atoms[i] as Atom, { state, intention, attempt, epoch, result, failure: why, undoResult, undoFailure, history, wakeAt, completed })
    })
    return next
  }

  // ending

  /** The long parts are made when they are read: the machine of a run that has ended never moves again. */
  #report(drive: Drive): void {
    const machine = this.#machine
    const vertices = this.#compiled.atoms.values()
    let given: Record<string, unknown> | undefined
    let tasks: TaskReport[] | undefined
    this.report = {
      id: this.#id, state: drive.state, trace: drive.trace, failures: { ...this.#left.failures, ...drive.failures() }, warnings: this.#warnings, endedAt: this.#clock.now(),
      get outputs() { return (given ??= outputs(machine)) },
      get tasks() { return (tasks ??= [...vertices].map((v) => taskReport(machine.atom(v)))) },
    }
  }

  /** The report, or the cause of the failure. */
  #ended(drive: Drive): FlowReport {
    const report = this.report as FlowReport
    if (report.state === 'SUCCESS' || report.state === 'SUSPENDED') return report
    const failures = Object.entries(report.failures)
    const why = failures.map(([task, f]) => `${task}: ${f.message}`).join('; ')
    if (report.state === 'STUCK') {
      throw failing('HF3217', { message: `${this.flow.name} is stuck: ${report.tasks.filter((t) => t.state === 'REVERT_FAILURE').map((t) => `${t.name} could not be taken back (${t.undoFailure?.message})`).join('; ')}.`, cause: failures[0]?.[1].error, details: { failures: report.failures } })
    }
    if (drive.interrupted && failures.length === 0) throw failure('HF3106', { message: `${this.flow.name} was interrupted; the next run goes on with it.`, hint: 'Run the flow again, with a journal under the same id.' })
    const [only] = failures
    if (failures.length === 1 && only?.[1].error !== undefined) throw only[1].error
    throw failing('HF3213', { message: `${this.flow.name} failed: ${(why || 'nothing is known about the cause').replace(/\.$/, '')}.`, cause: only?.[1].error, details: { failures: report.failures } })
  }

  get #listeners(): readonly Listeners[] {
    const { listeners } = this.#o
    return listeners === undefined ? [] : Array.isArray(listeners) ? listeners as readonly Listeners[] : [listeners as Listeners]
  }

  #move(to: FlowState): void {
    const old = this.#state
    if (!flowMove(old, to)) return
    this.#state = to
    this.#tell((l) => l.onFlow?.(to, { flow: this.flow.name, id: this.#id, old }))
  }

  #tell(act: (l: Listeners) => void): void {
    for (const l of this.#listeners) {
      try {
        act(l)
      } catch (e) {
        this.#warnings.push(`a listener threw: ${isFailure(e) ? e.code : textOf(e)}`)
      }
    }
  }
}
