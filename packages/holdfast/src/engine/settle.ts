import { failure, type HoldfastError } from '../base/index.ts'
import { completeLone, dropLone } from '../journal/index.ts'
import { ask, withDeadline, callContext, callInputs, complete, event, fail, openOutputs, receiveOutputs, settle, taskRow, type EnvState, type Fields, type Work } from '../resource/index.ts'
import { unresolved, type TxRow } from '../state/index.ts'

/** A person's word about a change that nobody else can settle (decisions 7). */
export type SettleHow =
  /** Send the identical request again. */
  | { readonly kind: 'retry' }
  /** The object exists: this is its id. */
  | { readonly kind: 'adopt'; readonly id: string }
  /** It does not exist: the change did not happen. */
  | { readonly kind: 'absent' }
  /** The object is as before the change, or as after it. */
  | { readonly kind: 'to'; readonly state: 'previous' | 'new' }
  /** Nobody will look after the object. */
  | { readonly kind: 'abandon' }

/** What `run settle` accepts for a transaction, as flags. */
export function actionsFor(tx: TxRow): string[] {
  if (tx.target.change !== undefined) return ['--to previous', '--to new', '--abandon']
  if (tx.status === 'failed') return ['--abandon']
  const out = ['--retry']
  if (tx.op === 'create') out.push('--adopt ID', '--absent')
  else out.push('--to previous', '--to new')
  return [...out, '--abandon']
}

/**
 * Settles one transaction by a person's word, which is recorded as evidence.
 *
 * Fails    HF6003 when there is no such unsettled transaction, HF6007 when the way does not fit it, or what the provider says contradicts it.
 */
export async function settleByHand(state: EnvState, token: string, how: SettleHow): Promise<Record<string, unknown>> {
  const { cx } = state
  const tx = await cx.store.tx(token)
  if (!tx || tx.env !== state.env.id || !unresolved(tx)) throw failure('HF6003', { message: `There is no unsettled change ${token} in ${state.env.app}/${state.env.name}.` })
  const flag = how.kind === 'to' ? `--to ${how.state}` : how.kind === 'adopt' ? '--adopt ID' : `--${how.kind}`
  const can = actionsFor(tx)
  if (!can.includes(flag)) throw failure('HF6007', { address: tx.address, message: `${flag} does not fit a ${tx.op} that is ${tx.status}.`, hint: `Use one of ${can.join(', ')}.` })
  if (tx.target.change !== undefined) {
    await settleLone(state, tx, how)
    return settledDocument(state, token)
  }
  const { storeId } = await cx.store.meta()
  const control = new AbortController()
  const work: Work = { state, run: tx.run, storeId, abort: control.signal, referred: () => false }
  const said = `settled by hand: ${flag}`
  switch (how.kind) {
    case 'retry': await retry(work, tx, control.signal); break
    case 'adopt': await complete(work, tx, await readObject(work, tx, how.id), `${said} ${how.id}`, true); break
    case 'absent': await fail(work, tx, 'no', failure('HF3101', { address: tx.address, message: said })); break
    case 'to':
      if (how.state === 'previous') await fail(work, tx, 'no', failure('HF3101', { address: tx.address, message: said }))
      else await complete(work, tx, tx.op === 'delete' ? undefined : await readObject(work, tx, undefined), said, true)
      break
    case 'abandon':
      await state.commit([
        { t: 'tx.move', token: tx.token, to: 'abandoned', set: { endedAt: cx.clock.now(), evidence: said } },
        { t: 'task.put', row: taskRow(work, tx, tx.op, 'failure', said, undefined) },
        ...(tx.op === 'create' && !state.current.has(tx.uid) ? [{ t: 'claim.drop' as const, uid: tx.uid }] : []),
        event(work, 'tx.abandoned', tx, { evidence: said }),
      ])
      break
    default: how satisfies never
  }
  return settledDocument(state, token)
}

async function settledDocument(state: EnvState, token: string): Promise<Record<string, unknown>> {
  const now = (await state.cx.store.tx(token)) as TxRow
  return { tx: now.token, address: now.address, op: now.op, status: now.status, applied: now.applied ?? null, evidence: now.evidence ?? null, openRun: state.env.openRun ?? null }
}

/** A change that no run planned, by a person's word: as before, as it was to become (with the outputs it had), or given up. */
async function settleLone(state: EnvState, tx: TxRow, how: SettleHow): Promise<void> {
  const { cx, env } = state
  const lone = { tx, env, holder: cx.holder, now: cx.clock.now() }
  const said = `settled by hand: ${how.kind === 'to' ? `--to ${how.state}` : '--abandon'}`
  if (how.kind !== 'to' || how.state === 'previous') return state.commit(dropLone(lone, how.kind === 'to' ? 'previous' : 'abandoned', said))
  const { row, inputs, prior } = tx.target
  const outputs = prior?.outputs ?? '{}'
  const old = state.current.get(tx.uid)
  const put = row && { row: prior ? row : { ...row, meta: { ...row.meta, noOutputs: true } }, docs: { inputs, outputs } }
  return state.commit(completeLone(lone, { old, put, evidence: said }))
}

async function retry(work: Work, tx: TxRow, signal: AbortSignal): Promise<void> {
  // A person vouches that sending again is safe: the class does not matter for this one call.
  const again: TxRow = { ...tx, capability: { ...tx.capability, maxCallMs: 0, update: 'full', create: { token: { windowMs: Number.MAX_SAFE_INTEGER } } } }
  const result = await settle(work, again, 'sent again by hand', false, undefined, signal)
  if (result.kind === 'failed') await fail(work, result.tx, result.applied, result.error)
}

async function readObject(work: Work, tx: TxRow, id: string | undefined): Promise<Fields> {
  const { state } = work
  const type = state.type(tx.type, tx.address)
  const inputs = state.decode(tx, 'inputs', tx.target.inputs)
  const prior = tx.target.prior ? state.decode(tx, 'outputs', tx.target.prior.outputs) : undefined
  const given: Fields = { ...prior, ...(id !== undefined && 'id' in type.outputs.shape ? { id } : {}) }
  const target = { token: tx.token, uid: tx.uid, ordinal: tx.ordinal, epoch: tx.epoch, address: tx.address, site: undefined, physicalName: tx.target.row?.meta.physicalName }
  const { read } = type
  if (!read) {
    try {
      return receiveOutputs(type, openOutputs(state, given), inputs, state.cx.ring, tx.address, false)
    } catch (cause) {
      throw failure('HF6007', { address: tx.address, message: `${tx.type} cannot read an object, and an id alone is not all that it gives.`, hint: 'Use --absent after removing the object by hand, or --abandon.', cause })
    }
  }
  const control = new AbortController()
  const answer = await withDeadline(state, type, control.signal, (signal) => ask(state, tx.address, undefined, signal, () =>
    read({ ...callContext(state, type, target, work.storeId, signal), inputs: callInputs(type, inputs, target) as never, outputs: openOutputs(state, given) as never })))
  if (answer.kind === 'rejected') throw answer.error
  if (answer.kind !== 'applied' || answer.raw === undefined) throw failure('HF6007', { address: tx.address, message: `${tx.type} finds no such object${id === undefined ? '' : ` ${id}`}.` }) satisfies HoldfastError
  const { owner: _owner, ...raw } = answer.raw as Record<string, unknown>
  return receiveOutputs(type, raw, inputs, state.cx.ring, tx.address, false)
}
