import { failure, mutant, type FailureCode } from '../base/index.ts'
import { complete, event, fail, openRecord, type EnvState, type Spooled, type Work } from '../resource/index.ts'
import type { TxRow } from '../state/index.ts'

/**
 * Takes over what an earlier run could not write: the outcomes that it kept beside the store, each in one commit, then the file goes. A crash between
 * the two finds the change settled, and the record says nothing more.
 */
export async function takeSpooled(state: EnvState, abort: AbortSignal): Promise<void> {
  const { cx, env, fence } = state
  if (!cx.spool || !fence || env.seq === 0) return
  const files = cx.spool.list(env.id, fence.fence)
  if (files.length === 0) return
  const { storeId } = await cx.store.meta()
  for (const file of files) {
    let unread = 0
    let beyond = false
    for (const line of file.records) {
      const record = openRecord(state, line)
      if (!record) {
        unread++
        continue
      }
      const tx = await cx.store.tx(record.token)
      if (tx && !state.holds(tx.address)) {
        beyond = true // of a run of another part
        continue
      }
      if (tx && fits(tx, record, env.id) && !mutant('spool-not-read')) await takeOver({ state, run: tx.run, storeId, abort, referred: () => false }, tx, record)
    }
    // What cannot be opened waits for the key; a change that was settled meanwhile makes it useless, and it is dropped then.
    if (!beyond && (unread === 0 || cx.ring)) await cx.spool.drop(file.name)
  }
}

/** A record is of the attempt that the store knows as the newest, and nobody has settled that. */
const fits = (tx: TxRow, r: Spooled, env: string): boolean =>
  tx.env === env && (tx.status === 'sent' || tx.status === 'unknown' || mutant('spool-read-again')) && tx.attempts === r.attempts && tx.epoch === r.epoch

async function takeOver(work: Work, tx: TxRow, { outcome }: Spooled): Promise<void> {
  const { state } = work
  const kept = event(work, 'tx.spooled', tx, { outcome: outcome.kind })
  switch (outcome.kind) {
    case 'partial':
      await state.commit([{ t: 'tx.move', token: tx.token, to: 'sent', set: { target: { ...tx.target, partial: outcome.partial } } }, kept])
      break
    case 'done':
      await complete(work, tx, outcome.outputs === undefined ? undefined : state.decode(tx, 'outputs', outcome.outputs), outcome.note, true, [kept])
      break
    case 'failed': {
      const partial = outcome.partial ?? tx.target.partial
      const known: TxRow = { ...tx, target: { ...tx.target, ...(partial === undefined ? {} : { partial }) } }
      await fail(work, known, outcome.applied, failure(outcome.code as FailureCode, { address: tx.address, message: outcome.message }), [kept])
      break
    }
    default: outcome satisfies never
  }
  state.cx.emit({ type: 'log', node: tx.address, message: `took over what ${tx.op} had answered when the state could not be written` })
}
