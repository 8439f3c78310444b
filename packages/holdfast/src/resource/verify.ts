import { compare } from '../diff/index.ts'
import type { Address, Value } from '../model/index.ts'
import type { ResourceRow } from '../state/index.ts'
import { ask, callContext, openInputs, withDeadline, type CallTarget } from './call.ts'
import { openOutputs } from './change.ts'
import { receiveOutputs, type Fields } from './facts.ts'
import type { EnvState } from './state.ts'

export interface Drifted {
  readonly address: Address
  readonly kind: 'changed' | 'gone'
  /** Outputs that differ. */
  readonly paths: readonly string[]
}

/**
 * Reads every object whose type can read, `parallel` at a time, and says which differ from the record. Changes nothing.
 * What cannot be read at the moment is a failure of the command, not drift: nothing is ever taken for gone because a call failed.
 */
export async function readDriftOf(state: EnvState, rows: readonly ResourceRow[], storeId: string, signal: AbortSignal, parallel: number): Promise<Drifted[]> {
  const out: Drifted[] = []
  let next = 0
  const worker = async () => {
    for (let row = rows[next++]; row; row = rows[next++]) {
      const d = await driftOf(state, row, storeId, signal)
      if (d) out.push(d)
    }
  }
  await Promise.all(Array.from({ length: Math.min(parallel, rows.length) }, worker))
  return out.sort((a, b) => (a.address < b.address ? -1 : 1))
}

async function driftOf(state: EnvState, row: ResourceRow, storeId: string, signal: AbortSignal): Promise<Drifted | undefined> {
  const seen = await seeObject(state, row, storeId, signal)
  return seen && seen.kind !== 'same' ? { address: row.address, kind: seen.kind, paths: seen.paths } : undefined
}

export interface Seen {
  readonly kind: 'same' | 'changed' | 'gone'
  readonly paths: readonly string[]
  /** As the record has it. */
  readonly inputs: Fields
  readonly outputs: Fields
  /** As the object is; undefined when it is gone. */
  readonly now: Fields | undefined
}

/** Reads one object and compares it with the record. Undefined: its type cannot read, or could not say. A call that failed is a failure. */
export async function seeObject(state: EnvState, row: ResourceRow, storeId: string, signal: AbortSignal): Promise<Seen | undefined> {
  const type = state.type(row.type, row.address)
  const { read } = type
  if (!read || row.meta.lookup) return undefined
  const inputs = await state.inputsOf(row)
  const outputs = await state.outputsOf(row)
  const target: CallTarget = { token: `read-${row.uid}`, uid: row.uid, ordinal: row.ordinal, epoch: 0, address: row.address, site: undefined, physicalName: row.meta.physicalName }
  const answer = await withDeadline(state, type, signal, (s) => ask(state, row.address, undefined, s, () =>
    read({ ...callContext(state, type, target, storeId, s), inputs: openInputs(state, type, inputs, target) as never, outputs: openOutputs(state, outputs) as never })))
  if (answer.kind === 'rejected') throw answer.error
  if (answer.kind !== 'applied') return undefined
  const gone: Seen = { kind: 'gone', paths: [], inputs, outputs, now: undefined }
  if (answer.raw === undefined) return gone
  const { owner, ...raw } = answer.raw as { owner?: string }
  if (owner === 'other') return gone
  const now = receiveOutputs(type, raw, inputs, state.cx.ring, row.address, false)
  const paths = compare(outputs as Value, now as Value).map((p) => p.path)
  return { kind: paths.length ? 'changed' : 'same', paths, inputs, outputs, now }
}
