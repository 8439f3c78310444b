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
export { componentHash } from './digest.ts'
export * from './errors.ts'
export {
  resourceKey, type ChangeRecord, type ChangeStatus, type CloudOutput, type ComponentActionType, type ComponentDifference, type ComponentExport, type ComponentModel,
  type FailedResourceChange, type NewComponent, type OpenResourceChange, type ReferenceActionType, type ResourceActionType, type ResourceDifference, type ResourceModel,
  type ResourceReferenceDifference, type ResourceReferenceModel, type ResourceState, type TaggableResourceModel,
} from './models.ts'
