import { failure, isFailure, type Site } from '../base/index.ts'
import type { Address, Value } from '../model/index.ts'
import type { Host, ResourceType } from '../provider/index.ts'
import { makeRedactor } from '../secret/index.ts'
import { said, secretTexts } from './texts.ts'

type Fields = Readonly<Record<string, Value | undefined>>

/** What a type's author wrote that decides without a call. */
export type Decides = 'claims' | 'holdsData' | 'boundTo' | 'upgrade'
interface Asked {
  readonly type: ResourceType
  readonly method: Decides
  readonly at: { readonly address: Address; readonly site?: Site | undefined }
  /** What it is told: none of its secrets may stand in what it says. */
  readonly told: readonly Fields[]
}

/** Fails HF1121 with the node and the function that failed; a failure that has a code keeps it. */
export function asked<T>(a: Asked, call: () => T): T {
  let answer: T
  try {
    answer = call()
  } catch (e) {
    throw broken(a, e)
  }
  if (!isPromise(answer)) return answer
  answer.catch(() => undefined) // nobody waits for it
  throw wrong(a, 'gave a promise; it decides at once')
}

/** Fails HF1121: it answered, and not what it may answer. */
export const wrong = ({ type, method, at }: Asked, why: string, cause?: unknown) => failure('HF1121', { address: at.address, site: at.site, message: `${at.address}: ${method} of ${type.type} ${why}.`, cause })

export function broken(a: Asked, e: unknown): unknown {
  if (isFailure(e)) return e
  const redactor = makeRedactor()
  for (const text of a.told.flatMap((fields) => secretTexts(fields as Value))) redactor.add(text)
  return wrong(a, `failed: ${redactor.text(said(e)).replace(/\.$/, '')}`)
}

export const isPromise = (v: unknown): v is Promise<unknown> => typeof (v as { readonly then?: unknown } | null | undefined)?.then === 'function' && typeof (v as { readonly catch?: unknown }).catch === 'function'

/** What a type says of outputs before anything is made. It is a guess: where it fails, because an input is not known, nothing is predicted. */
export function predictedBy(type: ResourceType, known: Readonly<Record<string, unknown>>, host: Host): Record<string, unknown> {
  try {
    const given: unknown = type.predict?.(known as never, host)
    if (isPromise(given)) given.catch(() => undefined)
    return typeof given === 'object' && given !== null && !isPromise(given) ? given as Record<string, unknown> : {}
  } catch {
    return {}
  }
}
