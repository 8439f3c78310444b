import { failure, type FailureDetail, type HoldfastError } from '../../base/index.ts'

/** The names that the founding contract gives these failures; they stand in `details.kind`. */
const kinds = {
  HF3201: 'InvalidTaskFlowObject', HF3202: 'FlowTypeUnknown', HF3203: 'InvalidFormat', HF3204: 'Duplicate', HF3205: 'MissingDependencies', HF3206: 'AmbiguousDependency',
  HF3207: 'DependencyFailure', HF3208: 'InvalidLink', HF3209: 'ShadowedSymbol', HF3210: 'NotFound', HF3211: 'InvalidState', HF3212: 'ExecutionFailure', HF3213: 'WrappedFailure',
  HF3214: 'ResultNotStorable', HF3215: 'OutputMissing', HF3216: 'StructureChanged', HF3217: 'Stuck', HF3218: 'NotFound', HF3219: 'EngineLoadFailure', HF3220: 'InvalidParameterValue',
  HF3221: 'RequestTimeout',
} as const

export const failing = (code: keyof typeof kinds, detail: FailureDetail): HoldfastError => failure(code, { ...detail, details: { kind: kinds[code], ...detail.details } })

/** A word that is no option is most often one that was misspelt: passed over, it would change what happens without a sign. */
export function onlyKnown(given: object, known: ReadonlySet<string>, what: string): void {
  for (const name in given) if (!known.has(name)) throw failing('HF3203', { message: `${what}: there is no option ${name}; there are ${[...known].join(', ')}.` })
}

/** Who decides answers at once: a promise would count as an answer of its own. */
export function atOnce<T>(answer: T, who: string): T {
  if (typeof (answer as { then?: unknown } | null | undefined)?.then === 'function') {
    void Promise.resolve(answer).catch(() => undefined)
    throw failing('HF3203', { message: `${who} gave a promise. It decides at once: let a task before it find out what it needs to know.` })
  }
  return answer
}
