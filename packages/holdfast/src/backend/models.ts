import { InvalidArgument } from './errors.ts'

/** The models of the founding contract, as plain objects. What is read from a backend is a copy: changing it changes nothing. */

/** One resource of a component. Whatever stands beside the named fields is its desired configuration. */
export interface ResourceModel {
  /** Unique in its component together with `ruuid`. No slash. */
  readonly name: string
  /** The type: `organization::package::resource`, or the name of a Holdfast type (`local.File`). */
  readonly ruuid: string
  /** Identity of everything that should trigger a new deployment; never depends on the name. */
  readonly hash: string
  readonly [attribute: string]: unknown
}

/** A resource that look-ups by tag can find. */
export interface TaggableResourceModel extends ResourceModel {
  readonly tags: Readonly<Record<string, string>>
}

/** A resource of another component that a component uses. */
export interface ResourceReferenceModel {
  /** The component that has the resource. */
  readonly componentName: string
  readonly ruuid: string
  readonly name: string
  /** The component is one of the parent state. Default false. */
  readonly isInParentResourceState?: boolean
}

/** Outputs of one resource: one value per key. A secret that may not be seen stands as `{ secret: true }`. */
export type CloudOutput = Readonly<Record<string, unknown>>

export interface ComponentModel {
  readonly name: string
  /** Identity of the content: resources and references, not their names. `'0'`: empty. Computed by the backend, never taken over. */
  readonly hash: string
  readonly resources: readonly ResourceModel[]
  readonly references: readonly ResourceReferenceModel[]
  /** By `ruuid;name`. */
  readonly cloudOutput: Readonly<Record<string, CloudOutput>>
  /** By `ruuid;name` of the consumer, then `ruuid;name;key` of the producer: what was read to deploy it, as it was then. */
  readonly previousResolvedCloudValues: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** By `ruuid;name`: how many components refer to the resource. Counted when asked; a resource that nobody refers to is absent. */
  readonly externalReferences: Readonly<Record<string, { readonly cnt: number }>>
}

/** What a program asks of a component. The outputs and counters of a {@link ComponentModel} are the backend's business. */
export interface NewComponent {
  readonly name: string
  /** Not trusted: the content is what counts. */
  readonly hash?: string
  readonly resources: readonly ResourceModel[]
  readonly references?: readonly ResourceReferenceModel[]
  /** Names that the component had before. */
  readonly aliases?: readonly string[]
}

/** A namespace: what an environment is deployed into. */
export interface ResourceState {
  /** Unique under its parent. The environment `prod` of the app `shop` is the state `shop/prod`. */
  readonly name: string
  readonly uuid: string
  /** By name. */
  readonly components: readonly ComponentModel[]
  readonly componentNameToUuid: Readonly<Record<string, string>>
  readonly parentUuid: string | null
  readonly children: readonly string[]
  /** Open transactions, by token. */
  readonly resourceChanges: Readonly<Record<string, OpenResourceChange>>
  /** Transactions that failed, or whose outcome is unknown, by token. */
  readonly failedChanges: Readonly<Record<string, FailedResourceChange>>
  /** Commit number of the state: it grows with everything that is written (`expectedRevision`). */
  readonly revision: number
}

export interface OpenResourceChange {
  readonly componentName: string
  readonly diff: ResourceDifference
  /** Who opened it. */
  readonly owner: string
  /** ISO 8601, UTC. */
  readonly openedAt: string
  /** The process that opened it is known to be gone: the outcome has to be recovered. */
  readonly ownerGone: boolean
}

export interface FailedResourceChange {
  readonly componentName: string
  readonly diff: ResourceDifference
  /** As it was given when the change failed, or was amended. */
  readonly failedState: unknown
  /** `unknown`: nobody has said whether the change happened. */
  readonly outcome: 'failed' | 'unknown'
  readonly owner: string
  readonly openedAt: string
}

/** A change transaction in the list of {@link Backend.listChanges}. */
export interface ChangeRecord {
  readonly transactionToken: string
  readonly stateUuid: string
  readonly componentName: string
  readonly diff: ResourceDifference
  readonly status: ChangeStatus
  readonly failedState: unknown
  readonly owner: string
  readonly openedAt: string
  readonly endedAt: string | null
  readonly evidence: string | null
  /** With `open`: the process that opened it is known to be gone. */
  readonly ownerGone: boolean
}
export type ChangeStatus = 'open' | 'failed' | 'unknown' | 'completed' | 'abandoned'

export type ComponentActionType = 'CREATE' | 'UPDATE_IDENTITY' | 'UPDATE_NAME' | 'DELETE'
export type ResourceActionType = 'CREATE' | 'UPDATE_IDENTITY' | 'UPDATE_NAME' | 'DELETE'
export type ReferenceActionType = 'CREATE' | 'DELETE'

export interface ComponentDifference {
  readonly actionType: ComponentActionType
  /** Absent only with CREATE. */
  readonly previousName?: string
  /** Absent only with DELETE. */
  readonly newName?: string
  /** The caller may not make this change, and why: only in what createDifferences gives. */
  readonly denied?: string
}

export interface ResourceDifference {
  readonly actionType: ResourceActionType
  /** The new name, where the component is renamed in the same plan. */
  readonly componentName: string
  /** Absent only with CREATE. */
  readonly previousResource?: ResourceModel
  /** Absent only with DELETE. */
  readonly newResource?: ResourceModel
  /** The caller may not make this change, and why: only in what createDifferences gives. */
  readonly denied?: string
}

export interface ResourceReferenceDifference {
  readonly actionType: ReferenceActionType
  readonly originatingComponentName: string
  readonly resourceReference: ResourceReferenceModel
  /** The caller may not make this change, and why: only in what createDifferences gives. */
  readonly denied?: string
}

/** What a component lets others refer to (who: names of states, `*` for any; resources: `ruuid;name` with `*` as a wildcard). */
export interface ComponentExport {
  readonly resources: string
  readonly to?: string
}

/** `ruuid;name`: the key of a resource in the maps of a component. Fails InvalidArgument. */
export function resourceKey(resource: { readonly ruuid: string; readonly name: string }): string {
  if (typeof resource?.ruuid !== 'string' || typeof resource.name !== 'string') throw new InvalidArgument('resourceKey: resource must be an object with the texts ruuid and name.')
  return `${resource.ruuid};${resource.name}`
}

/** Something that happened to a state. `n`: its place among what one commit did. */
export interface StateEvent {
  readonly revision: number
  readonly n: number
  readonly at: string
  readonly kind: string
  /** Secrets are not in it. */
  readonly data: Readonly<Record<string, unknown>>
}
