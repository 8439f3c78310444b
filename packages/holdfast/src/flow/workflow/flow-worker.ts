import { allOf, canonical, clockKind, isFailure, optionKind, parseCanonical, systemClock, textOf, type Clock, type Kind, type Kinds, type Millis } from '../../base/index.ts'
import type { FlowRow, FlowState } from '../../state/index.ts'
import { currentHolder, type FlowJournal } from '../../store/index.ts'
import { TaskFlowEngine } from './engine.ts'
import { checkOptions, engineKind, factoryKind, failing, journalKind } from './kinds.ts'
import { loadExport } from './load.ts'
import type { EngineOptions, Flow, FlowEngine, FlowFactory, WorkFlowEngine } from './port.ts'
import { decodeValue, encodeValue } from './rows.ts'

/** Builds a flow, in any process, always the same. `store`: values given from outside, unless whoever posted the flow gave others. */
export type BuildFlow = (engine: WorkFlowEngine, args: any) => Flow | { readonly flow: Flow; readonly store?: Readonly<Record<string, unknown>> } | Promise<Flow | { readonly flow: Flow; readonly store?: Readonly<Record<string, unknown>> }>

/**
 * Leaves a flow in the journal for a worker.
 *
 * Takes    `factory`: what builds it, in any process; `store`: values for its symbols, plain data.
 * Gives    false when a flow of that id is there already, whatever became of it; it is left alone.
 * Durable  on return: one commit.
 * Fails    HF3214 for values that cannot be kept; the failures of the journal.
 */
export async function postFlow(journal: FlowJournal, flow: { readonly id: string; readonly factory: FlowFactory; readonly store?: Readonly<Record<string, unknown>> }, clock: Clock = systemClock): Promise<boolean> {
  if (!journalKind.is(journal)) throw failing('HF3203', { message: `What is posted needs ${journalKind.says}.` })
  checkOptions(flow, POSTED, 'What is posted', ['id', 'factory'])
  return journal.create({
    id: flow.id, name: flow.id, structure: '', store: encodeValue(flow.store, `The values of ${flow.id}`), factory: canonical(flow.factory), createdAt: clock.now(),
  })
}

const POSTED: Kinds = new Map<string, Kind>([['id', optionKind.text], ['factory', factoryKind], ['store', optionKind.object]])

export interface FlowWorkerOptions {
  readonly journal: FlowJournal
  /** Functions that build flows, by the name in their factory. */
  readonly factories?: Readonly<Record<string, BuildFlow>>
  readonly engine?: WorkFlowEngine
  readonly options?: Pick<EngineOptions, 'listeners' | 'parallelism' | 'deferReverts' | 'neverResolve'>
  /** Flows at the same time. Default 4. */
  readonly simultaneous?: number
  /** How long to rest when there was nothing to do. Default half a second. */
  readonly pollMs?: Millis
  readonly clock?: Clock
  readonly onWorked?: (worked: WorkedFlow) => void
}

/**
 * `completed`    it succeeded.
 * `failed`       it ran, and failed by itself: it is over, and its failures stay in the journal.
 * `abandoned`    it was suspended, the journal failed, or the claim was lost: somebody goes on with it.
 * `unclaimable`  somebody else had it first.
 * `rejected`     it can never run: the reason stands in the journal, and nobody tries it again.
 */
export interface WorkedFlow {
  readonly id: string
  readonly outcome: 'completed' | 'failed' | 'abandoned' | 'unclaimable' | 'rejected'
  readonly state?: FlowState
  readonly error?: unknown
}

const OPTIONS: Kinds = new Map<string, Kind>([
  ['journal', journalKind], ['factories', allOf('functions by name', optionKind.function)], ['engine', engineKind], ['options', optionKind.object], ['simultaneous', optionKind.above], ['pollMs', optionKind.count],
  ['clock', clockKind], ['onWorked', optionKind.function],
])

/**
 * Finds unfinished flows in a journal and runs them: those that were posted, and those whose process died. Nobody has to keep an id.
 *
 * Several may share a journal: a flow has one holder. A flow that fails by itself is over; one that can never be built is set aside with the reason.
 * Costs    one look at what is unfinished per `pollMs` when there is nothing to do; it writes nothing then.
 */
export class FlowWorker {
  readonly #o: FlowWorkerOptions
  readonly #engine: WorkFlowEngine
  readonly #running = new Map<string, FlowEngine>()
  #stopping = false

  /** Fails HF3203. */
  constructor(options: FlowWorkerOptions) {
    checkOptions(options, OPTIONS, 'A flow worker', ['journal'])
    this.#o = options
    this.#engine = options.engine ?? new TaskFlowEngine()
  }

  /** Until `signal` is aborted; what runs then is suspended, and the next worker goes on with it. Rejects with the failures of the journal only. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock = systemClock, pollMs = 500 } = this.#o
    const onAbort = () => this.stop()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      while (!signal.aborted) {
        const worked = await this.runOnce()
        if (worked.every((w) => w.outcome === 'unclaimable' || w.outcome === 'abandoned')) await clock.sleep(pollMs, signal).catch(() => undefined)
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Suspends what runs, and takes nothing more in this round; `run` goes on until its signal is aborted. */
  stop(): void {
    this.#stopping = true
    for (const engine of this.#running.values()) engine.suspend()
  }

  /** Looks once, and runs what there is to its end. Gives what became of each; what a flow fails with stands there, and is not thrown. */
  async runOnce(): Promise<readonly WorkedFlow[]> {
    this.#stopping = false
    const todo = (await this.#o.journal.unfinished()).filter((f) => !this.#running.has(f.id))
    const out: WorkedFlow[] = []
    const { simultaneous = 4 } = this.#o
    const lane = async () => {
      for (let row = todo.shift(); row && !this.#stopping; row = todo.shift()) {
        const worked = await this.#work(row)
        out.push(worked)
        this.#o.onWorked?.(worked)
      }
    }
    await Promise.all(Array.from({ length: simultaneous }, lane))
    return out
  }

  async #work(row: FlowRow): Promise<WorkedFlow> {
    const { id } = row
    const { journal, options, clock } = this.#o
    let engine: FlowEngine
    try {
      const { flow, store } = await this.#build(parseCanonical(row.factory as string) as FlowFactory)
      engine = this.#engine.getEngine(flow, { ...options, journal, id, store: { ...store, ...(decodeValue(row.store) as object | undefined) }, ...(clock ? { clock } : {}) })
    } catch (error) {
      return this.#reject(id, error)
    }
    this.#running.set(id, engine)
    try {
      const { state } = await this.#engine.runEngine(engine)
      return { id, outcome: state === 'SUCCESS' ? 'completed' : 'abandoned', state }
    } catch (error) {
      const code = isFailure(error) ? error.code : ''
      if (code === 'HF3212') return { id, outcome: 'unclaimable', error }
      if (code.startsWith('HF4')) return { id, outcome: 'abandoned', error }
      if (engine.report === undefined && code.startsWith('HF32')) return this.#reject(id, error)
      return { id, outcome: 'failed', state: engine.state, error }
    } finally {
      this.#running.delete(id)
    }
  }

  async #build(factory: FlowFactory): Promise<{ readonly flow: Flow; readonly store?: Readonly<Record<string, unknown>> }> {
    const build = 'name' in factory ? this.#o.factories?.[factory.name] : await loadExport(factory.module, factory.export, 'The factory of the flow')
    if (typeof build !== 'function') throw failing('HF3219', { message: `The factory ${'name' in factory ? factory.name : factory.export} is not known to this worker.` })
    const built = await (build as BuildFlow)(this.#engine, factory.args)
    if (typeof built !== 'object' || built === null) throw failing('HF3219', { message: `The factory ${'name' in factory ? factory.name : factory.export} gave no flow.` })
    return 'flow' in built ? built : { flow: built }
  }

  async #reject(id: string, error: unknown): Promise<WorkedFlow> {
    const { journal } = this.#o
    const claim = await journal.claim(id, currentHolder(), 1_000)
    if ('heldBy' in claim) return { id, outcome: 'unclaimable', error }
    await journal.commit(id, claim.fence, { set: { rejected: error instanceof Error ? error.message : textOf(error) }, release: true })
    return { id, outcome: 'rejected', error }
  }
}
