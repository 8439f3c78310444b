/**
 * Every error of the founding contract. One root: who catches {@link BackendError} catches all of them.
 * `code` is stable and never reused; `helpMessage` says what to do next.
 */

/** What `holdfast explain CODE` says about each code of the founding contract. Append only. */
export const backendErrorCodes = {
  RESOURCE_STATE_ALREADY_EXISTS: { summary: 'A resource state of that name exists already under the same parent.', help: 'Choose another name, or use the state that is there: getTopLevelResourceStates() lists them.' },
  RESOURCE_STATE_DOES_NOT_EXIST: { summary: 'There is no resource state with that uuid.', help: 'getTopLevelResourceStates() lists the states; a state that was deleted is not among them.' },
  RESOURCE_STATE_NOT_EMPTY: { summary: 'The resource state has components, children or unsettled changes.', help: 'Delete its components and children, and settle its open and failed changes first.' },
  COMPONENT_ALREADY_EXISTS: { summary: 'A component of that name exists already in the state.', help: 'Choose another name, or change the component that is there.' },
  COMPONENT_DOES_NOT_EXIST: { summary: 'The state has no component of that name.', help: 'getResourceState() lists the components; create it with updateComponent().' },
  COMPONENT_NOT_EMPTY: { summary: 'The component has resources, or refers to resources of others.', help: 'Delete its resources and its references first.' },
  COMPONENT_BUSY: { summary: 'Something else is changing the component.', help: 'Wait until it has finished; listChanges() shows open changes.' },
  RESOURCE_CHANGE_TRANSACTION_DOES_NOT_EXIST: { summary: 'There is no such change transaction in the state that the call asks for.', help: 'listChanges() shows open, failed and unknown changes with their tokens.' },
  TRANSACTION_ALREADY_COMPLETED: { summary: 'The change transaction was completed already.', help: 'Nothing is to be done. A call that is repeated after a lost answer carries the same request id.' },
  TRANSACTION_MISMATCH: { summary: 'The difference is not the one that the transaction was opened with.', help: 'Complete or fail the transaction with the difference that opened it; open another one for another change.' },
  RESOURCE_REFERENCE_ERROR: { summary: 'The reference cannot be made, removed, or left without its target.', help: 'Make the target first, and remove references before what they refer to.' },
  RESOURCE_DOES_NOT_EXIST: { summary: 'The component has no such resource.', help: 'getComponent() lists its resources.' },
  RESOURCE_ALREADY_EXISTS: { summary: 'The component has a resource of that type and name.', help: 'Update it with a difference that names it as the previous resource.' },
  RESOURCE_BUSY: { summary: 'The resource has a change that is not settled.', help: 'Complete, fail, recover or remove that change first.' },
  STALE_BASE: { summary: 'The resource has changed since the difference was made.', help: 'Read the component again and make the difference anew.' },
  REVISION_CONFLICT: { summary: 'The state has changed since it was read.', help: 'Read it again and repeat the call.' },
  CLOUD_OUTPUT_DOES_NOT_EXIST: { summary: 'The resource exists and has no output.', help: 'Complete its change with the output that the provider gave.' },
  KEY_NOT_IN_CLOUD_OUTPUT: { summary: 'The output of the resource has no such key.', help: 'getCloudOutputByName() shows the keys.' },
  OUTPUTS_REQUIRED: { summary: 'The change cannot be recovered to its new state without the outputs.', help: 'Give them as the fourth argument.' },
  REQUEST_ID_CONFLICT: { summary: 'The request id was used for another request.', help: 'Use a fresh id for each request; repeat one only with the same arguments.' },
  PERMISSION_DENIED: { summary: 'The caller may not do that.', help: 'Ask for the right, or have the component export the resource.' },
  LEASE_CONFLICT: { summary: 'Somebody else works on the state.', help: 'Wait until the holder named in the message has finished.' },
  LEASE_EXPIRED: { summary: 'The lease ended before the call.', help: 'Take the lease again and repeat the call.' },
  FENCE_REJECTED: { summary: 'Another holder has taken the lease over; nothing was written.', help: 'The new holder records the outcome. Read the state before going on.' },
  PLAN_STALE: { summary: 'The state has changed since the plan was made.', help: 'Make a new plan.' },
  PLAN_ALREADY_APPLIED: { summary: 'The plan was applied already.', help: 'Make a new plan.' },
  PAYLOAD_CHANGED: { summary: 'A request is repeated with another content.', help: 'Repeat a request only as it was; open another transaction for another one.' },
  DEPENDENCY_CYCLE: { summary: 'Components refer to each other in a circle.', help: 'Remove one of the references named in the message.' },
  DUPLICATE_RESOURCE_NAME: { summary: 'Two resources of a component have the same type and name.', help: 'Give one of them another name.' },
  DUPLICATE_COMPONENT_NAME: { summary: 'Two components have the same name.', help: 'Give one of them another name.' },
  UNKNOWN_REFERENCE_TARGET: { summary: 'A reference names a resource that nobody has.', help: 'Correct the reference, or make its target.' },
  REFERENCE_TO_DELETED_RESOURCE: { summary: 'A reference names a resource that the same change deletes.', help: 'Keep the resource, or remove the reference.' },
  REVISION_COMPACTED: { summary: 'What happened that long ago is not kept any more.', help: 'Read the state, and go on from there.' },
  STORE_CORRUPT: { summary: 'The stored state is damaged.', help: 'Run `holdfast state doctor`; restore the state from a backup.' },
  SCHEMA_TOO_NEW: { summary: 'The stored state was written by a newer version.', help: 'Use the newer version.' },
  CAN_NOT_FIND_RESOURCE_STATE_FILE: { summary: 'The state file is not there.', help: 'Check the path, or let the backend make it.' },
  INVALID_RESOURCE_STATE_DATA: { summary: 'The stored state cannot be read.', help: 'Run `holdfast state doctor`.' },
  INVALID_DIFFERENCE: { summary: 'The difference is not well formed.', help: 'CREATE has a new side only, DELETE a previous side only, the others both.' },
  INVALID_ARGUMENT: { summary: 'An argument of the call is missing or of another kind.', help: 'Correct the argument named in the message. Nothing was written.' },
  NOT_IMPLEMENTED: { summary: 'The backend does not have this method.', help: 'Use a backend that passes the suite of holdfast/testing.' },
  BACKEND_CLOSED: { summary: 'The backend was closed.', help: 'Open another one.' },
  MODULE_NOT_FOUND: { summary: 'The module of the backend cannot be found.', help: 'Install it, or correct `module`.' },
  MODULE_THREW: { summary: 'The module of the backend failed while it was loaded.', help: 'Read the cause.' },
  EXPORT_NOT_FOUND: { summary: 'The module has no such export.', help: 'Correct `export`.' },
  NOT_A_BACKEND: { summary: 'The export is no backend.', help: 'Export a class that extends AbstractBackend and has every method.' },
  CONTRACT_VERSION_MISMATCH: { summary: 'The backend was made for another version of the contract.', help: 'Use a version of the backend that fits this one.' },
  CONFIG_INVALID: { summary: 'The configuration of the backend is not valid.', help: 'Correct the keys named in the message.' },
  CONNECT_FAILED: { summary: 'The backend cannot reach its store.', help: 'Read the cause.' },
  SCHEMA_MIGRATION_REQUIRED: { summary: 'The store has an older schema and may not be changed.', help: 'Open it once for writing.' },
} as const satisfies Record<string, { readonly summary: string; readonly help: string }>

export type BackendErrorCode = keyof typeof backendErrorCodes

export interface BackendErrorDetail {
  readonly cause?: unknown
  /** Where the class has several codes, or a failure of the store that has no class here keeps its own (`HF4006`). */
  readonly code?: string
  /** What a program may want to know: the existing token, the current revision, the holder. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>
}

/** The root. A class below it has a code, and with it a message and a way out that stand where none is given. */
export class BackendError extends Error {
  static readonly code: string = 'BACKEND_ERROR'
  readonly code: string
  readonly errorMessage: string
  readonly helpMessage: string
  readonly helpResources: string[]
  readonly details: Readonly<Record<string, unknown>>

  constructor(errorMessage?: string, helpMessage?: string, helpResources: readonly string[] = [], detail: BackendErrorDetail = {}) {
    const code = detail.code ?? new.target.code
    const known = (backendErrorCodes as Record<string, { readonly summary: string; readonly help: string } | undefined>)[code]
    const message = errorMessage ?? known?.summary ?? code
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.name = new.target.code === 'BACKEND_ERROR' ? 'BackendError' : nameOf(new.target.code)
    this.code = code
    this.errorMessage = message
    this.helpMessage = helpMessage ?? known?.help ?? ''
    this.helpResources = [...helpResources]
    this.details = detail.details ?? {}
  }
}

/** `RESOURCE_BUSY` -> `ResourceBusy`: not the name of the function, which a bundler may change. */
const nameOf = (code: string): string => code.split('_').map((w) => w.slice(0, 1) + w.slice(1).toLowerCase()).join('')

export class ResourceStateAlreadyExists extends BackendError {
  static override readonly code: string = 'RESOURCE_STATE_ALREADY_EXISTS'
}
export class ResourceStateDoesNotExist extends BackendError {
  static override readonly code: string = 'RESOURCE_STATE_DOES_NOT_EXIST'
}
export class ResourceStateNotEmpty extends BackendError {
  static override readonly code: string = 'RESOURCE_STATE_NOT_EMPTY'
}
export class ComponentAlreadyExists extends BackendError {
  static override readonly code: string = 'COMPONENT_ALREADY_EXISTS'
}
export class ComponentDoesNotExist extends BackendError {
  static override readonly code: string = 'COMPONENT_DOES_NOT_EXIST'
}
export class ComponentNotEmpty extends BackendError {
  static override readonly code: string = 'COMPONENT_NOT_EMPTY'
}
export class ComponentBusy extends BackendError {
  static override readonly code: string = 'COMPONENT_BUSY'
}
export class ResourceChangeTransactionDoesNotExist extends BackendError {
  static override readonly code: string = 'RESOURCE_CHANGE_TRANSACTION_DOES_NOT_EXIST'
}
export class TransactionAlreadyCompleted extends ResourceChangeTransactionDoesNotExist {
  static override readonly code: string = 'TRANSACTION_ALREADY_COMPLETED'
}
export class TransactionMismatch extends BackendError {
  static override readonly code: string = 'TRANSACTION_MISMATCH'
}
export class ResourceReferenceError extends BackendError {
  static override readonly code: string = 'RESOURCE_REFERENCE_ERROR'
}
export class ResourceDoesNotExist extends BackendError {
  static override readonly code: string = 'RESOURCE_DOES_NOT_EXIST'
}
export class ResourceAlreadyExists extends BackendError {
  static override readonly code: string = 'RESOURCE_ALREADY_EXISTS'
}
/** `details.transactionToken`: the change that stands in the way. */
export class ResourceBusy extends BackendError {
  static override readonly code: string = 'RESOURCE_BUSY'
}
export class StaleBase extends BackendError {
  static override readonly code: string = 'STALE_BASE'
}
/** `details.revision`: the current one. */
export class RevisionConflict extends BackendError {
  static override readonly code: string = 'REVISION_CONFLICT'
}
export class CloudOutputDoesNotExist extends BackendError {
  static override readonly code: string = 'CLOUD_OUTPUT_DOES_NOT_EXIST'
}
/** An output `{}` exists, so it has no key rather than no output. */
export class KeyNotInCloudOutput extends CloudOutputDoesNotExist {
  static override readonly code: string = 'KEY_NOT_IN_CLOUD_OUTPUT'
}
export class OutputsRequired extends BackendError {
  static override readonly code: string = 'OUTPUTS_REQUIRED'
}
export class RequestIdConflict extends BackendError {
  static override readonly code: string = 'REQUEST_ID_CONFLICT'
}
export class PermissionDenied extends BackendError {
  static override readonly code: string = 'PERMISSION_DENIED'
}
/** `details`: holder, host, pid, ageMs, expiresAt. */
export class LeaseConflict extends ComponentBusy {
  static override readonly code: string = 'LEASE_CONFLICT'
}
export class LeaseExpired extends BackendError {
  static override readonly code: string = 'LEASE_EXPIRED'
}
export class FenceRejected extends BackendError {
  static override readonly code: string = 'FENCE_REJECTED'
}
export class PlanStale extends BackendError {
  static override readonly code: string = 'PLAN_STALE'
}
export class PlanAlreadyApplied extends BackendError {
  static override readonly code: string = 'PLAN_ALREADY_APPLIED'
}
export class PayloadChanged extends BackendError {
  static override readonly code: string = 'PAYLOAD_CHANGED'
}
export class DependencyCycle extends BackendError {
  static override readonly code: string = 'DEPENDENCY_CYCLE'
}
export class DuplicateResourceName extends BackendError {
  static override readonly code: string = 'DUPLICATE_RESOURCE_NAME'
}
export class DuplicateComponentName extends BackendError {
  static override readonly code: string = 'DUPLICATE_COMPONENT_NAME'
}
export class UnknownReferenceTarget extends BackendError {
  static override readonly code: string = 'UNKNOWN_REFERENCE_TARGET'
}
export class ReferenceToDeletedResource extends BackendError {
  static override readonly code: string = 'REFERENCE_TO_DELETED_RESOURCE'
}
export class RevisionCompacted extends BackendError {
  static override readonly code: string = 'REVISION_COMPACTED'
}
export class SchemaTooNew extends BackendError {
  static override readonly code: string = 'SCHEMA_TOO_NEW'
}
export class CanNotFindResourceStateFile extends BackendError {
  static override readonly code: string = 'CAN_NOT_FIND_RESOURCE_STATE_FILE'
}
export class InvalidResourceStateData extends BackendError {
  static override readonly code: string = 'INVALID_RESOURCE_STATE_DATA'
}
export class InvalidArgument extends BackendError {
  static override readonly code: string = 'INVALID_ARGUMENT'
}
export class InvalidDifference extends BackendError {
  static override readonly code: string = 'INVALID_DIFFERENCE'
}
export class NotImplemented extends BackendError {
  static override readonly code: string = 'NOT_IMPLEMENTED'
}
export class BackendClosed extends BackendError {
  static override readonly code: string = 'BACKEND_CLOSED'
}
export class StoreCorrupt extends InvalidResourceStateData {
  static override readonly code: string = 'STORE_CORRUPT'
}

/** A backend could not be loaded. `code` says why: MODULE_NOT_FOUND, MODULE_THREW, EXPORT_NOT_FOUND, NOT_A_BACKEND, CONTRACT_VERSION_MISMATCH, CONFIG_INVALID, CONNECT_FAILED, SCHEMA_TOO_NEW, SCHEMA_MIGRATION_REQUIRED. */
export class BackendInitializationError extends BackendError {
  static override readonly code: string = 'BACKEND_INITIALIZATION_ERROR'
}
