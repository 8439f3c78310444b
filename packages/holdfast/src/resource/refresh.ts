import { failure, isFailure, joinSignals, mutant, type Millis } from '../base/index.ts'
import { compare } from '../diff/index.ts'
import type { Entry } from '../journal/index.ts'
import type { Address, Value } from '../model/index.ts'
import { encodeDoc } from '../secret/index.ts'
import type { ResourceRow } from '../state/index.ts'
import { ask, callContext, openInputs, withDeadline, type CallTarget } from './call.ts'
import { asSeen, openOutputs, priorOf, type RowDraft } from './change.ts'
import { idField, receiveOutputs, type Fields } from './facts.ts'
import { closing } from './rows.ts'
import type { EnvState } from './state.ts'

/** What stands in the world behind one row. */
export type Seen =
  | { readonly row: ResourceRow; readonly kind: 'same' }
  | { readonly row: ResourceRow; readonly kind: 'gone' }
  /** `asked`: an output that bears the name of an input is not what the program asked for. */
  | { readonly row: ResourceRow; readonly kind: 'changed'; readonly outputs: Fields; readonly paths: readonly string[]; readonly asked: boolean }

/**
 * Reads every object whose type can read, `parallel` at a time. Changes nothing.
 *
 * Takes    `half`: what an update left half-way is looked at, too, whether it is there at all; what is different about it, its next change decides.
 * Gives    what was seen, in the order of the rows. Left out: look-ups, what is to be deleted, what failed half-way or is not settled.
 * Fails    with what a read was rejected with, HF3101 when its answer was lost, HF3105 when it was not answered in time: nothing is ever taken for gone because a call failed.
 *          HF1008 when `stop` is aborted; calls that run are told to end.
 * Costs    one wait of the longest `settleMs` of the types in question, where something differs.
 */
export async function readWorld(state: EnvState, rows: readonly ResourceRow[], storeId: string, stop: AbortSignal, parallel: number, half = false): Promise<Seen[]> {
  const readable = rows.filter((r) => (r.status === 'ready' || (half && halfUpdated(r))) && !r.meta.lookup && !state.unknown.has(r.address))
  const seen = await lookAtAll(state, readable, storeId, stop, parallel)
  // A look may be answered from before the last change: what differs counts when it is seen twice, as far apart as the service needs.
  const settleMs = (row: ResourceRow): Millis => state.cx.types.get(row.type)?.capability?.settleMs ?? 0
  const unsure = seen.filter((s) => s.kind !== 'same' && settleMs(s.row) > 0).map((s) => s.row)
  if (unsure.length === 0 || mutant('first-look-believed')) return seen
  const waitMs = Math.max(...unsure.map(settleMs))
  state.cx.emit({ type: 'log', message: `looking again in ${Math.ceil(waitMs / 1000)} s at ${unsure.length} ${unsure.length === 1 ? 'object' : 'objects'}: what was changed last may not show yet` })
  await state.cx.clock.sleep(waitMs, stop).catch(() => { throw cancelled() })
  const again = new Map((await lookAtAll(state, unsure, storeId, stop, parallel)).map((s) => [s.row.uid, s]))
  const looked = new Set(unsure.map((r) => r.uid))
  return seen.flatMap((s) => (looked.has(s.row.uid) ? again.get(s.row.uid) ?? [] : [s]))
}

const cancelled = () => failure('HF1008', { message: 'Cancelled while the world was read; nothing was changed.' })

async function lookAtAll(state: EnvState, rows: readonly ResourceRow[], storeId: string, stop: AbortSignal, parallel: number): Promise<Seen[]> {
  const seen: (Seen | undefined)[] = new Array(rows.length)
  let next = 0
  const broken = new AbortController()
  const { signal, leave } = joinSignals(stop, broken.signal)
  const worker = async () => {
    for (let i = next++; i < rows.length && !signal.aborted; i = next++) {
      try {
        const row = rows[i] as ResourceRow
        seen[i] = await (row.status === 'ready' ? look : lookAtHalf)(state, row, storeId, signal)
      } catch (e) {
        broken.abort(e) // the first failure is the one to tell, and nobody goes on
        throw e
      }
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: Math.min(parallel, rows.length) }, worker))
  leave()
  if (stop.aborted) throw cancelled()
  if (broken.signal.aborted) throw broken.signal.reason
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return seen.filter((s) => s !== undefined)
}

/** It was whole before an update of it broke off. What failed while it was made is made anew by every plan, there or not. */
const halfUpdated = (r: ResourceRow): boolean => r.status === 'partial' && r.meta.whole === true

async function look(state: EnvState, row: ResourceRow, storeId: string, signal: AbortSignal): Promise<Seen | undefined> {
  const type = state.type(row.type, row.address)
  if (!type.read) return undefined
  const inputs = await state.inputsOf(row)
  const outputs = await state.outputsOf(row)
  const raw = await read(state, row, inputs, outputs, storeId, signal)
  if (raw === undefined) return { row, kind: 'gone' }
  const now = receiveOutputs(type, raw, inputs, state.cx.ring, row.address, false)
  const paths = compare(outputs as Value, now as Value).map((p) => p.path)
  if (paths.length === 0) return { row, kind: 'same' }
  const asked = [...new Set(paths.map((p) => p.split('.')[0] as string))].some((k) => k in type.inputs.shape && inputs[k] !== undefined && compare(inputs[k], now[k]).length > 0)
  return { row, kind: 'changed', outputs: now, paths, asked }
}

/** Only whether it is there. It may answer to what it was to become or to what it was: it is gone when it is found by neither, and nothing is said where a look fails. */
async function lookAtHalf(state: EnvState, row: ResourceRow, storeId: string, signal: AbortSignal): Promise<Seen | undefined> {
  if (!state.type(row.type, row.address).read) return undefined
  const token = state.partly.get(row.uid)
  const tx = token === undefined ? undefined : await state.cx.store.tx(token)
  const prior = tx && priorOf(state, tx)
  const outputs = { ...prior?.outputs, ...(await state.outputsOf(row)) }
  try {
    if ((await read(state, row, await state.inputsOf(row), outputs, storeId, signal)) !== undefined) return undefined
    if (prior && (await read(state, row, prior.inputs, prior.outputs, storeId, signal)) !== undefined) return undefined
    return { row, kind: 'gone' }
  } catch (e) {
    if (!isFailure(e)) throw e
    return undefined
  }
}

/** What the type reads of the object of a row; undefined where there is none of ours. */
async function read(state: EnvState, row: ResourceRow, inputs: Fields, outputs: Fields, storeId: string, signal: AbortSignal): Promise<Record<string, unknown> | undefined> {
  const type = state.type(row.type, row.address)
  const target: CallTarget = { token: `read-${row.uid}`, uid: row.uid, ordinal: row.ordinal, epoch: 0, address: row.address, site: undefined, physicalName: row.meta.physicalName }
  const answer = await withDeadline(state, { timeoutMs: row.meta.timeouts?.read ?? type.timeoutMs }, signal, (s) => ask(state, row.address, undefined, s, () =>
    (type.read as NonNullable<typeof type.read>)({ ...callContext(state, type, target, storeId, s), inputs: openInputs(state, type, inputs, target) as never, outputs: openOutputs(state, outputs) as never })))
  if (answer.kind === 'rejected') throw answer.error
  if (answer.kind !== 'applied') throw failure(answer.kind === 'unknown' && answer.timedOut ? 'HF3105' : 'HF3101', { address: row.address, message: `${row.address} could not be read: ${answer.kind === 'unknown' ? answer.evidence : answer.message}.` })
  if (answer.raw === undefined) return undefined
  const { owner, ...raw } = answer.raw as Record<string, unknown> & { readonly owner?: unknown }
  const field = idField(type)
  // An object without its id is none, whatever else the answer says.
  return owner === 'other' || (field !== undefined && (raw[field] === undefined || raw[field] === '')) ? undefined : raw
}

/**
 * Entries by which the record becomes what was seen: outputs as they are, an id that changed; what is gone loses its row, and those that depended on
 * it the dependency. Inputs stay what the program said: the next comparison with the program is about the program.
 */
export async function refreshEntries(state: EnvState, seen: readonly Seen[], at: number): Promise<{ readonly entries: Entry[]; readonly touched: readonly { readonly row: ResourceRow; readonly kind: 'changed' | 'gone' | 'pruned' }[] }> {
  const gone = new Set<Address>(seen.filter((s) => s.kind === 'gone').map((s) => s.row.address))
  const changed = new Map(seen.flatMap((s) => (s.kind === 'changed' ? [[s.row.uid, s] as const] : [])))
  const entries: Entry[] = []
  const touched: { row: ResourceRow; kind: 'changed' | 'gone' | 'pruned' }[] = []
  for (const each of [...state.current.values()]) {
    const row = each as ResourceRow
    if (row.status !== 'deleting' && gone.has(row.address)) {
      entries.push({ t: 'resource.until', uid: row.uid, since: row.since, until: state.next }, { t: 'claim.drop', uid: row.uid })
      touched.push({ row, kind: 'gone' })
      continue
    }
    const change = changed.get(row.uid)
    const pruned = row.meta.deps.some((d) => gone.has(d))
    if (!change && !pruned) continue
    const { seq: _seq, ...draft } = row
    const deps = pruned ? row.meta.deps.filter((d) => !gone.has(d)) : row.meta.deps
    // Its dependencies are not what the program says any more: the next plan sees that by its shape.
    const kept: RowDraft = { ...draft, since: state.next, until: undefined, meta: { ...row.meta, deps, ...(change ? { modifiedAt: at } : {}) }, ...(pruned ? { shape: row.fingerprint } : {}) }
    const docs = await state.docs(row)
    const outputs = change && !mutant('seen-not-recorded') ? encodeDoc(change.outputs as Value, { table: 'resource', row: row.uid, field: 'outputs', tx: state.cx.ids.next('t'), type: row.type }, state.cx.ring) : docs.outputs
    entries.push(...closing(state, row.uid), { t: 'resource.put', row: change ? asSeen(state, kept, change.outputs) : kept, docs: { inputs: docs.inputs, outputs } })
    touched.push({ row, kind: change ? 'changed' : 'pruned' })
  }
  return { entries, touched }
}
