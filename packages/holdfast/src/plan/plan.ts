import type { EpochMs, Site } from '../base/index.ts'
import type { Address, ExprNode, HookNames, ResolvedOptions } from '../model/index.ts'

export type ChangeAction = 'create' | 'update' | 'replace' | 'delete' | 'read' | 'move' | 'forget' | 'adopt' | 'maybe'

/** One place that differs, as it may be shown: secrets and unknowns are masked already. */
export interface PathChange {
  readonly path: string
  readonly before?: unknown
  readonly after?: unknown
  /** The value is secret: only that it changed is said. */
  readonly secret?: boolean
  /** For assets: the files that changed. */
  readonly files?: { readonly changed: readonly string[]; readonly total: number }
}

/** One change as a person reads it (contract.md 3). */
export interface ChangeDocument {
  readonly address: Address
  readonly type: string
  readonly action: ChangeAction
  /** In plain words: `moved from a`, `path forces a new object`. */
  readonly reasons: readonly string[]
  readonly replace?: 'create-first' | 'delete-first'
  readonly paths?: readonly PathChange[]
  /** How the type calls the change: `restart`, `reload`. */
  readonly verb?: string
  readonly irreversible?: boolean
  /** Taking it back gives the same content in a new object. */
  readonly identity?: 'new'
  /** A lost answer needs a person. */
  readonly recovery?: 'D'
  readonly protected?: boolean
  /** With `adopt`: the id of the object that is taken over, and whose it is, as far as its type can tell. */
  readonly adopts?: string
  readonly owner?: 'mine' | 'other' | 'unknown'
  /** Names of the hooks that will run, by when. */
  readonly hooks?: HookNames
  /** It is protected, and `--unprotect` lifted that for this plan. */
  readonly unprotected?: boolean
}

/** What a policy found (contract.md 3). */
export interface FindingDocument {
  readonly policy: string
  readonly level: 'deny' | 'warn'
  readonly message: string
  readonly address?: Address
}

/** One frozen change: what is shown, and all that is needed to carry it out without planning again. */
export interface PlannedChange {
  readonly doc: ChangeDocument
  /** `expand` makes, `contract` deletes after the commit. */
  readonly phase: 'expand' | 'contract'
  /** Row that stands for the node now. */
  readonly uid: string | undefined
  readonly inputs: ExprNode | undefined
  /** The program wrote something into an input that is secret: a stored plan holds `inputs` under seal. */
  readonly sealed?: boolean
  readonly deps: readonly Address[]
  readonly options: ResolvedOptions | undefined
  readonly site: Site | undefined
  readonly lookup: boolean
  /** Tasks that must have ended well before: nodes it depends on, objects that must go first. */
  readonly after: readonly string[]
  /** The object is gone from the world, or must be made anew in any case. */
  readonly force: 'none' | 'gone' | 'repair' | 'replace'
  /** The old object goes before the new one comes. */
  readonly deleteFirst: boolean
  /** With `deleteFirst`: deletions of what refers to the old object and goes, too; or of what takes it along. */
  readonly goneAfter?: readonly string[] | undefined
  /** With `deleteFirst`: the replacements that its old object goes for. It waits for `goneAfter` alone, and goes when one of them goes. */
  readonly pulledBy?: readonly Address[] | undefined
  /** Uids of rows whose objects go in the same call as the old object (`deletedWith`). */
  readonly takes?: readonly string[] | undefined
  /** Uids that the nodes had with which it is replaced, before the run. */
  readonly ties?: Readonly<Record<Address, string>> | undefined
  /** A deletion that was left over from an earlier run: another object than the one that the node has now. */
  readonly pending?: boolean | undefined
  /** The change may replace; a plan without this is never widened to a replacement. */
  readonly mayReplace: boolean
  /** What it takes on that the open run has taken from the base; absent when that is nothing. */
  readonly claims?: readonly string[]
  /** It cannot be carried out before a person has settled this transaction. */
  readonly blockedBy: string | undefined
  /**
   * An object is taken over instead of made. `other`: also when somebody else looks after it. `only`: it is not brought to the inputs.
   * `claims`: what it owned when it was looked at.
   */
  readonly adopt?: { readonly id: string; readonly other: boolean; readonly only: boolean; readonly claims: readonly string[] }
}

/** What state a plan was made on. It is refused when any of it has moved (spec/backend.md 11.4, reliability F4). */
export interface Vector {
  readonly revision: number
  readonly openRun: string | undefined
  /** Newest run of the environment, and how it stands. */
  readonly lastRun: string | undefined
  /** Digest over the declared secrets' fingerprints, the unsettled transactions and what is tainted. */
  readonly rest: string
}

export interface Plan {
  readonly v: 1
  readonly id: string
  readonly store: string
  readonly env: string
  readonly app: string
  readonly name: string
  readonly createdAt: EpochMs
  readonly destroy: boolean
  readonly vector: Vector
  readonly changes: readonly PlannedChange[]
  readonly unchanged: number
  /** Objects are taken over, and nothing else is done. */
  readonly adoptOnly?: boolean
  /** Nodes that do not change but stand between two that do: task id and what it waits for. */
  readonly through: readonly { readonly id: string; readonly after: readonly string[] }[]
  /** What build() returned; undefined for a destroy. */
  readonly outputs: ExprNode | undefined
  readonly outputsChanged: boolean
  /** Objects of earlier runs that are still to be deleted. */
  readonly pending: readonly { readonly uid: string; readonly address: Address }[]
  /** Uids of those that targets and excludes leave for later. */
  readonly later?: readonly string[]
  /** What policies warn of; a plan that one denies is never made. */
  readonly findings?: readonly FindingDocument[]
  /** The plan is restricted to some nodes (--target, --exclude). */
  readonly restricted?: {
    /** Nodes and rows that it does not touch. */
    readonly untouched: number
    /** Objects of earlier runs that are still to be deleted, and stay so. */
    readonly spared: readonly string[]
  }
  /** Names of the declared secrets that were set when it was made. */
  readonly secrets?: readonly string[]
  /** Nodes and components whose protection is lifted for this plan. */
  readonly unprotect?: readonly Address[]
}

/** Nothing to do: no change, no output, no pending delete. */
export const isEmpty = (p: Plan): boolean => p.changes.length === 0 && !p.outputsChanged && p.pending.length === 0

export function summarise(p: Plan): Record<string, number> {
  const out: Record<string, number> = {}
  for (const c of p.changes) out[c.doc.action] = (out[c.doc.action] ?? 0) + 1
  out.unchanged = p.unchanged
  return out
}

export const deleteTask = (address: Address): string => `${address}#delete`

/** An address may have an object that stands and several that are still to be deleted: those are told apart by their uid. */
export const pendingTask = (address: Address, uid: string): string => `${address}~${uid}#delete`

/** The task in which an object goes before the commit. */
export const goneTask = (c: Pick<PlannedChange, 'doc' | 'pending' | 'uid'>): string => (c.pending ? pendingTask(c.doc.address, c.uid as string) : deleteTask(c.doc.address))

/** What the deletion of the old object of a replacement waits for. */
export const goneTaskAfter = (c: Pick<PlannedChange, 'after' | 'goneAfter' | 'pulledBy'>): readonly string[] =>
  c.pulledBy ? c.goneAfter ?? [] : [...c.after.filter((a) => !a.endsWith('#delete')), ...(c.goneAfter ?? [])]
