import type { CallOp, HookPoint } from '../../src/model/index.ts'
import type { KindName } from './kinds.ts'
import type { FaultName } from './world.ts'

/**
 * One case of the fuzzer, as plain data: it can be written down, made smaller, and run again.
 * Programs are written out whole; an operation names the one that it applies.
 */
export interface FuzzCase {
  readonly seed: number
  readonly parallelism: number
  /** Where the truth is kept. */
  readonly store: 'memory' | 'sqlite'
  /** Each call takes up to so many turns. */
  readonly turnsMax: number
  /** Objects that somebody else has made before anything begins. */
  readonly exists?: readonly { readonly id: string; readonly kind: KindName; readonly name: string; readonly size: number; readonly zone: string }[]
  readonly programs: readonly Program[]
  readonly ops: readonly Op[]
  /** Program to converge on when nothing goes wrong any more; `destroyed` at the very end or not. */
  readonly last: number
  readonly destroyed: boolean
}

export type Program = readonly NodeSpec[]

/** One node as an author would write it. */
export interface NodeSpec {
  readonly address: string
  readonly kind: KindName
  readonly name: string
  readonly size: number
  readonly zone: string
  /** A thing that only one node can have at a time (a claim). */
  readonly slot?: number
  /** Addresses whose ids it carries. */
  readonly refs?: readonly string[]
  /** Address whose size it carries: not known before that node is made or changed. */
  readonly sizeOf?: string
  readonly dependsOn?: readonly string[]
  readonly protect?: true
  readonly retain?: true
  readonly retries?: number
  readonly tag?: string
  /** Seconds until another object is to take its place. */
  readonly ttl?: number
  readonly movedFrom?: readonly string[]
  /** The world refuses it. */
  readonly fail?: true
  /** Inputs by name, or `*`. */
  readonly ignore?: readonly string[]
  readonly replaceOn?: readonly string[]
  /** Addresses. */
  readonly replaceWith?: readonly string[]
  readonly deleteFirst?: boolean
  /** Value of `replaceWhen`; or the address of a node whose size, or else whose id, it is. */
  readonly when?: number
  readonly whenOf?: string
  /** Address of what it lies in: its object goes with that one. */
  readonly deletedWith?: string
  /** Id of the object that it takes over. */
  readonly adopt?: string
  /** Points at which a hook runs; its name is that of the point. */
  readonly hooks?: readonly HookPoint[]
  /** Deadlines of its calls. */
  readonly timeouts?: { readonly [K in CallOp]?: number }
}

/** What goes wrong with the n-th call of one kind for one thing. */
export interface Fault {
  readonly call: 'create' | 'update' | 'delete' | 'read' | 'hook'
  readonly name: string
  readonly what: FaultName
}

interface Around {
  /** Time that passes before it begins. */
  readonly waitMs?: number
  readonly faults?: readonly Fault[]
  /** The process ends around its n-th commit: it dies, the disk is full from then on, or somebody interrupts it once or twice. */
  readonly end?: { readonly how: 'dies' | 'full' | 'stop' | 'abort'; readonly commit: number; readonly phase: 'before' | 'after' }
  /** Somebody else changed the world before: objects by name. */
  readonly drift?: readonly { readonly name: string; readonly what: 'gone' | 'changed' }[]
  /** A person settles what only a person can, before anything else: says what is there, or has it sent again where that does no harm. */
  readonly person?: boolean | 'retry'
}
interface Restricted {
  readonly targets?: readonly string[]
  readonly excludes?: readonly string[]
  readonly targetDependents?: true
  readonly excludeDependents?: true
}
interface Narrowed extends Restricted {
  readonly onFailure: 'revert' | 'keep' | 'continue'
}
interface Applies extends Around, Narrowed {
  readonly program: number
  readonly replace?: readonly string[]
  readonly unprotect?: readonly string[]
  /** The world is recorded as it is, before anything is planned. */
  readonly refresh?: true
  /** The plan of these words that was stored before is carried out, where there is one. */
  readonly stored?: true
}

/** One command, and what goes wrong around it. */
export type Op =
  | (Applies & { readonly kind: 'apply' })
  | (Applies & { readonly kind: 'repair' })
  | (Around & Narrowed & { readonly kind: 'destroy' })
  | (Around & { readonly kind: 'revert' })
  | (Around & { readonly kind: 'resume' })
  | (Around & Restricted & { readonly kind: 'refresh' })
  | (Around & { readonly kind: 'taint'; readonly addresses: readonly string[]; readonly off?: true })
  /** A plan is made and stored; nothing is held meanwhile. */
  | (Around & Restricted & Pick<Applies, 'program' | 'replace'> & { readonly kind: 'plan' })
  /** A node is given up; a person takes its object away. */
  | (Around & { readonly kind: 'forget'; readonly address: string })

/** A rule that did not hold. Letters are those of spec/engine.md 3.13. */
export interface Violation {
  readonly rule: string
  readonly message: string
}

export interface CaseResult {
  readonly seed: number
  readonly violation: Violation | undefined
  readonly ops: number
  readonly calls: number
  readonly commits: number
  readonly digest: string
  readonly trace: readonly string[] | undefined
  /** How often each kind of end was reached, by exit code. */
  readonly codes: Readonly<Record<string, number>>
}
