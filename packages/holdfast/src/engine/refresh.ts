import { failure, mutant } from '../base/index.ts'
import type { Entry } from '../journal/index.ts'
import type { Address } from '../model/index.ts'
import { dependants } from '../graph/index.ts'
import { chosen } from '../plan/index.ts'
import { driftIn, readWorld, refreshEntries, type EnvState, type Seen } from '../resource/index.ts'
import type { ResourceRow, RunRow } from '../state/index.ts'
import { partialOf, shownOutputs } from './apply.ts'
import { newRun } from './run-row.ts'
import type { DriftDocument, RunDocument, TaskDocument } from './documents.ts'
import type { RunOptions } from './session.ts'

export interface RefreshRequest {
  /** Only these, or all but these: addresses and patterns, as for a plan. */
  readonly targets?: readonly string[] | undefined
  readonly targetDependents?: boolean | undefined
  readonly excludes?: readonly string[] | undefined
  readonly excludeDependents?: boolean | undefined
  /** Refused when more are gone. */
  readonly allowDeletes?: number | undefined
  /** Asked before anything is written. Fails to refuse. */
  readonly confirm?: (drift: DriftDocument) => Promise<void>
}

/** A run document with what was found; `asked`: nodes whose object is not what the program asked for. */
export interface RefreshDocument extends RunDocument {
  readonly drifted: DriftDocument['drifted']
  readonly asked: readonly Address[]
}

/**
 * The world wins: what the types read is recorded as outputs, an id that changed with it, and what is gone loses its record. Inputs stay what the
 * program said, so a plan afterwards compares with the program as before. What depended on something that is gone stays, without that dependency.
 *
 * Left as it is: what only a person can settle, what failed half-way, what is still to be deleted, look-ups, and types without `read`.
 * Durable  all of it in one transaction, as a revision of its own with a run of kind `refresh`: whatever ends the command before leaves nothing of it.
 *          Nothing is written when nothing differs.
 * Fails    HF4101 while a run is open, HF6001 for a target that is no node of the state, HF2501, HF1008 when stopped, and with the first read that
 *          failed; nothing was written.
 */
export async function refreshOn(state: EnvState, request: RefreshRequest, o: Pick<RunOptions, 'stop'>): Promise<RefreshDocument> {
  const { cx } = state
  if (state.env.openRun !== undefined) throw failure('HF4101', { message: `Run ${state.env.openRun} is not finished.`, hint: 'To go on: holdfast run resume. To take it back: holdfast run revert.' })
  const rows = [...state.current.values()].filter((r) => r.status !== 'deleting') as ResourceRow[]
  const back = dependants(rows.map((r) => r.address), (a) => state.rowAt(a)?.meta.deps ?? [])
  const keep = chosen(rows.map((r) => r.address), {
    targets: request.targets ?? [], excludes: request.excludes ?? [], targetDependents: request.targetDependents === true, excludeDependents: request.excludeDependents === true,
  }, (a) => back.get(a) ?? [])
  const { storeId } = await cx.store.meta()
  const seen = await readWorld(state, keep ? rows.filter((r) => keep.has(r.address)) : rows, storeId, o.stop, cx.serial ? 1 : cx.parallelism)
  const drifted = driftIn(seen)
  const gone = drifted.filter((d) => d.kind === 'gone').length
  if (request.allowDeletes !== undefined && gone > request.allowDeletes) throw failure('HF2501', { message: `${gone} nodes are gone from the world; --allow-deletes ${request.allowDeletes} permits fewer to be forgotten.` })
  for (const d of drifted) cx.emit({ type: 'drift.found', node: d.address, message: d.kind })
  const found = { drifted, asked: seen.flatMap((s) => (s.kind === 'changed' && s.asked ? [s.row.address] : [])).sort() }
  const from = state.env.revision
  if (drifted.length === 0) {
    return { run: null, plan: null, revision: { from, to: from }, outcome: 'unchanged', ...partialOf(state), phase: 'done', summary: { unchanged: rows.length }, tasks: [], reverted: [], pending: pendingOf(state), outputs: await shownOutputs(state), ...found }
  }
  await request.confirm?.({ drifted })
  if (o.stop.aborted) throw failure('HF1008')
  return { ...(await record(state, seen)), ...found }
}

/**
 * What a plan after a refresh has to bring back: the nodes whose object is not what the program asked for, though the program itself did not change.
 * A plan that is given it as `repair` updates them in the same run.
 */
export const repairOf = (doc: RefreshDocument): DriftDocument => ({ drifted: doc.drifted.filter((d) => d.kind === 'changed' && doc.asked.includes(d.address) && !mutant('asked-forgotten')) })

async function record(state: EnvState, seen: readonly Seen[]): Promise<RunDocument> {
  const { cx, env } = state
  const from = env.revision
  const to = state.next
  const now = cx.clock.now()
  const { entries, touched } = await refreshEntries(state, seen, now)
  const ops = { changed: 'update', gone: 'forget', pruned: 'update' } as const
  const tasks = touched.map(({ row, kind }): TaskDocument => ({ address: row.address, op: ops[kind], outcome: 'succeeded', attempts: 1, ms: 0 }))
  const summary: Record<string, number> = {}
  for (const t of tasks) summary[t.op] = (summary[t.op] ?? 0) + 1
  const begun = newRun(state, 'refresh', '')
  const row: RunRow = { ...begun, status: 'committed', phase: 'done', to, endedAt: now, result: JSON.stringify({ outcome: 'applied', reverted: 0 }) }
  const notes: Entry[] = touched.map(({ row: r, kind }) => ({
    t: 'task.put', row: { run: row.id, id: `${r.uid}#${kind}`, address: r.address, kind: ops[kind], state: 'success', intention: 'execute', attempt: 1, tx: undefined, failure: undefined, startedAt: now, endedAt: now, note: kind === 'gone' ? 'gone from the world' : kind === 'pruned' ? 'what it depended on is gone' : 'recorded as it was read' },
  }))
  cx.emit({ type: 'run.started', run: row.id, data: { kind: row.kind, tasks: tasks.length } })
  await state.commit([
    { t: 'run.put', row }, { t: 'event', at: now, kind: 'run.started', data: JSON.stringify({ run: row.id, kind: row.kind }) }, ...entries, ...notes,
    { t: 'env.commit', env: env.id, from, to, partial: env.partial },
    { t: 'event', at: now, kind: 'run.committed', data: JSON.stringify({ run: row.id, from, to, partial: env.partial }) },
    { t: 'event', at: now, kind: 'run.finished', data: JSON.stringify({ run: row.id, status: row.status }) },
  ])
  cx.emit({ type: 'run.committed', run: row.id, data: { from, to, partial: env.partial } })
  cx.emit({ type: 'run.finished', run: row.id, data: { status: row.status, outcome: 'applied' } })
  return { run: row.id, plan: null, revision: { from, to }, outcome: 'applied', ...partialOf(state), phase: 'done', summary, tasks, reverted: [], pending: pendingOf(state), outputs: await shownOutputs(state) }
}

const pendingOf = (state: EnvState): Address[] => [...state.current.values()].filter((r) => r.status === 'deleting').map((r) => r.address).sort()
