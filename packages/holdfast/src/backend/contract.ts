import { NotImplemented } from './errors.ts'
import type {
  ChangeRecord, ChangeStatus, CloudOutput, ComponentDifference, ComponentModel, NewComponent, ResourceDifference, ResourceModel, ResourceReferenceDifference, ResourceState,
} from './models.ts'

/** Version of the contract below: what `loadBackend` compares. */
export const CONTRACT_VERSION = 1

/** Marks AbstractBackend, in every copy of this package. */
export const BACKEND_BRAND: unique symbol = Symbol.for('holdfast.backend') as never

/** Who asks. Opaque to a backend; its permission hook gives it a meaning. */
export type Principal = string

/** What may come with every call, as its last argument. */
export interface RequestContext {
  /** A call that is repeated under the same id gives the first answer again; with other arguments it is refused (RequestIdConflict). Kept for 7 days. */
  readonly requestId?: string
  readonly principal?: Principal
  /** The caller holds the lease itself: the call is refused (FenceRejected) when that was taken over. */
  readonly fence?: { readonly scope: string; readonly fence: number }
  /** Refused (RevisionConflict) when the state is at another revision. */
  readonly expectedRevision?: number
  /** Outputs and attributes in clear, where the caller has the right to see secrets and the key is there. */
  readonly reveal?: boolean
}

export interface BackendCapabilities {
  readonly name: string
  /** What was written survives the process. */
  readonly durable: boolean
  /** Several processes may use one store at the same time. */
  readonly severalWriters: boolean
}

export interface ChangeFilter {
  readonly status?: ChangeStatus
  readonly stateUuid?: string
}

/** How many components, resources and references differ: see `createDifferences`. */
export type Differences = [ComponentDifference[], ResourceDifference[], ResourceReferenceDifference[]]

/**
 * The central place of all state: the founding contract 1.
 *
 * Errors are checked in the order in which they are named. Every error extends BackendError.
 * Durable: a method that changes something resolves when the change survives a crash; it is all there or not at all.
 */
export interface Backend {
  readonly contractVersion: number
  readonly capabilities: BackendCapabilities
  /** Connects. Every method does it by itself; called beforehand it says early what is wrong. Fails StoreCorrupt, SchemaTooNew, CanNotFindResourceStateFile. */
  open(): Promise<void>

  /** A new, empty state; at the top level without a parent. Fails ResourceStateDoesNotExist (parent), ResourceStateAlreadyExists. */
  createResourceState(name: string, parentResourceStateUuid?: string | null, ctx?: RequestContext): Promise<string>
  /** Fails ResourceStateDoesNotExist; ResourceStateNotEmpty for children, components, open or failed changes. */
  deleteResourceState(stateUuid: string, ctx?: RequestContext): Promise<void>
  /** A snapshot. Fails ResourceStateDoesNotExist. */
  getResourceState(stateUuid: string, ctx?: RequestContext): Promise<ResourceState>
  /** The states without a parent, by name. */
  getTopLevelResourceStates(ctx?: RequestContext): Promise<ResourceState[]>

  /** Fails ResourceStateDoesNotExist, ComponentDoesNotExist. */
  getComponent(stateUuid: string, componentName: string, ctx?: RequestContext): Promise<ComponentModel>
  /**
   * CREATE: an empty component. DELETE: it goes, and its references with it. UPDATE_NAME: it keeps uuid, resources and who refers to them. UPDATE_IDENTITY: nothing.
   * Fails ResourceStateDoesNotExist, ComponentAlreadyExists, ComponentDoesNotExist, ComponentNotEmpty, ResourceReferenceError, ComponentBusy.
   */
  updateComponent(stateUuid: string, componentDifference: ComponentDifference, ctx?: RequestContext): Promise<void>
  /** Unique for state and component; stays when the component is renamed. Fails ResourceStateDoesNotExist, ComponentDoesNotExist. */
  getComponentUuid(stateUuid: string, componentName: string, ctx?: RequestContext): Promise<string>

  /**
   * Records the intent to change one resource; nothing may be sent to a provider before this resolves.
   *
   * Gives `[transactionToken, namespaceToken]`: the base of idempotency tokens for this change, and what tells the resources of this component apart in the cloud
   * (the same in every run, and after a rename of the component).
   * Fails ResourceStateDoesNotExist, ComponentDoesNotExist, InvalidDifference, ComponentBusy (LeaseConflict), ResourceBusy, ResourceAlreadyExists (CREATE, or a new name
   * that is taken), ResourceDoesNotExist, StaleBase, ResourceReferenceError (DELETE of what others refer to), PermissionDenied.
   */
  createResourceChangeTransaction(stateUuid: string, componentName: string, diff: ResourceDifference, ctx?: RequestContext): Promise<[transactionToken: string, namespaceToken: string]>
  /**
   * The change happened: resource, outputs and resolved values become true at once, and the transaction ends.
   * Fails ResourceStateDoesNotExist, ResourceChangeTransactionDoesNotExist (TransactionAlreadyCompleted), ComponentDoesNotExist, TransactionMismatch, FenceRejected.
   */
  completeResourceChange(
    stateUuid: string, componentName: string, diff: ResourceDifference, transactionToken: string, cloudOutput: CloudOutput,
    resolvedCloudInformation?: Readonly<Record<string, unknown>>, ctx?: RequestContext,
  ): Promise<void>
  /** The change failed; the component stays as it was. Fails ResourceStateDoesNotExist, ResourceChangeTransactionDoesNotExist, ComponentDoesNotExist, TransactionMismatch. */
  failResourceChange(stateUuid: string, componentName: string, diff: ResourceDifference, transactionToken: string, failedState: unknown, ctx?: RequestContext): Promise<void>

  /** Makes (CREATE) or removes (DELETE) a reference. Made twice is made once. Fails ResourceStateDoesNotExist, ComponentDoesNotExist (the originating one), ResourceReferenceError, PermissionDenied. */
  resolveReferenceChange(stateUuid: string, diff: ResourceReferenceDifference, ctx?: RequestContext): Promise<void>

  /** Puts another failed state in the place of the recorded one. Fails ResourceStateDoesNotExist, ResourceChangeTransactionDoesNotExist (unknown or open). */
  changeFailedStateOfResourceChange(stateUuid: string, transactionToken: string, newFailedState: unknown, ctx?: RequestContext): Promise<void>
  /**
   * Ends a failed or unknown change: the resource is as before (default), or as it was to become.
   * Fails ResourceStateDoesNotExist, ComponentDoesNotExist, ResourceChangeTransactionDoesNotExist, OutputsRequired; the record stays then.
   */
  recoverFailedResourceChange(stateUuid: string, transactionToken: string, toPreviousState?: boolean, cloudOutput?: CloudOutput, ctx?: RequestContext): Promise<void>
  /** Forgets a failed or unknown change; what it left in the cloud is nobody's. Fails ResourceStateDoesNotExist, ResourceChangeTransactionDoesNotExist. */
  removeFailedResourceChange(stateUuid: string, transactionToken: string, ctx?: RequestContext): Promise<void>

  /** Fails ResourceStateDoesNotExist, ComponentDoesNotExist, ResourceDoesNotExist; so do the next two. */
  getResourceByName(stateUuid: string, componentName: string, resourceType: string, resourceName: string, ctx?: RequestContext): Promise<ResourceModel>
  /** The first by name where several have the hash. */
  getResourceByHash(stateUuid: string, componentName: string, resourceType: string, resourceHash: string, ctx?: RequestContext): Promise<ResourceModel>
  /** All that carry the tag (`key` or `key=value`), by name. */
  getResourcesByTag(stateUuid: string, componentName: string, resourceType: string, resourceTag: string, ctx?: RequestContext): Promise<ResourceModel[]>
  /** As getResourcesByTag, and an empty list where nothing carries the tag. */
  listResourcesByTag(stateUuid: string, componentName: string, resourceType: string, resourceTag: string, ctx?: RequestContext): Promise<ResourceModel[]>

  /**
   * One value, or what `transform` makes of it; what that throws passes through.
   * Fails ResourceStateDoesNotExist, ComponentDoesNotExist, ResourceDoesNotExist, CloudOutputDoesNotExist, KeyNotInCloudOutput, PermissionDenied (a secret).
   */
  getCloudOutputValueByName(stateUuid: string, componentName: string, resourceType: string, resourceName: string, key: string, transform?: (value: any) => unknown, ctx?: RequestContext): Promise<any>
  /** All values; secrets as `{ secret: true }` unless `ctx.reveal`. Fails ResourceStateDoesNotExist, ComponentDoesNotExist, ResourceDoesNotExist, CloudOutputDoesNotExist. */
  getCloudOutputByName(stateUuid: string, componentName: string, resourceType: string, resourceName: string, ctx?: RequestContext): Promise<CloudOutput>
  /** The second argument is the component's name; its uuid is understood, too. */
  getCloudOutputValueByHash(stateUuid: string, componentNameOrUuid: string, resourceType: string, resourceHash: string, key: string, transform?: (value: any) => unknown, ctx?: RequestContext): Promise<any>
  getCloudOutputByHash(stateUuid: string, componentNameOrUuid: string, resourceType: string, resourceHash: string, ctx?: RequestContext): Promise<CloudOutput>

  /**
   * What has to change so that the named components become the new ones. Reads only.
   * Fails ResourceStateDoesNotExist, ComponentDoesNotExist (an unknown old name), DuplicateComponentName, DuplicateResourceName, UnknownReferenceTarget,
   * ReferenceToDeletedResource, DependencyCycle.
   */
  createDifferences(stateUuid: string, newComponents: readonly NewComponent[], oldComponents: readonly string[], ctx?: RequestContext): Promise<Differences>

  /** Change transactions, oldest first. Without a filter those that are not settled. */
  listChanges(filter?: ChangeFilter, ctx?: RequestContext): Promise<ChangeRecord[]>

  /** Lets the store go. Open changes stay open; they can be completed after the store was opened again. */
  close(): Promise<void>
}

/** Names of the methods of a {@link Backend}: what `loadBackend` looks for. */
export const backendMethods = [
  'open', 'createResourceState', 'deleteResourceState', 'getResourceState', 'getTopLevelResourceStates', 'getComponent', 'updateComponent', 'getComponentUuid',
  'createResourceChangeTransaction', 'completeResourceChange', 'failResourceChange', 'resolveReferenceChange', 'changeFailedStateOfResourceChange', 'recoverFailedResourceChange',
  'removeFailedResourceChange', 'getResourceByName', 'getResourceByHash', 'getResourcesByTag', 'listResourcesByTag', 'getCloudOutputValueByName', 'getCloudOutputByName',
  'getCloudOutputValueByHash', 'getCloudOutputByHash', 'createDifferences', 'listChanges', 'close',
] as const satisfies readonly (keyof Backend)[]

const lacks = (method: string): Promise<never> => Promise.reject(new NotImplemented(`This backend does not have ${method}.`))

/**
 * What a backend extends. A method that it leaves out rejects with NotImplemented; none is silent. It cannot be constructed itself.
 */
export abstract class AbstractBackend implements Backend {
  static readonly [BACKEND_BRAND] = true
  readonly contractVersion: number = CONTRACT_VERSION
  abstract readonly capabilities: BackendCapabilities

  constructor() {
    if (new.target === AbstractBackend) throw new NotImplemented('AbstractBackend is what a backend extends; it is none itself.')
  }

  open(): Promise<void> { return Promise.resolve() }
  close(): Promise<void> { return Promise.resolve() }
  createResourceState(_name: string, _parent?: string | null, _ctx?: RequestContext): Promise<string> { return lacks('createResourceState') }
  deleteResourceState(_state: string, _ctx?: RequestContext): Promise<void> { return lacks('deleteResourceState') }
  getResourceState(_state: string, _ctx?: RequestContext): Promise<ResourceState> { return lacks('getResourceState') }
  getTopLevelResourceStates(_ctx?: RequestContext): Promise<ResourceState[]> { return lacks('getTopLevelResourceStates') }
  getComponent(_state: string, _component: string, _ctx?: RequestContext): Promise<ComponentModel> { return lacks('getComponent') }
  updateComponent(_state: string, _diff: ComponentDifference, _ctx?: RequestContext): Promise<void> { return lacks('updateComponent') }
  getComponentUuid(_state: string, _component: string, _ctx?: RequestContext): Promise<string> { return lacks('getComponentUuid') }
  createResourceChangeTransaction(_state: string, _component: string, _diff: ResourceDifference, _ctx?: RequestContext): Promise<[string, string]> { return lacks('createResourceChangeTransaction') }
  completeResourceChange(_state: string, _component: string, _diff: ResourceDifference, _token: string, _output: CloudOutput, _resolved?: Readonly<Record<string, unknown>>, _ctx?: RequestContext): Promise<void> { return lacks('completeResourceChange') }
  failResourceChange(_state: string, _component: string, _diff: ResourceDifference, _token: string, _failedState: unknown, _ctx?: RequestContext): Promise<void> { return lacks('failResourceChange') }
  resolveReferenceChange(_state: string, _diff: ResourceReferenceDifference, _ctx?: RequestContext): Promise<void> { return lacks('resolveReferenceChange') }
  changeFailedStateOfResourceChange(_state: string, _token: string, _failedState: unknown, _ctx?: RequestContext): Promise<void> { return lacks('changeFailedStateOfResourceChange') }
  recoverFailedResourceChange(_state: string, _token: string, _toPreviousState?: boolean, _output?: CloudOutput, _ctx?: RequestContext): Promise<void> { return lacks('recoverFailedResourceChange') }
  removeFailedResourceChange(_state: string, _token: string, _ctx?: RequestContext): Promise<void> { return lacks('removeFailedResourceChange') }
  getResourceByName(_state: string, _component: string, _type: string, _name: string, _ctx?: RequestContext): Promise<ResourceModel> { return lacks('getResourceByName') }
  getResourceByHash(_state: string, _component: string, _type: string, _hash: string, _ctx?: RequestContext): Promise<ResourceModel> { return lacks('getResourceByHash') }
  getResourcesByTag(_state: string, _component: string, _type: string, _tag: string, _ctx?: RequestContext): Promise<ResourceModel[]> { return lacks('getResourcesByTag') }
  listResourcesByTag(_state: string, _component: string, _type: string, _tag: string, _ctx?: RequestContext): Promise<ResourceModel[]> { return lacks('listResourcesByTag') }
  getCloudOutputValueByName(_state: string, _component: string, _type: string, _name: string, _key: string, _transform?: (value: any) => unknown, _ctx?: RequestContext): Promise<any> { return lacks('getCloudOutputValueByName') }
  getCloudOutputByName(_state: string, _component: string, _type: string, _name: string, _ctx?: RequestContext): Promise<CloudOutput> { return lacks('getCloudOutputByName') }
  getCloudOutputValueByHash(_state: string, _component: string, _type: string, _hash: string, _key: string, _transform?: (value: any) => unknown, _ctx?: RequestContext): Promise<any> { return lacks('getCloudOutputValueByHash') }
  getCloudOutputByHash(_state: string, _component: string, _type: string, _hash: string, _ctx?: RequestContext): Promise<CloudOutput> { return lacks('getCloudOutputByHash') }
  createDifferences(_state: string, _new: readonly NewComponent[], _old: readonly string[], _ctx?: RequestContext): Promise<Differences> { return lacks('createDifferences') }
  listChanges(_filter?: ChangeFilter, _ctx?: RequestContext): Promise<ChangeRecord[]> { return lacks('listChanges') }
}
