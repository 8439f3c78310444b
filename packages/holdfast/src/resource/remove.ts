import { failure } from '../base/index.ts'
import type { Entry } from '../journal/index.ts'
import type { Value } from '../model/index.ts'
import type { ResourceType } from '../provider/index.ts'
import { masked } from '../model/index.ts'
import type { ResourceRow } from '../state/index.ts'
import type { Change, RowDraft } from './change.ts'
import type { Fields } from './facts.ts'
import { claimEntries, draftRow } from './rows.ts'
import type { EnvState } from './state.ts'

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
    undo: mode === 'withdraw', inputs, prior: { inputs, outputs }, row: undefined, opening: [], before: [],
    also: [...goneEntries(state, row), ...trashEntries(state, row, type, inputs, (await state.docs(row)))],
  }
}

/** The object is gone: its row is closed (the base shows it still) or dropped, and its claims come free. */
export function goneEntries(state: EnvState, row: RowDraft): Entry[] {
  const base = row.since <= state.env.revision && row.status !== 'deleting'
  return [
    base ? { t: 'resource.until', uid: row.uid, since: row.since, until: state.next } : { t: 'resource.drop', uid: row.uid, since: row.since },
    { t: 'claim.drop', uid: row.uid },
  ]
}

interface TrashDoc {
  readonly kind: 'data' | 'bound'
  readonly typeName: string
  readonly uid: string
  readonly place: string
  readonly inputs: unknown
  readonly docs: { readonly inputs: string; readonly outputs: string }
  readonly shape: string
}

/** What holds data is kept in the trash, and so is the secret that was bound to it (decisions 12.4). */
function trashEntries(state: EnvState, row: RowDraft, type: ResourceType, inputs: Fields, docs: { readonly inputs: string; readonly outputs: string }): Entry[] {
  const place = placeOf(type, inputs, row)
  if (!place) return []
  const doc: TrashDoc = { kind: place.kind, typeName: row.type, uid: row.uid, place: place.place, inputs: masked(inputs as Value), docs, shape: row.shape }
  return [{ t: 'trash.put', row: { id: row.uid, env: state.env.id, address: row.address, type: row.type, at: state.cx.clock.now(), doc: JSON.stringify(doc) } }]
}

function placeOf(type: ResourceType, inputs: Fields, row: RowDraft): { readonly kind: 'data' | 'bound'; readonly place: string } | undefined {
  if (type.holdsData?.(inputs as never)) return { kind: 'data', place: row.meta.claims.join(' ') }
  const bound = type.boundTo?.(inputs as never)
  return bound === undefined ? undefined : { kind: 'bound', place: String(bound) }
}

/** What a create finds in the trash under the same address, type and place: the data that comes back, or the outputs of a bound secret. */
export function fromTrash(state: EnvState, type: ResourceType, row: RowDraft, inputs: Fields): { readonly drop: Entry; readonly outputs: Fields | undefined } | undefined {
  const place = placeOf(type, inputs, row)
  if (!place) return undefined
  for (const t of state.trash) {
    if (t.address !== row.address || t.type !== row.type) continue
    const doc = JSON.parse(t.doc) as TrashDoc
    if (doc.kind !== place.kind || doc.place !== place.place || (doc.kind === 'bound' && doc.shape !== row.shape)) continue
    return { drop: { t: 'trash.drop', id: t.id }, outputs: doc.kind === 'bound' ? state.decode({ uid: doc.uid, type: doc.typeName }, 'outputs', doc.docs.outputs) : undefined }
  }
  return undefined
}

/** Makes an object of the base again that the run deleted to make room: same uid, next ordinal, same content. */
export async function recreation(state: EnvState, base: RowDraft, task: string, storeId: string): Promise<Change> {
  const type = state.type(base.type, base.address)
  const inputs = await state.inputsOf(base as ResourceRow)
  const options = { protect: base.meta.protect, retain: base.meta.retain, tags: base.meta.tags, movedFrom: [], timeoutMs: undefined, retries: undefined }
  const row = { ...draftRow(state, { address: base.address, type, uid: base.uid, ordinal: base.ordinal + 1, inputs, options, deps: base.meta.deps, claims: base.meta.claims, lookup: false, storeId, physicalName: base.meta.physicalName }), since: base.since, fingerprint: base.fingerprint, shape: base.shape }
  return {
    task, kind: 'create', address: base.address, site: undefined, type, op: 'create', uid: base.uid, ordinal: row.ordinal, physicalName: row.meta.physicalName, undo: true,
    inputs, prior: undefined, row, opening: claimEntries(state, base.uid, base.meta.claims, []).opening, before: [], also: [],
  }
}
