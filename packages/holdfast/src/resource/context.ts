import type { Clock, Ids, Random } from '../base/index.ts'
import type { Address, Value } from '../model/index.ts'
import type { Host, TypeRegistry } from '../provider/index.ts'
import type { HookFunction, Policy } from '../program/index.ts'
import type { Keyring, Redactor } from '../secret/index.ts'
import type { EnvRow, Holder } from '../state/index.ts'
import type { Spool, Store } from '../store/index.ts'

/** One thing that happened, for screens and for `--events` (spec/api-cli.md 4.3). Redacted by who emits it. */
export interface EngineEvent {
  readonly type: EventType
  readonly run?: string
  readonly node?: Address
  readonly op?: string
  readonly attempt?: number
  readonly ms?: number
  readonly tx?: string
  readonly message?: string
  readonly data?: Readonly<Record<string, unknown>>
}
export type EventType =
  | 'run.started' | 'run.planned' | 'run.phase' | 'run.committed' | 'run.finished'
  | 'task.started' | 'task.progress' | 'task.partial' | 'task.succeeded' | 'task.failed' | 'task.retrying' | 'task.skipped' | 'task.unknown'
  | 'task.reverting' | 'task.reverted' | 'task.revertFailed'
  | 'lock.waiting' | 'lock.acquired' | 'lock.lost' | 'drift.found' | 'log'

/** Everything the engine may touch. One object, so that a simulator can stand in for the whole outside (spec/reliability.md 2.1). */
export interface EngineContext {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly ids: Ids
  readonly types: TypeRegistry
  /** The environment that is worked on. Created in the store by the first command that writes. */
  readonly env: EnvRow
  readonly host: Host
  /** Undefined: there is no key. What needs one fails HF4301. */
  readonly ring: Keyring | undefined
  readonly redactor: Redactor
  readonly holder: Holder
  readonly emit: (event: EngineEvent) => void
  /** Assets by path as they are now: `{ path, digest, ... }` (decisions 12.1). */
  readonly asset: (path: string, ignore: readonly string[]) => Value
  /** Which files of an asset tree differ between two digests, where both are known. */
  readonly assetChanges?: (before: string, after: string) => { readonly changed: readonly string[]; readonly total: number } | undefined
  /** Bytes of every asset a new revision names are kept before the run touches anything. */
  readonly keepAssets: (digests: readonly { readonly path: string; readonly digest: string }[]) => Promise<void>
  /** Bytes that no live row names any more go; `live`: digests. */
  readonly pruneAssets?: (live: ReadonlySet<string>) => void
  /** The hooks of the program, by name. */
  readonly hook?: (name: string) => HookFunction | undefined
  /** Rules about every plan. */
  readonly policies?: readonly Policy[]
  /** Who is at work: whose plans and approvals these are. */
  readonly user?: string
  /** Only a plan that was approved is applied. */
  readonly approval?: 'required'
  /** Keeps the outcome of a call when the store cannot take it. */
  readonly spool?: Spool
  readonly parallelism: number
  /** One task at a time, each transaction its own commit: for kill matrices. */
  readonly serial: boolean
}

