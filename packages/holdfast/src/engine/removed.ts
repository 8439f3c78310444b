import type { Entry } from '../journal/index.ts'
import type { Address } from '../model/index.ts'
import type { PlannedChange } from '../plan/index.ts'
import { givenUpEntries, type EnvState, type RowDraft } from '../resource/index.ts'
import type { ResourceDocs } from '../state/index.ts'

/** Rows in one commit. */
export const MARK_BATCH = 100

/** What left the program is marked before the commit, in batches: then the commit changes one number, however much is to go. */
export async function markRemoved(state: EnvState, changes: readonly PlannedChange[]): Promise<void> {
  const rows: RowDraft[] = []
  const forget = new Set<string>()
  for (const c of changes) {
    if (c.phase !== 'contract' || c.uid === undefined) continue
    const row = state.current.get(c.uid)
    if (!row || row.status === 'deleting') continue
    rows.push(row as RowDraft)
    if (c.doc.action === 'forget') forget.add(row.uid)
  }
  const moved = movedIn(state)
  // What is retained is let go after the commit: a closed row would say that its object is gone, and whoever takes the run back would make it again.
  await inBatches(state, rows, (row, docs) => (forget.has(row.uid) && !row.meta.retain ? givenUpEntries(state, row) : rewritten(state, { ...row, status: 'deleting' }, docs, moved)))
}

/** After a partial run, objects stand that the program has no more: they go after what they use, wherever that has moved. */
export async function followMoves(state: EnvState): Promise<void> {
  const moved = movedIn(state)
  if (moved.size === 0) return
  const rows = [...state.current.values()].filter((r) => (!state.provisional(r) || r.status === 'partial') && r.meta.deps.some((d) => moved.has(d))) as RowDraft[]
  await inBatches(state, rows, (row, docs) => rewritten(state, row, docs, moved))
}

async function inBatches(state: EnvState, rows: readonly RowDraft[], entriesOf: (row: RowDraft, docs: ResourceDocs) => readonly Entry[]): Promise<void> {
  for (let i = 0; i < rows.length; i += MARK_BATCH) {
    const batch = rows.slice(i, i + MARK_BATCH)
    const docs = await state.cx.store.docs(batch)
    await state.commit(batch.flatMap((row, j) => entriesOf(row, docs[j] as ResourceDocs)))
  }
}

/** Addresses of the base whose objects the run has moved, and where they stand. */
function movedIn(state: EnvState): ReadonlyMap<Address, Address> {
  const moved = new Map<Address, Address>()
  for (const was of state.base.values()) {
    const is = state.current.get(was.uid)
    if (is && is.address !== was.address && is.status !== 'deleting') moved.set(was.address, is.address)
  }
  return moved
}

/** A row as the open run has it from now on. What the run has not written names what it uses as that was called before. */
function rewritten(state: EnvState, row: RowDraft, docs: ResourceDocs, moved: ReadonlyMap<Address, Address>): Entry[] {
  const { seq: _seq, ...draft } = row as RowDraft & { seq?: number }
  const provisional = state.provisional(row)
  const named = draft.meta.deps.some((d) => moved.has(d))
  const renamed = !provisional && named
  // What changed half-way names both what it used before and what it was to use.
  const both = provisional && row.status === 'partial' && named
  const deps = both ? [...new Set([...draft.meta.deps, ...draft.meta.deps.flatMap((d) => moved.get(d) ?? [])])] : renamed ? draft.meta.deps.map((d) => moved.get(d) ?? d) : draft.meta.deps
  const meta = deps === draft.meta.deps ? draft.meta : { ...draft.meta, deps }
  return [
    ...(provisional ? [] : [{ t: 'resource.until' as const, uid: row.uid, since: row.since, until: state.next }]),
    // No shape: the next plan compares it with what the program says, which names what it uses in its own way.
    { t: 'resource.put', row: { ...draft, since: state.next, until: undefined, meta, ...(renamed ? { shape: draft.fingerprint } : {}) }, docs },
  ]
}
