import { isFailure } from '../base/index.ts'
import { BackendError, ComponentAlreadyExists, FenceRejected, LeaseConflict, PlanAlreadyApplied, PlanStale, RequestIdConflict, ResourceBusy, ResourceReferenceError, ResourceStateNotEmpty, RevisionCompacted, RevisionConflict, SchemaTooNew, StoreCorrupt } from './errors.ts'

type Make = new (message?: string, help?: string, resources?: readonly string[], detail?: { readonly cause?: unknown; readonly details?: Readonly<Record<string, unknown>> }) => BackendError

const classes: Readonly<Record<string, Make>> = {
  HF2401: RevisionConflict, HF2402: PlanStale, HF2403: PlanAlreadyApplied, HF4001: StoreCorrupt, HF4002: SchemaTooNew, HF4101: ResourceBusy, HF4102: ResourceStateNotEmpty,
  HF4103: ResourceReferenceError, HF4104: RequestIdConflict, HF4105: ComponentAlreadyExists, HF6009: RevisionCompacted, HF4201: LeaseConflict, HF4203: FenceRejected,
}

/** A failure of the store in the words of the contract. A bug stays a bug. */
export function translate(e: unknown): unknown {
  if (!isFailure(e)) return e
  const details: Record<string, unknown> = { ...e.details }
  if (e.code === 'HF4101') details.transactionToken = details.tx
  if (e.code === 'HF2401') details.revision = details.actual
  const Class = classes[e.code]
  if (Class) return new Class(e.message, undefined, [], { cause: e, details })
  return new BackendError(e.message, e.hint, [], { code: e.code, cause: e, details })
}

export async function translated<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (e) {
    throw translate(e)
  }
}

export const hasCode = (e: unknown, code: string): boolean => isFailure(e) && e.code === code
