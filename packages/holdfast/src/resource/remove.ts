import { failure, mutant } from '../base/index.ts'
import type { Entry } from '../journal/index.ts'
import type { ResourceRow } from '../state/index.ts'
import type { Change, RowDraft } from './change.ts'
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
export async function removalOf(state: EnvState, row: RowDraft, task: string, mode: RemovalMode): Promise<Change | undefined> {
  if (row.meta.lookup) return undefined
  const type = state.cx.types.get(row.type)
  if (!type) throw failure('HF3114', { address: row.address, message: `${row.address} is a ${row.type}, and no such type is declared or installed, so it cannot be deleted.` })
  const inputs = await state.inputsOf(row as ResourceRow)
  const outputs = await state.outputsOf(row as ResourceRow)
  return {
    task, kind: 'delete', address: row.address, site: undefined, type, op: 'delete', uid: row.uid, ordinal: row.ordinal, physicalName: row.meta.physicalName,
    undo: mode === 'withdraw', inputs, prior: { inputs, outputs }, row: undefined, opening: [], before: [], hooks: row.meta.hooks,
    also: [...goneEntries(state, row), ...(await trashEntries(state, row, type, inputs, await state.docs(row)))],
  }
}

/** The object is gone: its row is closed (the base shows it still) or dropped, and its claims come free. */
export function goneEntries(state: EnvState, row: RowDraft): Entry[] {
  const base = row.since <= state.env.revision && row.status !== 'deleting'
  return [
    base ? { t: 'resource.until', uid: row.uid, since: row.since, until: state.next } : { t: 'resource.drop', uid: row.uid, since: row.since },
    ...(mutant('claims-never-released') ? [] : [{ t: 'claim.drop' as const, uid: row.uid }]),
  ]
}

/** Makes an object of the base again that the run deleted to make room: same uid, next ordinal, same content. */
export async function recreation(state: EnvState, base: RowDraft, task: string, storeId: string): Promise<Change> {
  const type = state.type(base.type, base.address)
  const inputs = await state.inputsOf(base as ResourceRow)
  const options = { protect: base.meta.protect, retain: base.meta.retain, tags: base.meta.tags, movedFrom: [], timeoutMs: undefined, retries: undefined, ...(base.meta.hooks ? { hooks: base.meta.hooks } : {}), ...(base.meta.timeouts ? { timeouts: base.meta.timeouts } : {}) }
  const row = { ...draftRow(state, { address: base.address, type, uid: base.uid, ordinal: base.ordinal + 1, inputs, options, deps: base.meta.deps, claims: base.meta.claims, lookup: false, storeId, physicalName: base.meta.physicalName }), since: base.since, fingerprint: base.fingerprint, shape: base.shape }
  return {
    task, kind: 'create', address: base.address, site: undefined, type, op: 'create', uid: base.uid, ordinal: row.ordinal, physicalName: row.meta.physicalName, undo: true,
    inputs, prior: undefined, row, opening: claimEntries(state, base.uid, base.meta.claims, []).opening, before: [], also: [],
  }
}
