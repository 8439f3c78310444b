import { failure } from '../base/index.ts'
import { compare } from '../diff/index.ts'
import type { Entry } from '../journal/index.ts'
import type { Value } from '../model/index.ts'
import { goneEntries, seeObject, type EnvState, type Fields, type RowDraft, type Seen } from '../resource/index.ts'
import { encodeDoc } from '../secret/index.ts'
import type { ResourceRow } from '../state/index.ts'
import { newRun } from './apply.ts'
import type { DriftDocument } from './documents.ts'
import type { RunOptions } from './session.ts'

export interface RefreshRequest {
  /** Refused when more are gone. */
  readonly allowDeletes?: number | undefined
}

/** What a refresh took over from the world into the record. */
export interface RefreshDocument extends DriftDocument {
  readonly revision: { readonly from: number; readonly to: number }
}

/**
 * Takes what is there over into the record, so that the next plan compares the program with the world as it is: what is gone leaves the record, what
 * was changed is recorded as it stands. No object is touched. What was taken over is a revision of its own.
 *
 * Gives    what differed. Nothing is written when nothing did.
 * Fails    HF4101 while a run is open, HF2501 when more is gone than allowed; whatever a read fails with. The record is as it was then.
 */
export async function refreshOn(state: EnvState, { allowDeletes }: RefreshRequest, o: Pick<RunOptions, 'stop'>): Promise<RefreshDocument> {
  const { cx, env } = state
  if (env.openRun !== undefined) throw failure('HF4101', { message: `Run ${env.openRun} is not finished.`, hint: 'Apply the program, or take the run back; then refresh.' })
  const rows = [...state.current.values()].filter((r) => r.status !== 'deleting' && !state.unknown.has(r.address)) as ResourceRow[]
  const seen = (await seeAll(state, rows, o.stop)).filter(({ is }) => is.kind !== 'same')
  const drifted: DriftDocument['drifted'] = seen.map(({ row, is }) => ({ address: row.address, kind: is.kind as 'changed' | 'gone', paths: is.paths })).sort((a, b) => (a.address < b.address ? -1 : 1))
  const from = env.revision
  if (seen.length === 0) return { drifted, revision: { from, to: from } }
  const gone = drifted.filter((d) => d.kind === 'gone').length
  if (allowDeletes !== undefined && gone > allowDeletes) throw failure('HF2501', { message: `${gone} nodes are gone; ${allowDeletes} may leave the record.`, hint: 'Check that the providers look in the right place, then allow more.' })
  const now = cx.clock.now()
  const run = { ...newRun(state, 'refresh', ''), status: 'committed' as const, phase: 'done' as const, to: state.next, endedAt: now }
  await state.commit([
    ...seen.flatMap(({ row, is }) => (is.now ? changedEntries(state, row, is, is.now) : goneEntries(state, row as RowDraft))),
    { t: 'env.commit', env: env.id, from, to: state.next, partial: env.partial }, { t: 'run.put', row: run },
    { t: 'event', at: now, kind: 'run.committed', data: JSON.stringify({ run: run.id, kind: 'refresh', from, to: from + 1, drifted }) },
  ])
  for (const d of drifted) cx.emit({ type: 'drift.found', run: run.id, node: d.address, message: d.kind })
  return { drifted, revision: { from, to: state.env.revision } }
}

async function seeAll(state: EnvState, rows: readonly ResourceRow[], stop: AbortSignal): Promise<{ readonly row: ResourceRow; readonly is: Seen }[]> {
  const { storeId } = await state.cx.store.meta()
  const out: { row: ResourceRow; is: Seen }[] = []
  let next = 0
  const worker = async () => {
    for (let row = rows[next++]; row; row = rows[next++]) {
      if (stop.aborted) throw failure('HF1008', { message: 'Cancelled; nothing was changed.' })
      const is = await seeObject(state, row, storeId, stop)
      if (is) out.push({ row, is })
    }
  }
  await Promise.all(Array.from({ length: Math.min(state.cx.parallelism, rows.length) }, worker))
  return out
}

function changedEntries(state: EnvState, row: ResourceRow, is: Seen, now: Fields): Entry[] {
  const { ring } = state.cx
  const { seq: _seq, ...draft } = row
  const place = { table: 'resource', row: row.uid, tx: state.cx.ids.next('t'), type: row.type }
  return [
    { t: 'resource.until', uid: row.uid, since: row.since, until: state.next },
    {
      t: 'resource.put',
      // Without a fingerprint the next plan looks at the documents.
      row: { ...draft, since: state.next, fingerprint: '', shape: '' },
      docs: { inputs: encodeDoc(inputsAsSeen(is, now) as Value, { ...place, field: 'inputs' }, ring), outputs: encodeDoc(now as Value, { ...place, field: 'outputs' }, ring) },
    },
  ]
}

/** An input that its output repeats has changed with it: then the program differs, and the next plan says so. */
function inputsAsSeen({ inputs, outputs }: Seen, now: Fields): Fields {
  const same = (a: unknown, b: unknown) => compare(a as Value, b as Value).length === 0
  const out: Record<string, Value | undefined> = { ...inputs }
  for (const k of Object.keys(inputs)) if (k in now && k in outputs && same(inputs[k], outputs[k]) && !same(outputs[k], now[k])) out[k] = now[k] as Value
  return out as Fields
}
