import { failure, mutant } from '../base/index.ts'
import type { Entry } from '../journal/index.ts'
import type { ResourceDocs, ResourceRow } from '../state/index.ts'
import type { ResolvedOptions } from '../model/index.ts'
import { draftOf, type Change, type RowDraft } from './change.ts'
import { claimsOf, type Fields } from './facts.ts'
import { rewired } from './rewire.ts'
import { claimEntries, draftRow } from './rows.ts'
import type { EnvState } from './state.ts'
import { trashEntries } from './trash.ts'

/**
 * `expand`    before the commit, to make room; its undo makes the object again.
 * `contract`  after the commit: the row is a pending delete.
 * `withdraw`  takes back what the open run made.
 */
export type RemovalMode = 'expand' | 'contract' | 'withdraw'

/** A deletion as a change; undefined when nothing of ours stands behind the row (a lookup, a retained object). */
export async function removalOf(state: EnvState, row: RowDraft, task: string, mode: RemovalMode, takes: readonly RowDraft[] = []): Promise<Change | undefined> {
  if (row.meta.lookup) return undefined
  const type = state.cx.types.get(row.type)
  if (!type) throw failure('HF3114', { address: row.address, message: `${row.address} is a ${row.type}, and no such type is declared or installed, so it cannot be deleted.` })
  const inputs = await state.inputsOf(row as ResourceRow)
  const outputs = await state.outputsOf(row as ResourceRow)
  const docs = await state.docs(row)
  const gone = mode !== 'withdraw' && row.meta.hooks?.afterDelete !== undefined ? owingEntries(state, row, docs) : goneEntries(state, row)
  return {
    task, kind: 'delete', address: row.address, site: undefined, type, op: 'delete', uid: row.uid, ordinal: row.ordinal, physicalName: row.meta.physicalName,
    undo: mode === 'withdraw', inputs, prior: { inputs, outputs }, row: undefined, opening: [], before: [], hooks: row.meta.hooks,
    also: [...gone, ...(await trashEntries(state, row, type, inputs, docs)), ...takes.flatMap((t) => takenEntries(state, t, row))],
  }
}

/** The object is gone: its row is closed (the base shows it still) or dropped, and its claims come free. */
function goneEntries(state: EnvState, row: RowDraft): Entry[] {
  const base = row.since <= state.env.revision && row.status !== 'deleting'
  return [
    base ? { t: 'resource.until', uid: row.uid, since: row.since, until: state.next } : { t: 'resource.drop', uid: row.uid, since: row.since },
    ...(mutant('claims-never-released') ? [] : [{ t: 'claim.drop' as const, uid: row.uid }]),
  ]
}

/** Nobody looks after the object any more: with its row goes the question how a change of it that broke off is made whole. */
export function givenUpEntries(state: EnvState, row: RowDraft, evidence = 'the object was given up'): Entry[] {
  const gone = goneEntries(state, row)
  const token = state.partly.get(row.uid)
  if (token === undefined) return gone
  const at = state.cx.clock.now()
  return [...gone, { t: 'tx.move', token, to: 'abandoned', set: { endedAt: at, evidence } }, { t: 'event', at, kind: 'tx.abandoned', data: JSON.stringify({ tx: token, node: row.address, evidence }) }]
}

/** The object is gone, and a hook is to run for it: its row stays until that has ended well, and owns nothing. */
function owingEntries(state: EnvState, row: RowDraft, docs: ResourceDocs): Entry[] {
  const { physicalId: _id, ...meta } = row.meta
  const base = row.since <= state.env.revision && row.status !== 'deleting'
  const since = base ? state.next : row.since
  return [
    ...(base ? [{ t: 'resource.until' as const, uid: row.uid, since: row.since, until: state.next }] : []), { t: 'claim.drop', uid: row.uid },
    { t: 'resource.put', row: { ...draftOf(row), since, until: undefined, status: 'deleting', meta: { ...meta, claims: [], due: 'afterDelete' } }, docs },
  ]
}

/** Whether nothing stands behind a row but the hook that is to run after its deletion. */
export const owesOnly = (row: Pick<RowDraft, 'meta'>): boolean => row.meta.due === 'afterDelete'

/** What went with another: its row goes in the commit that says that the other is gone. */
const takenEntries = (state: EnvState, row: RowDraft, by: RowDraft): Entry[] =>
  [...givenUpEntries(state, row, `it went with ${by.address}`), { t: 'event', at: state.cx.clock.now(), kind: 'resource.goneWith', data: JSON.stringify({ node: row.address, with: by.address }) }]

/** As the row of an object that is whole again: it owns what its inputs say, and no more what it may have owned when a change of it had broken off. */
export function whole(state: EnvState, base: RowDraft, inputs: Fields): RowDraft {
  if (base.status !== 'partial') return base
  const claims = claimsOf(state.type(base.type, base.address), inputs, state.cx.host, { address: base.address, site: undefined })
  return claims ? { ...base, meta: { ...base.meta, claims } } : base
}

/** Makes an object of the base again that the run deleted to make room: same uid, next ordinal, same content; what it refers to may have been made again, too. */
export async function recreation(state: EnvState, base: RowDraft, task: string, storeId: string): Promise<Change> {
  const type = state.type(base.type, base.address)
  const before = await state.inputsOf(base as ResourceRow)
  const inputs = await rewired(state, base, before)
  state.remade.set(base.uid, await state.outputsOfBase(base as ResourceRow))
  const same = inputs === before ? { fingerprint: base.fingerprint, shape: base.shape } : {}
  const row = baseRow(state, whole(state, base, inputs), inputs, base.ordinal + 1, storeId)
  return {
    task, kind: 'create', address: base.address, site: undefined, type, op: 'create', uid: base.uid, ordinal: row.ordinal, physicalName: row.meta.physicalName, undo: true,
    inputs, prior: undefined, row: { ...row, ...same }, opening: claimEntries(state, base.uid, row.meta.claims, []).opening, before: [], also: [],
  }
}

/** The row of the base with these inputs. */
export function baseRow(state: EnvState, base: RowDraft, inputs: Fields, ordinal: number, storeId: string): RowDraft {
  const { protect, retain, tags, deps, claims, physicalName, tainted, tied, wires, hooks, timeouts } = base.meta
  const { replaceWhen: trigger, ...rules } = base.meta.rules ?? {}
  const options: ResolvedOptions = { protect, retain, tags, movedFrom: [], timeoutMs: undefined, retries: undefined, ...(hooks ? { hooks } : {}), ...(timeouts ? { timeouts } : {}), ...rules }
  const row = draftRow(state, { address: base.address, type: state.type(base.type, base.address), uid: base.uid, ordinal, inputs, options, deps, claims, lookup: false, storeId, physicalName, trigger })
  return { ...row, since: base.since, meta: { ...row.meta, ...(tied && { tied }), ...(wires !== undefined && { wires }), ...(tainted && { tainted }) } }
}
