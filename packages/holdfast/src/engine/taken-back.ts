import type { Address } from '../model/index.ts'
import type { EnvState } from '../resource/index.ts'
import type { RunRow, TxRow } from '../state/index.ts'

/**
 * What earlier processes took back of the run that ends now: they died before they could say it, and the journal knows. In the order in which it was done.
 */
export async function takenBackBefore(state: EnvState, now: RunRow): Promise<{ readonly address: Address; readonly identity: 'same' | 'new' }[]> {
  const txs: TxRow[] = []
  for (const run of await openBefore(state, now)) txs.push(...(await changesIn(state, run)))
  return txs.filter((tx) => tx.undo && tx.status === 'completed').sort((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0))
    .map((tx) => ({ address: tx.address, identity: anew(state, tx) ? 'new' : 'same' }))
}

const anew = (state: EnvState, tx: TxRow): boolean => tx.op === 'create' || (tx.op === 'update' && state.cx.types.get(tx.type)?.identity === 'new')

const changesIn = async (state: EnvState, run: RunRow): Promise<TxRow[]> => (await state.cx.store.txs({ run: run.id })).filter((tx) => state.holds(tx.address))

const RUNS = 16

/** Runs that this one took over: neither committed nor taken back. */
async function openBefore(state: EnvState, now: RunRow): Promise<RunRow[]> {
  for (let limit = RUNS; ; limit *= 2) {
    const all = await state.cx.store.runs(state.env.id, limit)
    // A change of its own, and a refresh, end no run.
    const runs = all.filter((r) => r.id !== now.id && r.kind !== 'change' && r.kind !== 'refresh')
    // Runs of other parts are none of its own, however they stand.
    const ofPart = state.part ? await Promise.all(runs.map((r) => changesIn(state, r))) : undefined
    const own = ofPart ? runs.filter((_, i) => (ofPart[i] as readonly TxRow[]).length > 0) : runs
    const end = own.findIndex((r) => r.status !== 'incomplete' && r.status !== 'running')
    if (end >= 0) return own.slice(0, end)
    if (all.length < limit) return own
  }
}
