import { failure, isFailure, mutant, setOwn, type HoldfastError } from '../base/index.ts'
import { runFlow, type FlowOutcome, type TaskSpec } from '../flow/index.ts'
import type { Entry } from '../journal/index.ts'
import { evaluate, firstUnknown, masked, refsOf, type Address, type ExprNode, type Scope, type Value } from '../model/index.ts'
import { assetsIn, forgetProvisional, makeScope, orderDeletions, ResourceTasks, TaskLog, type EnvState, type RowDraft, type Work } from '../resource/index.ts'
import { encodeDoc } from '../secret/index.ts'
import { oldEvents } from '../store/index.ts'
import type { RunRow } from '../state/index.ts'
import { equal } from '../diff/index.ts'
import { namedAssets, pruneAssets } from './assets.ts'
import type { RunDocument } from './documents.ts'
import { blockedChanges, expandSpec, hookRetries, limitsOf, namedByUnknown, rowDeadline } from './expand.ts'
import { committedOutputs, ensureEnv, outputsPlace, planEntry, type PlannedRun } from './plan.ts'
import { endedNow, newRun } from './run-row.ts'
import type { RunOptions } from './session.ts'
import { stillToDelete } from './part.ts'
import { noteSkipped, unused } from './partial.ts'
import { followMoves, MARK_BATCH, markRemoved } from './removed.ts'
import { takenBackBefore } from './taken-back.ts'

/** A run as it goes on: what the phases share. */
export interface Run {
  readonly state: EnvState
  readonly work: Work
  readonly log: TaskLog
  readonly tasks: ResourceTasks
  readonly scope: Scope
  /** Revision that it begins at; a run of a part goes on from what others have committed meanwhile. */
  from: number
  row: RunRow
  phase: RunDocument['phase']
}

/**
 * Carries out a plan in three phases (design.md 2): expand makes, commit flips the environment to its new revision, contract deletes.
 * A failure in expand takes back everything since the base, what a dead run did included.
 *
 * Durable  the run's record before the first change; then as ResourceTasks says; the commit is one transaction.
 */
export async function applyOn(state: EnvState, planned: PlannedRun, kind: 'apply' | 'resume', o: RunOptions): Promise<RunDocument> {
  const { plan } = planned
  const from = state.env.revision
  if (planned.empty && kind === 'apply') return unchanged(state, planned, from)
  // Only deletions of an earlier run are left to do: what is desired, and so the revision, stays.
  const deletesOnly = plan.changes.length === 0 && !plan.outputsChanged && state.env.openRun === undefined && !state.env.partial
  const assetsBefore = namedAssets(state)
  const run = await startRun(state, planned, kind, o)
  const error = await guarded(run, async () => {
    const blocked = blockedChanges(plan.changes, state)
    if (deletesOnly) {
      const row: RunRow = { ...run.row, status: 'committed', phase: 'contract', to: from }
      await state.commit([...state.opens(undefined), { t: 'run.put', row }])
      run.row = row
      return contract(run, planned, o)
    }
    emitPhase(run, 'expand')
    const { outcome, flow } = await runFlow(expandSpec(run, plan.changes, plan.through, blocked, o), run.tasks, { clock: state.cx.clock, stop: o.stop, abort: o.abort, ...(o.onStopped ? { onStopped: o.onStopped } : {}) })
    await run.tasks.closeRetries()
    if (o.onFailure === 'continue') noteSkipped(run.log, plan.changes, flow)
    await finishExpand(run, planned, outcome, blocked, o)
  })
  if (run.row.status === 'committed') await pruneAssets(state, assetsBefore)
  return documentOf(run, plan.id, error ?? cancelledHard(run, o) ?? run.tasks.error ?? (o.stop.aborted && outcomeOf(run) !== 'applied' ? failure('HF3106', { message: 'The run was cancelled.' }) : undefined))
}

/** Whoever cancels running steps knows why their outcome is not known: the next command that changes something looks it up. */
function cancelledHard(run: Run, o: RunOptions): HoldfastError | undefined {
  if (!o.abort.aborted || outcomeOf(run) !== 'incomplete' || run.tasks.error?.code !== 'HF3103') return undefined
  const { address, site } = run.tasks.error
  return failure('HF3106', {
    ...(address === undefined ? {} : { address }), site, message: `The run was cancelled while ${address ?? 'a step'} was at work; whether that step happened is looked up by the next apply.`,
    hint: 'To go on: holdfast run resume. To take back what was done: holdfast run revert.',
  })
}

async function finishExpand(run: Run, planned: PlannedRun, outcome: FlowOutcome, blocked: ReadonlySet<string>, o: RunOptions): Promise<void> {
  const { state } = run
  switch (outcome) {
    case 'reverted': return closeReverted(run)
    case 'incomplete': return leaveOpen(run, o)
    case 'kept':
      if (o.onFailure === 'continue' && !o.stop.aborted) await markRemoved(state, unused(state, planned.plan.changes))
      await followMoves(state)
      await commit(run, planned, true)
      return contract(run, planned, o)
    case 'success': {
      if (blocked.size > 0) return leaveOpen(run, o)
      await markRemoved(state, planned.plan.changes)
      await commit(run, planned, false)
      return planned.plan.adoptOnly ? endRun(run, run.row.status) : contract(run, planned, o)
    }
  }
}

/** Nothing is committed while an outcome is unknown: what turns out to stand is part of the open run, and readers do not see it appear in a revision that is there already. */
function leaveOpen(run: Run, o: RunOptions): Promise<void> {
  const [tx] = [...run.state.undecided, ...run.state.unknown.values()]
  if (tx && !o.stop.aborted) run.tasks.error ??= failure('HF3103', { address: tx.address, task: tx.token, message: `${tx.address}: the outcome of an earlier change is unknown; everything that does not depend on it was done, and nothing is committed or deleted before it is settled.` })
  return endRun(run, 'incomplete')
}

/** Runs the phases. A failure of the store, or a bug, ends the run where it stands: the journal knows what was done. */
export async function guarded(run: Run, phases: () => Promise<void>): Promise<HoldfastError | undefined> {
  try {
    await phases()
    return undefined
  } catch (e) {
    if (!isFailure(e)) throw e
    if (run.row.status === 'running') run.row = { ...run.row, status: 'incomplete' }
    return e
  }
}

async function startRun(state: EnvState, planned: PlannedRun, kind: 'apply' | 'resume', o: RunOptions): Promise<Run> {
  const { cx } = state
  const { plan } = planned
  const plannedAt = (kind === 'resume' ? await cx.store.plan(plan.id) : undefined)?.seq ?? state.env.seq
  const addresses = new Set<Address>()
  for (const c of plan.changes) {
    if (c.inputs) refsOf(c.inputs, addresses)
    if (c.options?.replaceWhen) refsOf(c.options.replaceWhen, addresses)
  }
  if (plan.outputs) refsOf(plan.outputs, addresses)
  const assets = plan.changes.flatMap((c) => (c.inputs ? assetsIn(c.inputs as unknown as Value) : []))
  if (assets.length) await cx.keepAssets(assets)
  const row = newRun(state, plan.destroy ? 'destroy' : kind, plan.id)
  const entries: Entry[] = await ensureEnv(state)
  if (!planned.stored) entries.push(planEntry(state, planned))
  if (kind === 'apply') entries.push({ t: 'plan.use', id: plan.id, run: row.id })
  await state.commit([...entries, ...(await openRun(state, row))])
  const { storeId } = await cx.store.meta()
  const work: Work = { state, run: row.id, storeId, abort: o.abort, referred: (a) => addresses.has(a) }
  await state.preload(addresses)
  const scope = makeScope(state, new Map(), await cx.store.secrets(state.env.id))
  const log = new TaskLog(cx, row.id)
  cx.emit({ type: 'run.started', run: row.id, data: { plan: plan.id, kind: row.kind, tasks: plan.changes.length } })
  return { state, work, log, tasks: new ResourceTasks(work, scope, log, { seq: plannedAt, revision: plan.vector.revision }), scope, from: state.env.revision, row, phase: 'expand' }
}

/** The new run takes the place of one that died or stopped half-way: what that did is part of this one now. */
export async function openRun(state: EnvState, row: RunRow): Promise<Entry[]> {
  const entries = await endedNow(state.cx, state.env.openRun === undefined ? [] : [state.env.openRun])
  const data = JSON.stringify({ run: row.id, kind: row.kind, plan: row.plan, tookOver: state.env.openRun })
  return [...entries, { t: 'run.put', row }, ...state.opens(row.id), { t: 'event', at: row.startedAt, kind: 'run.started', data }]
}

/** Times in a row that other parts may be committed first. */
const COMMIT_TRIES_MAX = 1_000

async function commit(run: Run, planned: PlannedRun, partial: boolean): Promise<void> {
  emitPhase(run, 'commit')
  for (let tries = COMMIT_TRIES_MAX; ; tries--) {
    if (run.state.part) {
      await run.state.catchUp(planned.plan.outputs && !mutant('part-outputs-of-before') ? refsOf(planned.plan.outputs) : [])
      run.from = run.state.env.revision
    }
    try {
      return await commitOnce(run, planned, partial)
    } catch (e) {
      // Another part was committed first: this one is what comes after it.
      if (!run.state.part || tries === 1 || !isFailure(e) || e.code !== 'HF2401') throw e
    }
  }
}

async function commitOnce(run: Run, planned: PlannedRun, partial: boolean): Promise<void> {
  const { state } = run
  const { cx } = state
  const to = state.env.revision + 1
  const entries: Entry[] = []
  const before = await committedOutputs(state)
  const after = outputsAfter(run, planned, partial, before)
  if (after !== undefined && !equal(before ?? {}, after)) {
    entries.push({ t: 'outputs.put', row: { env: state.env.id, since: to, doc: encodeDoc(after, { ...outputsPlace(state), tx: run.row.id }, cx.ring) } })
  }
  if (mutant('outputs-before-commit')) await state.commit(entries.splice(0).map((e) => (e.t === 'outputs.put' ? { ...e, row: { ...e.row, since: run.from } } : e)))
  const row: RunRow = { ...run.row, status: partial ? 'kept' : 'committed', phase: 'contract', to }
  await state.commit([
    ...entries,
    { t: 'env.commit', env: state.env.id, from: run.from, to, partial: partial || (leavesRest(planned) && state.env.partial) }, ...state.opens(undefined, to),
    { t: 'run.put', row }, { t: 'event', at: cx.clock.now(), kind: 'run.committed', data: JSON.stringify({ run: run.row.id, from: run.from, to, partial }) },
  ])
  run.row = row // not before: what the store did not take is not so
  cx.emit({ type: 'run.committed', run: run.row.id, data: { from: run.from, to, partial } })
}

/** What it does not touch stays as it was left: half-way, where that was so. */
const leavesRest = ({ plan }: PlannedRun): boolean => plan.adoptOnly === true || plan.restricted !== undefined

/** After a partial or restricted run some outputs cannot be computed: of these the former ones stay. */
function outputsAfter(run: Run, planned: PlannedRun, partial: boolean, before: Value | undefined): Value | undefined {
  const e = planned.plan.outputs
  if (!e) return planned.plan.destroy && !planned.plan.restricted ? {} : undefined
  if (!partial && planned.plan.restricted === undefined) return evaluate(e, run.scope)
  const known = (part: ExprNode): Value | undefined => {
    try {
      const after = evaluate(part, run.scope)
      return firstUnknown(after) ? undefined : after
    } catch (err) {
      if (isFailure(err)) return undefined
      throw err
    }
  }
  if (e.k !== 'obj') return known(e)
  const former = (before ?? {}) as { readonly [name: string]: Value | undefined }
  const after: Record<string, Value> = {}
  e.keys.forEach((name, i) => {
    const value = known(e.args[i] as ExprNode) ?? (Object.hasOwn(former, name) ? former[name] : undefined)
    if (value !== undefined) setOwn(after, name, value)
  })
  return after
}

/** After a partial run: something that names the address was not written since the object was set aside, so it may still refer to it. */
function stillUsed(state: EnvState, gone: Parameters<EnvState['provisional']>[0]): boolean {
  for (const r of state.current.values()) if (r.status !== 'deleting' && r.meta.deps.includes(gone.address) && (r.seq ?? 0) < (gone.seq ?? 0)) return true
  return false
}

/** Old objects to which something may still refer, and those to which these refer: they wait for a later run. */
function mustWait(state: EnvState, partial: boolean, spared: ReadonlySet<string>): Set<string> {
  const going = [...state.current.values()].filter((r) => r.status === 'deleting')
  const named = namedByUnknown(state)
  const out = new Set(going.filter((r) => spared.has(r.uid) || named.has(r.address) || (partial && !mutant('kept-run-deletes-used') && stillUsed(state, r))).map((r) => r.uid))
  for (let before = -1; before < out.size;) {
    before = out.size
    const used = new Set(going.filter((r) => out.has(r.uid)).flatMap((r) => r.meta.deps))
    for (const r of going) if (used.has(r.address)) out.add(r.uid)
  }
  return out
}

/** Deletes what the new revision does not have any more: dependants first, each as soon as it can. What fails stays as a pending delete. */
async function contract(run: Run, planned: PlannedRun, o: RunOptions): Promise<void> {
  const { state } = run
  if (mutant('lease-released-at-commit') && state.fence) await state.cx.store.lease.release({ ...state.fence, mode: 'X' } as never)
  const waits = mustWait(state, run.row.status === 'kept' || state.env.partial, new Set(planned.plan.restricted?.spared))
  const rows = [...state.current.values()].filter((r) => r.status === 'deleting' && !waits.has(r.uid) && state.holds(r.address))
  if (rows.length > 0) {
    emitPhase(run, 'contract')
    const { after, takes } = orderDeletions(rows.map((r) => ({ row: r as RowDraft, task: r.uid, early: !mutant('wrong-delete-order') })))
    const specs = rows.map((r): TaskSpec => {
      run.tasks.removal(r.uid, r.uid, 'contract', takes.get(r.uid))
      return { id: r.uid, after: after.get(r.uid) ?? [], limit: r.type, undo: 'none', retries: hookRetries(state, r.uid), deadlineMs: rowDeadline(state, r.uid), done: false }
    })
    await runFlow({ tasks: specs, parallelism: state.cx.serial ? 1 : state.cx.parallelism, limits: limitsOf(state), onFailure: 'continue' }, run.tasks, { clock: state.cx.clock, stop: o.stop, abort: o.abort })
  }
  await endRun(run, run.row.status)
}

/** The world is as it was: what is left are rows, and the run's own record. */
export async function closeReverted(run: Run): Promise<void> {
  for (const r of await takenBackBefore(run.state, run.row)) run.log.tookBack(r.address, r.identity)
  const entries = forgetProvisional(run.state)
  for (let i = 0; i + MARK_BATCH * 2 < entries.length; i += MARK_BATCH * 2) await run.state.commit(entries.splice(0, MARK_BATCH * 2))
  await endRun(run, 'reverted', entries)
}

export async function endRun(run: Run, status: RunRow['status'], entries: readonly Entry[] = []): Promise<void> {
  const { state } = run
  const row: RunRow = { ...run.row, status, phase: status === 'incomplete' ? 'expand' : 'done', endedAt: state.cx.clock.now() }
  const summary = JSON.stringify({ outcome: outcomeOf({ row }), reverted: run.log.reverted.length, error: run.tasks.error?.code })
  const past = status === 'committed' ? await oldEvents(state.cx.store, state.env, state.cx.clock.now()) : []
  await state.commit([
    ...past,
    ...entries, { t: 'run.put', row: { ...row, result: summary } },
    ...(status === 'reverted' ? state.opens(undefined) : []),
    { t: 'event', at: state.cx.clock.now(), kind: 'run.finished', data: JSON.stringify({ run: run.row.id, status }) },
  ])
  run.row = row
  run.phase = status === 'incomplete' ? run.phase : 'done'
  state.cx.emit({ type: 'run.finished', run: run.row.id, data: { status, outcome: outcomeOf(run) } })
}

function emitPhase(run: Run, phase: 'expand' | 'commit' | 'contract'): void {
  run.phase = phase
  run.state.cx.emit({ type: 'run.phase', run: run.row.id, message: phase })
}

const outcomeOf = (run: Pick<Run, 'row'>): RunDocument['outcome'] =>
  run.row.status === 'committed' ? 'applied' : run.row.status === 'running' ? 'incomplete' : run.row.status

export const partialOf = (state: EnvState): Pick<RunDocument, 'partial'> => (state.env.partial ? { partial: true } : {})

/** The document of contract.md 3. */
export async function documentOf(run: Run, plan: string | null, error: HoldfastError | undefined): Promise<RunDocument> {
  const { state, log } = run
  const pending = (await stillToDelete(state)).sort()
  const summary: Record<string, number> = {}
  for (const t of log.records.values()) if (t.outcome === 'succeeded' || t.outcome === 'reverted') summary[t.op] = (summary[t.op] ?? 0) + 1
  if (error) error.run ??= run.row.id
  return {
    run: run.row.id, plan, revision: { from: run.from, to: state.env.revision }, outcome: outcomeOf(run), ...partialOf(state), phase: run.phase, summary,
    tasks: [...log.records.values()].map((t) => ({ ...t, ms: Math.round(t.ms) })), reverted: log.reverted, pending,
    outputs: await shownOutputs(state), ...(error ? { error: error.toDocument() } : {}),
  }
}

export async function shownOutputs(state: EnvState): Promise<Record<string, unknown>> {
  try {
    return (masked((await committedOutputs(state)) ?? {}) ?? {}) as Record<string, unknown>
  } catch (e) {
    if (!isFailure(e)) throw e
    return {} // the store cannot be read any more; the error says why
  }
}

async function unchanged(state: EnvState, planned: PlannedRun, from: number): Promise<RunDocument> {
  return {
    run: null, plan: planned.id, revision: { from, to: from }, outcome: 'unchanged', ...partialOf(state), phase: 'done', summary: { unchanged: planned.plan.unchanged },
    tasks: [], reverted: [], pending: [], outputs: await shownOutputs(state),
  }
}
