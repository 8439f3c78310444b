import { failure, misfit, optionKind, type EpochMs, type Kind, type Kinds, type Millis } from '../base/index.ts'
import type { FlowCallRow, FlowRow, FlowState, FlowTaskRow, Holder } from '../state/index.ts'

export interface StoredFlow {
  readonly flow: FlowRow
  readonly tasks: readonly FlowTaskRow[]
}

/** States that a worker goes on from. */
export const UNFINISHED = ['PENDING', 'RUNNING', 'SUSPENDING', 'SUSPENDED', 'RESUMING'] as const satisfies readonly FlowState[]

/** States in which a flow is over. */
const ENDED = ['SUCCESS', 'REVERTED', 'FAILURE', 'STUCK', 'PARTIALLY_REVERTED'] as const satisfies readonly FlowState[]

export interface ForgetQuery {
  /** Flows that ended before this moment. */
  readonly endedBefore: EpochMs | Date
  /** How they ended. Default SUCCESS and REVERTED, about which nothing is left to be done. */
  readonly states?: readonly (typeof ENDED)[number][]
  /** Also those that a worker has set aside, and that were made before the moment. */
  readonly setAside?: boolean
}

/** The query, checked. Fails HF3203. */
export function readForget(query: ForgetQuery): { readonly before: EpochMs; readonly states: readonly FlowState[]; readonly setAside: boolean } {
  const wrong = misfit(query, FORGET, ['endedBefore'])
  if (wrong !== undefined) throw failure('HF3203', { message: `What is to be forgotten: ${wrong}.`, details: { kind: 'InvalidFormat' } })
  return { before: Number(query.endedBefore), states: query.states ?? ['SUCCESS', 'REVERTED'], setAside: query.setAside === true }
}
const FORGET: Kinds = new Map<string, Kind>([
  ['endedBefore', { says: 'a Date, or milliseconds since 1970', is: (v) => (v instanceof Date || typeof v === 'number') && !Number.isNaN(Number(v)) }],
  ['states', { says: `a list of ${ENDED.join(', ')}`, is: (v) => Array.isArray(v) && v.every((s) => (ENDED as readonly unknown[]).includes(s)) }], ['setAside', optionKind.flag],
])

/** What one step of a flow makes true, all of it or nothing. */
export interface FlowChange {
  /** `rejected: ''` takes a rejection back. */
  readonly set?: Partial<Pick<FlowRow, 'state' | 'structure' | 'store' | 'rejected' | 'endedAt'>>
  /** Rows put under their `at`. */
  readonly tasks?: readonly FlowTaskRow[]
  /** Forgets every task row first. */
  readonly clear?: boolean
  /** Gives the claim up with this change. */
  readonly release?: boolean
}

/**
 * Where flows are kept.
 *
 * Durable  when a promise resolves. Changes asked for at the same time share one commit; each is all or nothing on its own.
 * Fails    HF4203 when the fence is not the flow's; the failures of the file (HF4001 to HF4007).
 */
export interface FlowJournal {
  readonly path: string | undefined
  load(id: string): Promise<StoredFlow | undefined>
  /** Every flow, oldest first. */
  list(): Promise<readonly FlowRow[]>
  /** What a worker may take, oldest first: unfinished flows that have a factory, were not set aside, and are held by nobody who lives. Costs what is unfinished, not what has ended. */
  unfinished(): Promise<readonly FlowRow[]>
  /** Makes the flow, unclaimed, unless there is one of that id. Gives whether it did. */
  create(row: Pick<FlowRow, 'id' | 'name' | 'structure' | 'store' | 'factory' | 'createdAt'>): Promise<boolean>
  /** At most one live holder: granted when the flow is free, the claim has expired, its holder is dead on this host, or is the one who asks. */
  claim(id: string, holder: Holder, ttlMs: Millis): Promise<{ readonly fence: number } | { readonly heldBy: Holder }>
  /** Not a durable commit. False: the claim is somebody else's. */
  renew(id: string, fence: number, ttlMs: Millis): Promise<boolean>
  commit(id: string, fence: number, change: FlowChange): Promise<void>
  /**
   * Forgets flows that have ended, with all that is kept of them; those that somebody holds stay. What is made later under the same id is a new flow, with other keys.
   *
   * Gives    how many.
   * Durable  on return. It is done in pieces: after a crash some are gone.
   * Fails    HF3203.
   * Costs    one look at every flow that ended so, one commit for a few hundred that go. A file does not shrink; what is free in it is used again.
   */
  forget(query: ForgetQuery): Promise<number>

  /** Puts calls up for workers; those of the same id are replaced. */
  offer(call: FlowCallRow): Promise<void>
  /** Hands the oldest waiting call of one of the types to a worker; `undefined` when there is none. */
  take(types: readonly string[], worker: string, ttlMs: Millis): Promise<FlowCallRow | undefined>
  /** The worker is alive, and may say how far it is. False: the call was handed to somebody else meanwhile, or is gone. */
  beat(id: string, fence: number, ttlMs: Millis, progress?: string): Promise<boolean>
  /** False: the call was handed to somebody else meanwhile, or is gone; nothing was written. */
  answer(id: string, fence: number, state: 'SUCCESS' | 'FAILURE', answer: string): Promise<boolean>
  calls(flow: string): Promise<readonly FlowCallRow[]>
  /** A call whose worker was not heard of in time waits again, under the next attempt. */
  reclaim(flow: string, now: EpochMs): Promise<void>
  dropCall(id: string): Promise<void>

  close(): Promise<void>
}
