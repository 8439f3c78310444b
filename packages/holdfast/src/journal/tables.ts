import type {
  ChainRow, ClaimRow, ComponentRow, EnvRow, EventRow, LeaseRow, OutputsRow, PlanRow, ReferenceRow, RequestRow, ResolvedRow, ResourceDocs, ResourceRow, RunRow, SecretRow, StoreMeta, TaskRow, TicketRow, TrashRow, TxRow,
} from '../state/index.ts'

/** A resource row with its documents. */
export interface StoredResource {
  readonly row: ResourceRow
  readonly docs: ResourceDocs
}

/**
 * Everything a store keeps, in memory. Rows are never changed in place: a change puts a new row, so what was read stays as it was.
 * The maps under "indexes" say nothing of their own; `fold` keeps them equal to the rows, so that no entry costs more than what it changes.
 */
export interface Tables {
  meta: StoreMeta
  fenceSeq: number
  readonly envs: Map<string, EnvRow>
  readonly runs: Map<string, RunRow>
  readonly plans: Map<string, PlanRow>
  /** By uid, then `since`. */
  readonly resources: Map<string, Map<number, StoredResource>>
  readonly claims: Map<string, ClaimRow>
  readonly txs: Map<string, TxRow>
  /** By run, then id. */
  readonly tasks: Map<string, Map<string, TaskRow>>
  /** By environment, then `since`. */
  readonly outputs: Map<string, Map<number, OutputsRow>>
  /** By environment, then name. */
  readonly secrets: Map<string, Map<string, SecretRow>>
  readonly trash: Map<string, TrashRow>
  /** By environment, in order of (seq, n). */
  readonly events: Map<string, EventRow[]>
  readonly chains: Map<string, ChainRow>
  /** By scope; those that others may share by `scope fence` ({@link leaseKey}). */
  readonly leases: Map<string, LeaseRow>
  readonly tickets: Map<number, TicketRow>

  /** By uid. */
  readonly components: Map<string, ComponentRow>
  /** By {@link referenceKey}. */
  readonly references: Map<string, ReferenceRow>
  /** By uid of the resource. */
  readonly resolved: Map<string, ResolvedRow>
  /** By scope and id, oldest first. */
  readonly requests: Map<string, RequestRow>

  // indexes
  /** Environment -> what a row is found by ({@link lookupKeys}) -> `since uid` keys. */
  readonly lookup: Map<string, Map<string, Set<string>>>
  /** Environment -> name -> uid of the component. */
  readonly componentAt: Map<string, Map<string, string>>
  /** uid of a target -> keys of the references to it. */
  readonly referencesTo: Map<string, Set<string>>
  /** Environment -> uids that have rows. */
  readonly uidsOf: Map<string, Set<string>>
  /** Environment -> `since` -> uids; environment -> `until` -> `uid since` keys. */
  readonly bySince: Map<string, Map<number, Set<string>>>
  readonly byUntil: Map<string, Map<number, Set<string>>>
  /** uid -> token of its one unresolved transaction. */
  readonly unresolvedOf: Map<string, string>
  readonly claimsOfUid: Map<string, Set<string>>
  /** Environment -> keys of claims that have an `until`. */
  readonly leavingClaims: Map<string, Set<string>>
}

export const emptyTables = (meta: StoreMeta = { storeId: '', schema: 0, createdAt: 0, keyCheck: undefined }): Tables => ({
  meta, fenceSeq: 0,
  envs: new Map(), runs: new Map(), plans: new Map(), resources: new Map(), claims: new Map(), txs: new Map(), tasks: new Map(), outputs: new Map(),
  secrets: new Map(), trash: new Map(), events: new Map(), chains: new Map(), leases: new Map(), tickets: new Map(),
  components: new Map(), references: new Map(), resolved: new Map(), requests: new Map(), lookup: new Map(), componentAt: new Map(), referencesTo: new Map(),
  uidsOf: new Map(), bySince: new Map(), byUntil: new Map(), unresolvedOf: new Map(), claimsOfUid: new Map(), leavingClaims: new Map(),
})

/** An exclusive lease is the only one of its scope. */
export const leaseKey = (l: Pick<LeaseRow, 'scope' | 'mode' | 'fence'>): string => (l.mode === 'X' ? l.scope : `${l.scope} ${l.fence}`)

/** The map or set under a key, made when it is first asked for. */
export function under<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let v = map.get(key)
  if (v === undefined) map.set(key, (v = make()))
  return v
}

export const referenceKey = (r: Pick<ReferenceRow, 'env' | 'component' | 'targetUid'>): string => `${r.env} ${r.component} ${r.targetUid}`

/** The path before the last segment of an address, `.` where there is none. */
export const componentOf = (address: string): string => (address.includes('/') ? address.slice(0, address.lastIndexOf('/')) : '.')

/** What a resource row can be found by: `@address`, `/component`, `#fingerprint`, `=tag`, `=tag=value`. */
export function lookupKeys(row: Pick<ResourceRow, 'address' | 'fingerprint' | 'meta'>): string[] {
  const keys = [`@${row.address}`, `/${componentOf(row.address)}`, `#${row.fingerprint}`]
  for (const [k, v] of Object.entries(row.meta.tags)) keys.push(`=${k}`, `=${k}=${v}`)
  return keys
}

/** Answers to requests are kept for 7 days; so many of the oldest are looked at with each new one. */
export const REQUEST_KEPT_MS = 7 * 86_400_000
export const REQUESTS_SWEPT = 8
/** App of a state that was deleted. */
export const GONE = '/gone'
