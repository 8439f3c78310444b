import type { Millis } from '../../src/base/index.ts'
import type { OnFailure } from '../../src/engine/index.ts'
import type { KindName, Times } from './kinds.ts'
import type { Program } from './workload.ts'

/**
 * One life of an environment as data: what is asked of the engine, by whom, and what goes wrong. A seed draws one; a trace test holds one. The same
 * scenario gives the same history.
 */
export interface Scenario {
  /** Names the draws that are no part of the story: how long a message takes, which ids are given. */
  readonly seed: number
  readonly shape: string
  /** Nothing goes wrong: the order of things is checked, too. */
  readonly calm: boolean
  /** A process that dies is known to be dead by the next (the same host), or only its lease tells. */
  readonly sameHost: boolean
  readonly parallelism: number
  /** A look into the store takes time, so that another process can write between two looks. */
  readonly slowReads: boolean
  /** The key of the store does what it does for users; else something cheap stands in for it. */
  readonly realKey: boolean
  readonly secrets: boolean
  /** Name of an object of somebody else. */
  readonly foreign?: string | undefined
  readonly kinds: { readonly [k in KindName]: Times }
  readonly programs: { readonly [name: string]: Program }
  readonly steps: readonly Step[]
  /** What goes wrong with calls and commits: at these rates, */
  readonly rates?: Rates | undefined
  /** or exactly these. */
  readonly faults?: readonly Fault[] | undefined
}

export type Step = CommandStep | ConvergeStep

/** One command, begun by one process after the other until it has an outcome. */
export interface CommandStep {
  /** Its processes are called `name.1`, `name.2`; what begins beside them `name.1+`. */
  readonly name: string
  readonly command: Command
  readonly tries: readonly Try[]
}

/** Nothing goes wrong any more: few applies lead to what the program says, and then there is nothing to do. */
export interface ConvergeStep {
  readonly name: string
  /** Undefined: to nothing. */
  readonly to: string | undefined
  /** What the rest begins on: that nothing is left to do is not looked at. */
  readonly once?: boolean | undefined
}

export type Command =
  | { readonly do: 'apply'; readonly program: string; readonly onFailure: OnFailure; readonly part?: Part | undefined; readonly refresh?: true | undefined }
  | { readonly do: 'destroy'; readonly onFailure?: OnFailure | undefined }
  | { readonly do: 'revert' | 'resume' | 'refresh' }

/** What an apply is restricted to, and every address that belongs there in any program: nothing in it has to do with anything outside. */
export interface Part {
  readonly targets: readonly string[]
  readonly all: readonly string[]
}

/** One process that carries a command out, and what happens to it. */
export interface Try {
  readonly crash?: CrashPoint | undefined
  readonly killedAfterMs?: Millis | undefined
  readonly pause?: { readonly afterMs: Millis; readonly forMs: Millis } | undefined
  readonly stopAfterMs?: Millis | undefined
  readonly abortAfterMs?: Millis | undefined
  readonly lockTimeoutMs?: Millis | undefined
  /** A person looks after what only a person can settle. */
  readonly person?: boolean | undefined
  /** How long its operator waits for it. */
  readonly patienceMs: Millis
  /** How long its operator waits after its death, on another host. */
  readonly restMs: Millis
  readonly rival?: { readonly afterMs: Millis; readonly command: Command; readonly how: Try } | undefined
}

/**
 * Where a process dies: around its n-th commit, its n-th call of a provider, or the n-th thing of any kind that it waits for (a commit, a look into the
 * store, a call, a time).
 */
export interface CrashPoint {
  readonly at: 'commit' | 'call' | 'await'
  readonly n: number
  /** Before it becomes true, or after, before the answer. */
  readonly phase: 'before' | 'after'
}

export type CallFault = 'reject' | 'requestLost' | 'replyLost' | 'late' | 'partial'

/** What went wrong, by name: `change.1 create n3 #1` is the first call of that process that creates n3. */
export type Fault =
  | { readonly call: string; readonly is: CallFault; readonly silent?: boolean | undefined; readonly lateMs?: Millis | undefined }
  | { readonly commit: string; readonly slowMs: Millis }
  | { readonly commit: string; readonly full: true }

export interface Rates {
  readonly reject: number
  readonly requestLost: number
  readonly replyLost: number
  readonly late: number
  readonly partial: number
  readonly hang: number
  readonly slowCommit: number
  readonly full: number
}

export const isConverge = (s: Step): s is ConvergeStep => !('command' in s)
