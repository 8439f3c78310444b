import { isFailure, type EpochMs } from '../base/index.ts'
import type { TxRow } from '../state/index.ts'
import type { EnvState } from './state.ts'

/** What became of a call, as far as the store could not be told. Documents are sealed as they would stand in a row. */
export type SpooledOutcome =
  | { readonly kind: 'done'; readonly outputs: string | undefined; readonly note: string | undefined }
  | { readonly kind: 'failed'; readonly applied: 'no' | 'partly'; readonly code: string; readonly message: string; readonly partial: string | undefined }
  /** It reported this on the way. */
  | { readonly kind: 'partial'; readonly partial: string }

export interface Spooled {
  readonly token: string
  /** The attempt that was answered; a record of an earlier one says nothing any more. */
  readonly attempts: number
  readonly epoch: number
  readonly at: EpochMs
  readonly outcome: SpooledOutcome
}

const placeOf = (token: string) => ({ table: 'spool', row: token, field: 'outcome', tx: token })

/** Failures of the store itself: what was to be written may be written later. */
const storeGone = (e: unknown): boolean => isFailure(e) && e.code.startsWith('HF400')

/**
 * Keeps the outcome of a call beside a store that could not take it, and goes on with the failure. The next run reads it before it settles anything.
 * The record is sealed as a whole where there is a key: it holds no secret in clear, and nobody without the key can make one.
 */
export async function keepOutcome(state: EnvState, tx: TxRow, outcome: SpooledOutcome, why: unknown): Promise<void> {
  const { cx, fence } = state
  if (!cx.spool || !fence || !storeGone(why)) return
  const record: Spooled = { token: tx.token, attempts: tx.attempts, epoch: tx.epoch, at: cx.clock.now(), outcome }
  const text = JSON.stringify(record)
  try {
    await cx.spool.put(state.env.id, fence.fence, JSON.stringify({ token: tx.token, ...(cx.ring ? { sealed: cx.ring.seal(text, placeOf(tx.token)) } : { open: text }) }))
    cx.emit({ type: 'log', node: tx.address, message: `the state cannot be written; what ${tx.op} of ${tx.address} answered is kept beside it, and the next command takes it over` })
  } catch (e) {
    cx.emit({ type: 'log', node: tx.address, message: `what ${tx.op} of ${tx.address} answered could not be kept beside the state either: ${e instanceof Error ? e.message : String(e)}` })
  }
}

/** Undefined: this program has no key for it, or somebody else made it. */
export function openRecord(state: EnvState, line: string): Spooled | undefined {
  const { ring } = state.cx
  try {
    const { token, sealed, open } = JSON.parse(line) as { token: string; sealed?: string; open?: string }
    const text = ring ? sealed && ring.open(sealed, placeOf(token)) : open
    const record = typeof text === 'string' ? (JSON.parse(text) as Spooled) : undefined
    return record?.token === token ? record : undefined
  } catch {
    return undefined
  }
}
