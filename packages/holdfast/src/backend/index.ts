/**
 * The founding contract 1 as a public interface: resource states, components, change transactions, references, look-ups, outputs, differences.
 *
 * Always true: one truth. What an apply writes is read here, and the other way round; there is no second copy of anything. Every error extends `BackendError`.
 * May import base, model, secret, state, journal, store, diff.
 * @module
 */
export {
  AbstractBackend, backendMethods, CONTRACT_VERSION, type Backend, type BackendCapabilities, type ChangeFilter, type Differences, type Principal, type RequestContext,
} from './contract.ts'
export { compareComponents, type ComponentDifferences, type DifferenceDiagnostic } from './differences.ts'
export type { Surroundings } from './differences-check.ts'
export { componentHash } from './digest.ts'
export * from './errors.ts'
export { loadBackend, type BackendConfiguration, type LoadOptions } from './load.ts'
export type { LoadCode } from './load-error.ts'
export { MemoryBackend, type MemoryBackendConfig } from './memory.ts'
export type { Action, Permit, PermitRequest } from './permit.ts'
export type { ForcedLease } from './leases.ts'
export type { KeyPlace } from './session.ts'
export { SqliteBackend, type SqliteBackendConfig } from './sqlite.ts'
export { StoreBackend, type StoreBackendOptions } from './store-backend.ts'
export { secret } from './values.ts'
export {
  resourceKey, type ChangeRecord, type ChangeStatus, type CloudOutput, type ComponentActionType, type ComponentDifference, type ComponentExport, type ComponentModel,
  type FailedResourceChange, type NewComponent, type OpenResourceChange, type ReferenceActionType, type ResourceActionType, type ResourceDifference, type ResourceModel,
  type ResourceReferenceDifference, type ResourceReferenceModel, type ResourceState, type StateEvent, type TaggableResourceModel,
} from './models.ts'
export type { Content } from './pairing.ts'
