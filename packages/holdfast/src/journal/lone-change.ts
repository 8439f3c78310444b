import type { EpochMs } from '../base/index.ts'
import type { EnvRow, Holder, ResourceDocs, ResourceRow, RunRow, TaskKind, TaskRow, TxRow } from '../state/index.ts'
import type { Entry } from './entry.ts'

/**
 * A change that no plan asks for is a run of one task: the same rows in the same two commits as a task of an apply, and committed when it completes.
 * Whoever ends it (the caller, a later process, a person) writes these entries.
 */
export interface LoneChange {
  readonly tx: TxRow
  readonly env: Pick<EnvRow, 'id' | 'revision' | 'partial' | 'openRun'>
  readonly holder: Holder
  readonly now: EpochMs
}

/** Fingerprint of the row that the change was made for, from `TxTarget.change`; undefined: it is to make the resource. */
export const baseOf = (change: string): string | undefined => (JSON.parse(change) as { readonly previous?: { readonly hash: string } }).previous?.hash

/** Id of the run that a lone change is: called as its token is, so that each is found by the other. */
export const loneRun = (token: string): string => `r${token.slice(1)}`
/** Token of the lone change that a run is, if it is one. */
export const loneToken = (run: string): string | undefined => (run.startsWith('r-') ? `t${run.slice(1)}` : undefined)

/** R1 and R2: durable before anything is sent. */
export const openLone = (c: LoneChange): Entry[] =>
  [{ t: 'tx.open', row: c.tx }, { t: 'run.put', row: runOf(c, 'running') }, { t: 'task.put', row: taskOf(c, 'running') }, eventOf(c, 'tx.sent', {})]

/**
 * R3, R4 and the commit of the revision, in one. With an open run of somebody else, the row is part of that run and nothing is committed.
 *
 * Takes  `old`: the row that the change replaces or removes; `put`: the row as it becomes, less its span.
 */
export function completeLone(
  c: LoneChange, o: { readonly old: Pick<ResourceRow, 'uid' | 'since'> | undefined; readonly put: { readonly row: Omit<ResourceRow, 'seq'>; readonly docs: ResourceDocs } | undefined; readonly evidence?: string | undefined },
): Entry[] {
  const { tx, env, now } = c
  const next = env.revision + 1
  const { evidence } = o
  return [
    { t: 'tx.move', token: tx.token, to: 'completed', set: { endedAt: now, ...(evidence === undefined ? {} : { evidence }) } },
    // What a run planned says itself what it replaces.
    ...(ownRun(c) ? [] : ((tx.target.before ?? []) as Entry[])),
    ...(ownRun(c) && o.old && o.old.since < next ? [{ t: 'resource.until' as const, uid: o.old.uid, since: o.old.since, until: next }] : []),
    ...(ownRun(c) && o.old && o.old.since === next && !o.put ? [{ t: 'resource.drop' as const, uid: o.old.uid, since: next }] : []),
    ...(o.put ? [{ t: 'resource.put' as const, row: { ...o.put.row, since: next, until: undefined }, docs: o.put.docs }] : [{ t: 'claim.drop' as const, uid: tx.uid }, { t: 'resolved.drop' as const, env: env.id, uid: tx.uid }]),
    ...(ownRun(c) ? [] : ((tx.target.also ?? []) as Entry[])),
    { t: 'task.put', row: taskOf(c, 'success') },
    eventOf(c, evidence === undefined ? 'tx.completed' : 'tx.recovered', evidence === undefined ? {} : { evidence }),
    ...(env.openRun === undefined ? [{ t: 'run.put' as const, row: runOf(c, 'committed') }, { t: 'env.commit' as const, env: env.id, from: env.revision, to: next, partial: env.partial }] : []),
  ]
}

/** It failed, or nobody knows: the change stands in the way of others until it is recovered or given up. `failed`: what the caller said. */
export const failLone = (c: LoneChange, to: 'failed' | 'unknown', evidence: string, failed: string | undefined): Entry[] => [
  { t: 'tx.move', token: c.tx.token, to, set: { ...(to === 'failed' ? { applied: 'partly' as const } : {}), endedAt: c.now, evidence, ...(failed === undefined ? {} : { target: { ...c.tx.target, failed } }) } },
  { t: 'task.put', row: taskOf(c, 'failure', evidence) },
  eventOf(c, to === 'failed' ? 'tx.failed' : 'tx.unknown', {}),
  ...(ownRun(c) ? [{ t: 'run.put' as const, row: runOf(c, 'incomplete') }] : []),
]

/** `previous`: the object is as it was, so the change did not happen. `abandoned`: nobody will look after what it left. */
export const dropLone = (c: LoneChange, how: 'previous' | 'abandoned', evidence: string): Entry[] => [
  { t: 'tx.move', token: c.tx.token, to: how === 'previous' ? 'failed' : 'abandoned', set: { ...(how === 'previous' ? { applied: 'no' as const } : {}), endedAt: c.now, evidence } },
  { t: 'task.put', row: taskOf(c, how === 'previous' ? 'reverted' : 'failure', evidence) },
  eventOf(c, how === 'previous' ? 'tx.recovered' : 'tx.abandoned', { evidence }),
  ...(c.tx.op === 'create' ? [{ t: 'claim.drop' as const, uid: c.tx.uid }] : []),
  ...(ownRun(c) ? [{ t: 'run.put' as const, row: runOf(c, how === 'previous' ? 'reverted' : 'kept') }] : []),
]

const ownRun = (c: LoneChange): boolean => c.tx.target.change !== undefined

function runOf({ tx, env, holder, now }: LoneChange, status: RunRow['status']): RunRow {
  const ended = status !== 'running'
  return {
    id: tx.run, env: env.id, kind: 'change', plan: '', status, phase: ended ? 'done' : 'expand', from: env.revision, to: status === 'committed' ? env.revision + 1 : undefined, holder,
    startedAt: tx.openedAt, endedAt: ended ? now : undefined, result: undefined,
  }
}

function taskOf({ tx, now }: LoneChange, state: TaskRow['state'], failure?: string): TaskRow {
  const kind: TaskKind = tx.op
  return {
    run: tx.run, id: tx.task, address: tx.address, kind, state, intention: 'execute', attempt: tx.attempts, tx: tx.token, failure, startedAt: tx.openedAt, endedAt: state === 'running' ? undefined : now,
    note: undefined,
  }
}

const eventOf = ({ tx, now }: LoneChange, kind: string, more: Record<string, unknown>): Entry =>
  ({ t: 'event', at: now, kind, data: JSON.stringify({ run: tx.run, tx: tx.token, node: tx.address, op: tx.op, ...more }) })
