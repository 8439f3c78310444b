import type { Address } from '../model/index.ts'
import type { ResourceRow } from '../state/index.ts'
import { readWorld, type Seen } from './refresh.ts'
import type { EnvState } from './state.ts'

export interface Drifted {
  readonly address: Address
  readonly kind: 'changed' | 'gone'
  /** Outputs that differ. */
  readonly paths: readonly string[]
}

/**
 * Reads every object whose type can read, `parallel` at a time, and says which differ from the record. Changes nothing.
 * Of what an update left half-way it says only whether it is gone. What cannot be read at the moment is a failure of the command, not drift: nothing is ever taken for gone because a call failed.
 */
export async function readDriftOf(state: EnvState, rows: readonly ResourceRow[], storeId: string, signal: AbortSignal, parallel: number): Promise<Drifted[]> {
  return driftIn(await readWorld(state, rows, storeId, signal, parallel, true))
}

/** What of the world differs from the record, in order of address. */
export const driftIn = (seen: readonly Seen[]): Drifted[] =>
  seen.flatMap((s): Drifted[] => (s.kind === 'same' ? [] : [{ address: s.row.address, kind: s.kind, paths: s.kind === 'changed' ? s.paths : [] }]))
    .sort((a, b) => (a.address < b.address ? -1 : 1))
