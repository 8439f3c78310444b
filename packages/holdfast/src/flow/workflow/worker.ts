import { optionKind, textOf, type Kind, type Kinds } from '../../base/index.ts'
import { TaskFlowEngine } from './engine.ts'
import { checkOptions, engineKind, failing, METHODS } from './kinds.ts'
import { loadExport } from './load.ts'
import type { EngineOptions, Flow, FlowEngine, FlowReport, WorkFlowEngine } from './port.ts'

export interface EngineName { readonly module: string; readonly export: string }
const OPERATIONS = ['protect', 'restore', 'verify', 'delete', 'copy'] as const
export type OperationType = (typeof OPERATIONS)[number]

export interface OperationRequest {
  readonly context: unknown
  readonly operationType: OperationType
  readonly checkpoint: unknown
  readonly provider: unknown
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly workflowEngine: WorkFlowEngine
}
/** Builds the flow of an operation. A missing parameter is refused here, before anything is written. */
export type OperationBuilder = (request: OperationRequest) => Flow | { readonly flow: Flow; readonly options?: EngineOptions } | Promise<Flow | { readonly flow: Flow; readonly options?: EngineOptions }>

export interface WorkerOptions {
  /** Default: the engine that comes with Holdfast. */
  readonly engine?: WorkFlowEngine | EngineName
  readonly operations?: Partial<Record<OperationType, OperationBuilder>>
}

const isName = (v: unknown): boolean => typeof (v as Partial<EngineName> | null)?.module === 'string' && typeof (v as Partial<EngineName>).export === 'string'
const OPTIONS: Kinds = new Map<string, Kind>([['engine', { says: 'a workflow engine, or the name of one: { module, export }', is: (v) => isName(v) || engineKind.is(v) }], ['operations', optionKind.object]])
const NAME: Kinds = new Map<string, Kind>([['module', optionKind.text], ['export', optionKind.text]])
const OPERATION_OPTIONS: Kinds = new Map(OPERATIONS.map((o) => [o, optionKind.function]))

/** A workflow engine by name: an instance, or a class that takes no arguments. Fails HF3203, HF3219. */
export async function loadEngine(engineName: EngineName): Promise<WorkFlowEngine> {
  checkOptions(engineName, NAME, 'The name of a workflow engine', ['module', 'export'])
  const { module, export: name } = engineName
  const found = await loadExport(module, name, 'The workflow engine')
  let engine: unknown
  try {
    engine = typeof found === 'function' ? new (found as new () => unknown)() : found
  } catch (e) {
    throw failing('HF3219', { message: `${name} of ${module} could not be made: ${e instanceof Error ? e.message : textOf(e)}`, cause: e, details: { reason: 'MODULE_THREW', module, export: name } })
  }
  const missing = METHODS.filter((m) => typeof (engine as Readonly<Record<string, unknown>> | undefined)?.[m] !== 'function')
  if (missing.length > 0) throw failing('HF3219', { message: `${name} of ${module} is not a workflow engine: it has no ${missing.join(', ')}.`, details: { reason: 'NOT_AN_ENGINE', module, export: name, missing } })
  return engine as WorkFlowEngine
}

/**
 * The worker of founding contract 3: builds the flow of an operation, runs it, and reads what it gave, on the engine that comes with Holdfast or on
 * another. It keeps nothing between calls.
 */
export class Worker {
  readonly #options: WorkerOptions
  #engine: Promise<WorkFlowEngine> | undefined

  /** Fails HF3203. */
  constructor(options: WorkerOptions = {}) {
    checkOptions(options, OPTIONS, 'A worker')
    checkOptions(options.operations ?? {}, OPERATION_OPTIONS, 'The operations of a worker')
    this.#options = options
  }

  /** Loaded when first asked for. Fails HF3219. */
  engine(): Promise<WorkFlowEngine> {
    const { engine } = this.#options
    this.#engine ??= engine === undefined ? Promise.resolve(new TaskFlowEngine()) : 'module' in engine ? loadEngine(engine) : Promise.resolve(engine)
    return this.#engine
  }

  /**
   * Gives    an engine for the flow that the builder of the operation made; nothing has run.
   * Fails    HF3220 for a type that is no operation, or that the worker has no builder for; with what the builder refuses.
   */
  async getFlow(context: unknown, operationType: OperationType, checkpoint: unknown, provider: unknown, kwargs: Readonly<Record<string, unknown>> = {}): Promise<FlowEngine> {
    const build = OPERATIONS.includes(operationType) ? this.#options.operations?.[operationType] : undefined
    if (!build) {
      const known = OPERATIONS.filter((o) => this.#options.operations?.[o])
      throw failing('HF3220', { message: `There is no operation ${textOf(operationType)}; this worker knows ${known.join(', ') || 'none'}.`, details: { operationType } })
    }
    const workflowEngine = await this.engine()
    const built = await build({ context, operationType, checkpoint, provider, kwargs, workflowEngine })
    if (typeof built !== 'object' || built === null) throw failing('HF3220', { message: `The operation ${operationType} gave no flow.`, details: { operationType } })
    const { flow, options } = 'flow' in built ? built : { flow: built, options: undefined }
    return workflowEngine.getEngine(flow, options)
  }

  /** As `runEngine` of the workflow engine. */
  async runFlow(engine: FlowEngine, signal?: AbortSignal): Promise<FlowReport> {
    return (await this.engine()).runEngine(engine, signal)
  }

  /** As `output` of the workflow engine: all symbols, or one. */
  async flowOutputs(engine: FlowEngine, target?: string): Promise<unknown> {
    return (await this.engine()).output(engine, target)
  }
}
