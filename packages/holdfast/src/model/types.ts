import type { Millis } from '../base/index.ts'
import type { ExprNode } from './expr.ts'

/** `component/.../name`: the name path of a thing in a program. */
export type Address = string

/** How a lost answer can be settled (contract.md 2, spec/backend.md 12.2). */
export interface Capability {
  readonly create?: CreateCapability | 'none'
  /** `full`: sending an update again is harmless. */
  readonly update?: 'full' | 'patch'
  /** How long a change may take until reads show it. */
  readonly settleMs?: Millis
  /** How long a lost call may still land; 0 when the call dies with the process. Never a deadline. */
  readonly maxCallMs?: Millis
}
/**
 * What finds out whether a lost create happened. A type may have several: a token is asked while it is honoured, then the name, then the search.
 * `token`  equal key, equal object, for that long.
 * `name`   the inputs name the object uniquely; `read` finds it.
 * `find`   `find` searches for the mark that the object carries from the moment it exists.
 */
export type CreateCapability =
  | { readonly token: { readonly windowMs: Millis }; readonly name?: true; readonly find?: true }
  | { readonly name: true; readonly find?: true }
  | { readonly find: true }

/** Class of a step: A token, B name, C find, D a person, U harmless to repeat. */
export type RecoveryClass = 'A' | 'B' | 'C' | 'D' | 'U'

/** What tells that an object is ours. Never changes in the life of an object (decisions 3). */
export interface Mark {
  readonly store: string
  readonly uid: string
  readonly ordinal: number
}

export type Step = 'create' | 'update' | 'delete' | 'read' | 'replace'

/** What may be said about a node beside its inputs. */
export interface NodeOptions {
  /** Refuses delete and replace. */
  readonly protect?: boolean
  /** Forgotten, not deleted, when it leaves the program; the old object of a replacement, too. */
  readonly retain?: boolean
  /** Earlier addresses of the node, most recent first. */
  readonly movedFrom?: readonly Address[]
  readonly dependsOn?: readonly { readonly $path: string }[]
  readonly tags?: Readonly<Record<string, string>>
  /** `30s`, `5m`: after it the outcome of a call is unknown. One for every call, or one for each kind. */
  readonly timeout?: string | { readonly [K in CallOp]?: string }
  /** Repeats of a rejected call. */
  readonly retries?: number
  /**
   * Id of an object that exists: it is taken over instead of made, by the type's `read`, and brought to the inputs in the same run. A run that is
   * taken back gives it up; a later removal of the node deletes it, like any other.
   */
  readonly adopt?: string
  /** What runs before and after the steps of the node: values that `hook()` gave. */
  readonly hooks?: { readonly [K in HookPoint]?: { readonly $hook: string } }
  /** Inputs that are left as they stand: `size`, `labels.team`, `rules[0].port`, `rules[*].port`, `labels["a.b"]`, `*`. */
  readonly ignore?: readonly string[]
  /** Inputs whose change needs a new object, beside those of the type; paths as in `ignore`. */
  readonly replaceOn?: readonly string[]
  /** A value or a reference; another value than the last time makes a new object. */
  readonly replaceWhen?: unknown
  /** Made anew whenever one of these nodes is. */
  readonly replaceWith?: readonly { readonly $path: string }[]
  /** Its object goes when the object of that node is deleted: then it has no delete call of its own. It is made anew whenever that node is. */
  readonly deletedWith?: { readonly $path: string }
  /** Whether the old object of a replacement goes before the new one comes, whatever the type says. */
  readonly deleteFirst?: boolean
}

/** What a provider is called for. */
export type CallOp = 'create' | 'update' | 'delete' | 'read'
export const callOps = ['create', 'update', 'delete', 'read'] as const satisfies readonly CallOp[]

/** When a hook runs. */
export type HookPoint = 'beforeCreate' | 'afterCreate' | 'beforeUpdate' | 'afterUpdate' | 'beforeDelete' | 'afterDelete' | 'onError'
export const hookPoints = ['beforeCreate', 'afterCreate', 'beforeUpdate', 'afterUpdate', 'beforeDelete', 'afterDelete', 'onError'] as const satisfies readonly HookPoint[]
/** Names of hooks; the functions stay in the program. */
export type HookNames = { readonly [K in HookPoint]?: string }

/** The options as the graph carries them. */
export interface ResolvedOptions {
  readonly protect: boolean
  readonly retain: boolean
  readonly movedFrom: readonly Address[]
  readonly tags: Readonly<Record<string, string>>
  readonly timeoutMs: Millis | undefined
  readonly retries: number | undefined
  /** Deadlines of single kinds of calls, over `timeoutMs`. */
  readonly timeouts?: { readonly [K in CallOp]?: Millis }
  readonly adopt?: string
  readonly hooks?: HookNames
  // What few nodes have is absent, so that the others cost nothing.
  readonly ignore?: readonly string[]
  readonly replaceOn?: readonly string[]
  readonly replaceWhen?: ExprNode
  readonly replaceWith?: readonly Address[]
  readonly deletedWith?: Address
  readonly deleteFirst?: boolean
}

export const noOptions: ResolvedOptions = Object.freeze({ protect: false, retain: false, movedFrom: [], tags: {}, timeoutMs: undefined, retries: undefined })
