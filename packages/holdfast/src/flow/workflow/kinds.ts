import { failure, having, misfit, type FailureDetail, type HoldfastError, type Kind, type Kinds } from '../../base/index.ts'

/** The names that the founding contract gives these failures; they stand in `details.kind`. */
const kinds = {
  HF3201: 'InvalidTaskFlowObject', HF3202: 'FlowTypeUnknown', HF3203: 'InvalidFormat', HF3204: 'Duplicate', HF3205: 'MissingDependencies', HF3206: 'AmbiguousDependency',
  HF3207: 'DependencyFailure', HF3208: 'InvalidLink', HF3209: 'ShadowedSymbol', HF3210: 'NotFound', HF3211: 'InvalidState', HF3212: 'ExecutionFailure', HF3213: 'WrappedFailure',
  HF3214: 'ResultNotStorable', HF3215: 'OutputMissing', HF3216: 'StructureChanged', HF3217: 'Stuck', HF3218: 'NotFound', HF3219: 'EngineLoadFailure', HF3220: 'InvalidParameterValue',
  HF3221: 'RequestTimeout',
} as const

export const failing = (code: keyof typeof kinds, detail: FailureDetail): HoldfastError => failure(code, { ...detail, details: { kind: kinds[code], ...detail.details } })

/** Refuses options that are not known, or of another kind: passed over, they would change what happens without a sign. Fails HF3203. */
export function checkOptions(given: unknown, known: Kinds, what: string, needed?: readonly string[]): void {
  const wrong = misfit(given, known, needed)
  if (wrong !== undefined) throw failing('HF3203', { message: `${what}: ${wrong}.` })
}

const executes = having('', 'execute', 'onFailure')
export const retryKind: Kind = { says: 'a controller: times(), forEach(), alwaysRevert() or retry() make one', is: (v) => executes.is(v) && Array.isArray((v as { readonly requires?: unknown }).requires) }
export const journalKind: Kind = having('a journal of openFlowJournal', 'load', 'create', 'claim', 'renew', 'commit', 'list', 'unfinished', 'offer', 'take', 'beat', 'answer', 'calls', 'reclaim', 'dropCall', 'close')
/** The operations of the port. */
export const METHODS = ['buildFlow', 'createTask', 'addTasks', 'linkTask', 'searchTask', 'getEngine', 'runEngine', 'output'] as const
export const engineKind: Kind = having('a workflow engine', ...METHODS)
export const factoryKind: Kind = {
  says: 'the name of a function that the worker has, or a module and its export',
  is: (v) => {
    const f = v as { readonly name?: unknown; readonly module?: unknown; readonly export?: unknown } | null
    return typeof f === 'object' && f !== null && (typeof f.name === 'string' || (typeof f.module === 'string' && typeof f.export === 'string'))
  },
}

/** Who decides answers at once: a promise would count as an answer of its own. */
export function atOnce<T>(answer: T, who: string): T {
  if (typeof (answer as { then?: unknown } | null | undefined)?.then === 'function') {
    void Promise.resolve(answer).catch(() => undefined)
    throw failing('HF3203', { message: `${who} gave a promise. It decides at once: let a task before it find out what it needs to know.` })
  }
  return answer
}
