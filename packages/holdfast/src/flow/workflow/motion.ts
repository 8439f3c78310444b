import type { EpochMs } from '../../base/index.ts'
import type { AtomState, Intention } from '../../state/index.ts'
import type { Vertex } from './compile.ts'
import type { Failure } from './failure.ts'
import type { HistoryEntry, Inputs } from './port.ts'

/** A vertex in motion. */
export interface Atom {
  readonly v: Vertex
  state: AtomState
  intention: Intention
  attempt: number
  epoch: number
  result: unknown
  failure: Failure | undefined
  undoResult: unknown
  undoFailure: Failure | undefined
  /** Of a controller: one entry for each attempt. */
  history: HistoryEntry[]
  wakeAt: EpochMs | undefined
  /** Vertices before it that are not done; vertices behind it that still stand. */
  missing: number
  standing: number
  done: boolean
  cleared: boolean
  /** Position in the order of completion. */
  completed: number
  /** A crash cut its last attempt short. */
  restarted: boolean
}

export interface MachineOptions {
  readonly parallelism: number
  readonly deferReverts: boolean
  readonly neverResolve: boolean
  readonly target: ReadonlySet<Vertex> | undefined
}

export type Act =
  | { readonly kind: 'start'; readonly atom: Atom; readonly inputs: Inputs }
  | { readonly kind: 'undo'; readonly atom: Atom; readonly inputs: Inputs }
  | { readonly kind: 'wake'; readonly atom: Atom; readonly at: EpochMs }
export interface Notice { readonly atom: Atom; readonly old: AtomState; readonly state: AtomState; readonly restarted?: boolean; readonly result?: unknown; readonly failure?: Failure | undefined }

/** Everything that changed with one event, in the order in which it must become true: what is `dirty` is stored, then the notices are given, then the acts begin. */
export interface Step {
  readonly dirty: Set<Atom>
  readonly notices: Notice[]
  readonly acts: Act[]
}

export type Event =
  | { readonly kind: 'begin' }
  | { readonly kind: 'succeeded'; readonly atom: Atom; readonly result: unknown }
  | { readonly kind: 'failed'; readonly atom: Atom; readonly failure: Failure }
  /** An attempt that was called off: it counts as never ended. */
  | { readonly kind: 'interrupted'; readonly atom: Atom }
  /** A body that the last step began, and that was called off before it did. */
  | { readonly kind: 'withdrawn'; readonly atom: Atom; readonly restarted: boolean }
  | { readonly kind: 'undone'; readonly atom: Atom; readonly result: unknown }
  | { readonly kind: 'undoFailed'; readonly atom: Atom; readonly failure: Failure }
  | { readonly kind: 'woke'; readonly atom: Atom }
  | { readonly kind: 'suspend' }

export const kindOf = (a: Atom): 'task' | 'retry' => (a.v.kind === 'retry' ? 'retry' : 'task')
/** The ends of a flow: they carry order, and nothing is stored of them. */
export const ends = (a: Atom): boolean => a.v.kind === 'begin' || a.v.kind === 'end'
/** What only lets order through. */
export const passive = (a: Atom): boolean => ends(a) || a.state === 'IGNORE'
