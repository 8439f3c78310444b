import { resolve } from 'node:path'
import { textOf } from '../base/index.ts'
import { compare, decide } from '../diff/index.ts'
import type { Entry } from '../journal/index.ts'
import { masked, type Value } from '../model/index.ts'
import type { ResourceType } from '../provider/index.ts'
import type { ResourceRow, TrashRow } from '../state/index.ts'
import type { RowDraft } from './change.ts'
import type { EngineContext } from './context.ts'
import { asked } from './asked.ts'
import { rulesOf, type Fields } from './facts.ts'
import type { EnvState } from './state.ts'

interface TrashDoc {
  readonly kind: 'data' | 'bound'
  readonly typeName: string
  readonly uid: string
  /** Claims of the data; the path that a secret is bound to, as the program says it. */
  readonly place: string
  /** Uid of the data that a secret was bound to, when its node is known. */
  readonly holder?: string
  readonly inputs: unknown
  readonly docs: { readonly inputs: string; readonly outputs: string }
  readonly shape: string
}
type Place = Pick<TrashDoc, 'kind' | 'place'>

function placeOf(type: ResourceType, inputs: Fields, row: RowDraft): Place | undefined {
  const { holdsData, boundTo } = type
  if (holdsData && asked({ type, method: 'holdsData', at: row, told: [inputs] }, () => holdsData(inputs as never))) return { kind: 'data', place: row.meta.claims.join(' ') }
  const bound = boundTo && asked({ type, method: 'boundTo', at: row, told: [inputs] }, () => boundTo(inputs as never))
  return bound === undefined ? undefined : { kind: 'bound', place: textOf(bound) }
}

/**
 * What holds data is kept in the trash, and so is the secret that was bound to it (decisions 12.4).
 * A secret that another one of the same node replaces for the same data is not: it opens nothing any more.
 */
export async function trashEntries(state: EnvState, row: RowDraft, type: ResourceType, inputs: Fields, docs: TrashDoc['docs']): Promise<Entry[]> {
  const place = placeOf(type, inputs, row)
  if (!place || (place.kind === 'bound' && (await hasSuccessor(state, row, type, place)))) return []
  const holder = place.kind === 'bound' ? await holderOf(state, row, place.place) : undefined
  const doc: TrashDoc = { ...place, typeName: row.type, uid: row.uid, ...(holder === undefined ? {} : { holder }), inputs: masked(inputs as Value), docs, shape: row.shape }
  return [{ t: 'trash.put', row: { id: row.uid, env: state.env.id, address: row.address, type: row.type, at: state.cx.clock.now(), doc: JSON.stringify(doc) } }]
}

/** The other half of a replacement: what stands when the old one goes, what comes back when the new one is taken back. */
async function hasSuccessor(state: EnvState, row: RowDraft, type: ResourceType, place: Place): Promise<boolean> {
  const others = [state.rowAt(row.address), ...[...state.base.values()].filter((b) => b.address === row.address)]
  for (const other of others) {
    if (!other || other.uid === row.uid || other.type !== row.type) continue
    const theirs = await state.inputsOf(other)
    const { boundTo } = type
    if (boundTo && asked({ type, method: 'boundTo', at: other, told: [theirs] }, () => boundTo(theirs as never)) === place.place) return true
  }
  return false
}

/** Among what a secret depends on, the data that it is bound to; it may be about to go itself. */
async function holderOf(state: EnvState, row: RowDraft, place: string): Promise<string | undefined> {
  for (const dep of state.current.values()) {
    if (!row.meta.deps.includes(dep.address)) continue
    const type = state.cx.types.get(dep.type)
    const holdsData = type?.holdsData
    if (!type || !holdsData) continue
    const inputs = await state.inputsOf(dep)
    if (asked({ type, method: 'holdsData', at: dep, told: [inputs] }, () => holdsData(inputs as never)) && Object.values(inputs).includes(place)) return dep.uid
  }
  return undefined
}

/**
 * What a create finds in the trash under the same address, type and place, the newest first: the data that comes back, or the outputs of a bound secret.
 * A secret comes back when it would have been kept had it stood all the time; one that is asked for anew (`anew`) does not come back.
 */
export function fromTrash(state: EnvState, type: ResourceType, row: RowDraft, inputs: Fields, anew: boolean): { readonly drop: Entry; readonly outputs: Fields | undefined } | undefined {
  const place = placeOf(type, inputs, row)
  if (!place || (place.kind === 'bound' && anew)) return undefined
  for (const t of newestFirst(state.trash)) {
    if (t.address !== row.address || t.type !== row.type) continue
    const doc = docOf(t)
    if (doc.kind !== place.kind || doc.place !== place.place) continue
    const drop: Entry = { t: 'trash.drop', id: t.id }
    if (doc.kind === 'data') return { drop, outputs: undefined }
    const open = (field: 'inputs' | 'outputs'): Fields => state.decode({ uid: doc.uid, type: doc.typeName }, field, doc.docs[field])
    if (doc.shape !== row.shape && decide(row as ResourceRow, compare(open('inputs') as Value, inputs as Value), rulesOf(type)).action === 'replace') return undefined
    return { drop, outputs: open('outputs') }
  }
  return undefined
}

/** By uid, which grows with time: what was made later was the valid one later, in whatever order the two were deleted. */
const newestFirst = <T extends { readonly id: string }>(rows: readonly T[]): T[] => [...rows].sort((a, b) => (a.id < b.id ? 1 : -1))

/**
 * A secret whose deletion is still pending, and whose node is made again: it goes first, so that the new one finds it in the trash.
 * Gives    address -> uid of the pending delete.
 */
export function boundComeBack(state: EnvState, created: readonly { readonly address: string; readonly type: ResourceType }[]): Map<string, string> {
  const out = new Map<string, string>()
  const wanted = new Map(created.filter((c) => c.type.boundTo).map((c) => [c.address, c.type.type]))
  if (wanted.size === 0) return out
  for (const r of state.current.values()) {
    if (r.status === 'deleting' && wanted.get(r.address) === r.type && r.uid > (out.get(r.address) ?? '')) out.set(r.address, r.uid)
  }
  return out
}

const docOf = (t: TrashRow): TrashDoc => JSON.parse(t.doc) as TrashDoc

/** Data that left the trash for good. */
export interface GoneData {
  readonly uid: string
  /** Id of its environment. */
  readonly env: string
  /** Absolute: where it stood. */
  readonly path: string
}

/** Deletes the secrets that were bound to data that is gone for good. */
export async function forgetBound(cx: EngineContext, gone: readonly GoneData[]): Promise<void> {
  for (const env of new Set(gone.map((g) => g.env))) {
    const ours = gone.filter((g) => g.env === env)
    const goesWith = (doc: TrashDoc, g: GoneData): boolean => (doc.kind === 'data' ? doc.uid === g.uid : doc.holder === undefined ? resolve(cx.host.root, doc.place) === g.path : doc.holder === g.uid)
    const rows = (await cx.store.trash(env)).filter((t) => ours.some((g) => goesWith(docOf(t), g)))
    if (rows.length > 0) await cx.store.commit(rows.map((t) => ({ t: 'trash.drop' as const, id: t.id })), { env })
  }
}
