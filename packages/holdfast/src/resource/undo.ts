import { failure, isFailure, mutant, type HoldfastError } from '../base/index.ts'
import type { UndoResult } from '../flow/index.ts'
import type { Entry } from '../journal/index.ts'
import type { Step } from '../model/index.ts'
import type { ResourceRow } from '../state/index.ts'
import { attempt, fail, priorOf, type Change, type RowDraft, type Work } from './change.ts'
import type { Fields } from './facts.ts'
import type { TaskLog } from './log.ts'
import { baseRow, owesOnly, recreation, removalOf, whole } from './remove.ts'
import { rewired } from './rewire.ts'
import { claimEntries, sameDoc } from './rows.ts'
import { settle } from './settle.ts'
import type { EnvState } from './state.ts'

/**
 * Takes back what a task did, by comparing what stands with the base; so it does not matter which run did it, or how far it got.
 *
 * *Withdraw* deletes objects that the open run made. *Restore* brings the object of the base back: an update to its former inputs, or a new
 * creation where it was deleted to make room. Each is a transaction of its own. What needs no call only forgets its provisional row.
 *
 * Takes    `alone`: runs one act on an object after the other. A dead run and this one may both have changed it; whose undo comes second finds nothing left to do.
 */
export async function undoTask(
  work: Work, log: TaskLog, id: string, uids: ReadonlySet<string>, half: 'withdraw' | 'restore', signal: AbortSignal, onError: (e: HoldfastError) => void, alone: Alone,
): Promise<UndoResult> {
  for (const uid of uids) {
    const result = await alone(uid, () => undoObject(work, log, id, uid, half, signal, onError))
    if (result.kind !== 'undone') return result
  }
  return { kind: 'undone' }
}

export type Alone = <T>(uid: string, act: () => Promise<T>) => Promise<T>

/** Acts on one object wait for each other, in the order in which they were asked for. */
export function oneAtATime(): Alone {
  const last = new Map<string, Promise<unknown>>()
  return (uid, act) => {
    const before = last.get(uid)
    const now = before === undefined ? act() : before.then(act, act)
    last.set(uid, now)
    return now
  }
}

async function undoObject(
  work: Work, log: TaskLog, id: string, uid: string, half: 'withdraw' | 'restore', signal: AbortSignal, onError: (e: HoldfastError) => void,
): Promise<UndoResult> {
  try {
    const change = half === 'withdraw' ? await withdrawal(work, id, uid) : await restoration(work, id, uid)
    if (!change) return { kind: 'undone' }
    log.reverting(id, change.address)
    const began = work.state.cx.clock.mono()
    const result = await carryOut(work, change, signal)
    if (result.kind === 'undone') {
      log.revert(id, change.address, change.type.identity === 'new' && change.op !== 'delete' || change.op === 'create' ? 'new' : 'same', work.state.cx.clock.mono() - began)
      return { kind: 'undone' }
    }
    log.revertFailed(id, change.address, result.error)
    onError(result.error)
    return { kind: result.kind }
  } catch (e) {
    if (!isFailure(e) || e.code.startsWith('HF40') || e.code === 'HF4203') throw e
    const address = work.state.current.get(uid)?.address ?? work.state.base.get(uid)?.address ?? id
    e.address ??= address
    log.revertFailed(id, address, e)
    onError(e)
    return { kind: 'failed' }
  }
}

async function carryOut(work: Work, change: Change, signal: AbortSignal): Promise<{ readonly kind: 'undone' } | { readonly kind: 'failed' | 'unknown'; readonly error: HoldfastError }> {
  const first = await attempt(work, change, undefined, signal)
  const result = first.result.kind === 'lost' ? await settle(work, first.tx, first.result.evidence, first.result.timedOut, change.site, work.abort) : first.result
  switch (result.kind) {
    case 'done': return { kind: 'undone' }
    case 'failed':
      await fail(work, result.tx, result.applied, result.error)
      return { kind: 'failed', error: result.error }
    case 'unknown': case 'lost':
      return { kind: 'unknown', error: failure('HF3103', { address: change.address, task: first.tx.token, message: `${change.address}: ${result.evidence}. Whether taking it back happened is unknown.` }) }
  }
}

/** The deletion of an object that the open run made. Rows behind which nothing of ours stands are forgotten with the run. */
async function withdrawal(work: Work, id: string, uid: string): Promise<Change | undefined> {
  const { state } = work
  const row = state.current.get(uid) as RowDraft | undefined
  if (!row || !state.provisional(row) || row.meta.lookup) return undefined
  // An object of the base that was changed goes nowhere; one that was made anew under the same uid (another ordinal) does.
  const base = state.base.get(uid)
  if (base && base.ordinal === row.ordinal) return undefined
  if (row.meta.adopted && !mutant('adopted-withdrawn')) return givingUp(work, id, row)
  refuseIrreversible(state, row, 'create')
  const change = await removalOf(state, row, id, 'withdraw')
  return change && { ...change, undo: true }
}

/**
 * An object that the run took over is given up. What the run did to it afterwards is undone: it becomes what it was when it was found, as far as
 * anything told. Its row goes with the run.
 */
async function givingUp(work: Work, id: string, row: RowDraft): Promise<Change | undefined> {
  const { state } = work
  if (row.status === 'deleting') return undefined
  const txs = (await state.cx.store.txs({ env: state.env.id, uid: row.uid })).filter((t) => t.op === 'update' && !t.undo && t.target.prior).sort((a, b) => a.openedAt - b.openedAt || (a.token < b.token ? -1 : 1))
  const [first] = txs
  const found = first && priorOf(state, first)
  if (!found) return undefined
  const now = { inputs: await state.inputsOf(row as ResourceRow), outputs: await state.outputsOf(row as ResourceRow) }
  if (row.status === 'ready' && sameDoc(now.inputs, found.inputs)) return undefined
  // Nobody knows what it had there: the plan said so.
  if (Object.keys(now.inputs).some((k) => now.inputs[k] !== undefined && found.inputs[k] === undefined)) return undefined
  refuseIrreversible(state, row, 'update')
  const type = state.type(row.type, row.address)
  return {
    task: id, kind: 'update', address: row.address, site: undefined, type, op: 'update', uid: row.uid, ordinal: row.ordinal, physicalName: row.meta.physicalName, undo: true,
    inputs: found.inputs, prior: { inputs: now.inputs, outputs: row.status === 'partial' ? { ...found.outputs, ...now.outputs } as Fields : now.outputs },
    row: { ...row, status: 'ready', fingerprint: '', shape: '' }, opening: [], before: [], also: [],
  }
}

async function restoration(work: Work, id: string, uid: string): Promise<Change | undefined> {
  const { state } = work
  const base = state.base.get(uid) as RowDraft | undefined
  if (!base || base.meta.lookup) return undefined
  const row = state.current.get(uid) as RowDraft | undefined
  if (!row || owesOnly(row)) {
    refuseIrreversible(state, base, 'delete')
    const again = await recreation(state, base, id, work.storeId)
    return row ? { ...again, before: dropOf(row) } : again
  }
  const inputs = await state.inputsOf(base as ResourceRow)
  const outputs = await state.outputsOfBase(base)
  const now = { inputs: await state.inputsOf(row as ResourceRow), outputs: await state.outputsOf(row as ResourceRow) }
  // Only what is recorded of it was changed, or it was set aside as it was; unless a change of it broke off. What was half-way before the run is so again.
  const half = row.status === 'partial' || (state.partly.has(uid) && base.status !== 'partial')
  if (!half && row.ordinal === base.ordinal && sameDoc(now.inputs, inputs) && sameDoc(now.outputs, outputs)) return undefined
  refuseIrreversible(state, base, 'update')
  const type = state.type(base.type, base.address)
  const back = await rewired(state, base, inputs)
  const target = back === inputs ? { ...base, until: undefined } : baseRow(state, whole(state, base, back), back, row.ordinal, work.storeId)
  if (!type.update) return { ...(await recreation(state, { ...base, ordinal: row.ordinal }, id, work.storeId)), before: dropOf(row) }
  return {
    task: id, kind: 'update', address: base.address, site: undefined, type, op: 'update', uid, ordinal: row.ordinal, physicalName: base.meta.physicalName, undo: true,
    // A change that failed half-way may have left only some outputs; the rest is as it was.
    inputs: back, prior: { inputs: mutant('undo-compares-with-base') ? inputs : now.inputs, outputs: row.status === 'ready' ? now.outputs : { ...outputs, ...now.outputs } as Fields },
    // What the object claims now comes free only when it is as it was.
    row: target, opening: regained(state, target, row), before: dropOf(row),
    also: [...givenUp(base, row), ...claimEntries(state, uid, target.meta.claims, base.meta.claims.filter((k) => row.meta.claims.includes(k))).also],
  }
}

function refuseIrreversible(state: EnvState, row: RowDraft, step: Step): void {
  if (!state.cx.types.get(row.type)?.irreversible?.includes(step)) return
  throw failure('HF3113', { address: row.address, message: `${row.address}: ${row.type} declares that its ${step} cannot be taken back.` })
}

const dropOf = (row: RowDraft): Entry[] => [{ t: 'resource.drop', uid: row.uid, since: row.since }]

/** The claims of the base stand again, and those of the open run go. */
const regained = (state: EnvState, base: RowDraft, row: RowDraft): Entry[] =>
  base.meta.claims.filter((k) => !row.meta.claims.includes(k) && !mutant('undo-forgets-claims')).map((key) => ({ t: 'claim.put', row: { key, env: state.env.id, uid: row.uid, until: undefined } }))
const givenUp = (base: RowDraft, row: RowDraft): Entry[] =>
  row.meta.claims.filter((k) => !base.meta.claims.includes(k)).map((key) => ({ t: 'claim.drop', uid: row.uid, key }))

/** Entries that forget every provisional row once the world is as it was: moves, options, rows of replaced objects. */
export function forgetProvisional(state: EnvState): Entry[] {
  const entries: Entry[] = []
  for (const row of state.current.values()) {
    if (!state.provisional(row as RowDraft)) continue
    entries.push({ t: 'resource.drop', uid: row.uid, since: row.since })
    const base = state.base.get(row.uid) as RowDraft | undefined
    if (base) entries.push(...givenUp(base, row as RowDraft), ...regained(state, base, row as RowDraft))
    else if (row.status !== 'deleting') entries.push({ t: 'claim.drop', uid: row.uid })
  }
  if (!mutant('base-rows-stay-closed')) for (const row of state.base.values()) entries.push({ t: 'resource.until', uid: row.uid, since: row.since, until: undefined })
  return entries
}

