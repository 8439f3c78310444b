import { assert, failure, type HoldfastError, type Millis } from '../base/index.ts'
import { classOf, completeLone, dropLone, searchable, type Entry } from '../journal/index.ts'
import type { CallOp } from '../model/index.ts'
import {
  ask, callContext, callInputs, complete, conclude, event, fail, giveUp, nameOfObject, openOutputs, receiveOutputs, searchMark, send, settle, taskRow, withDeadline,
  type EnvState, type Fields, type Work,
} from '../resource/index.ts'
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

/** What `run settle` accepts for a transaction, as flags. What failed half-way is made whole by the next apply: there is no sending it again by hand. */
export function actionsFor(tx: TxRow): string[] {
  if (tx.target.change !== undefined) return ['--to previous', '--to new', '--abandon']
  const ways = tx.op === 'create' ? ['--adopt ID', '--absent'] : ['--to previous', '--to new']
  return [...(tx.status === 'failed' ? [] : ['--retry']), ...ways, '--abandon']
}

/** The unsettled transaction. Fails HF6003. */
async function openTx(state: EnvState, token: string): Promise<TxRow> {
  const tx = await state.cx.store.tx(token)
  if (!tx || tx.env !== state.env.id || !unresolved(tx)) throw failure('HF6003', { message: `There is no unsettled change ${token} in ${state.env.app}/${state.env.name}.` })
  return tx
}

const workOf = async (state: EnvState, tx: TxRow, abort: AbortSignal): Promise<Work> => ({ state, run: tx.run, storeId: (await state.cx.store.meta()).storeId, abort, referred: () => false })

/** What a change may have left in the world, as far as anything tells: ids that it reported, names that were chosen for it, and what carries its mark now. */
export async function objectsOf(state: EnvState, token: string): Promise<{ readonly address: string; readonly op: string; readonly objects: readonly string[] }> {
  const tx = await openTx(state, token)
  const names = new Set<string>()
  for (const text of [tx.target.partial, tx.target.prior?.outputs]) {
    if (text === undefined) continue
    const outputs = state.decode(tx, 'outputs', text)
    if (Object.keys(outputs).length > 0) names.add(nameOfObject(outputs))
  }
  const name = tx.target.row?.meta.physicalName
  if (name !== undefined) names.add(name)
  const type = state.cx.types.get(tx.type)
  if (type && searchable(tx.capability, type.find !== undefined)) {
    const control = new AbortController()
    for (const o of (await searchMark(await workOf(state, tx, control.signal), tx, type, control.signal)) ?? []) names.add(nameOfObject(o))
  }
  return { address: tx.address, op: tx.op, objects: [...names] }
}

/**
 * Settles one transaction by a person's word, which is recorded as evidence and as an event of its own (`tx.byHand`), in the commit that makes it true.
 *
 * Gives    the transaction as it is now; it is still `unknown` when a request that was sent again was lost or turned away.
 * Fails    HF6003 when there is no such unsettled transaction, HF6007 when the way does not fit it, or what the provider says contradicts it.
 */
export async function settleByHand(state: EnvState, token: string, how: SettleHow): Promise<Record<string, unknown>> {
  const { cx } = state
  const tx = await openTx(state, token)
  // Before anything is sent again: a commit would find it out too late.
  assert(state.holds(tx.address), 'settle: the session holds a part, and the change lies beyond it')
  const flag = how.kind === 'to' ? `--to ${how.state}` : how.kind === 'adopt' ? '--adopt ID' : `--${how.kind}`
  const can = actionsFor(tx)
  if (!can.includes(flag)) throw failure('HF6007', { address: tx.address, message: `${flag} does not fit a ${tx.op} that is ${tx.status}.`, hint: `Use one of ${can.join(', ')}.` })
  if (tx.target.change !== undefined) {
    await settleLone(state, tx, how)
    return settledDocument(state, token)
  }
  const control = new AbortController()
  const work = await workOf(state, tx, control.signal)
  const said = `settled by hand: ${how.kind === 'adopt' ? `--adopt ${how.id}` : flag}`
  const { id: holder, host, pid } = cx.holder
  const audit = event(work, 'tx.byHand', tx, { how: said, from: tx.status, holder, host, pid })
  const word = () => failure('HF3101', { address: tx.address, message: said })
  switch (how.kind) {
    case 'retry': await retry(work, tx, audit, control.signal); break
    case 'adopt': await complete(work, tx, await readObject(work, tx, how.id), said, true, [...overPartial(state, tx), audit]); break
    case 'absent': await fail(work, tx, 'no', word(), [...neverMade(state, tx), audit]); break
    case 'to':
      if (how.state === 'previous') await fail(work, tx, 'no', word(), [...asBefore(state, tx), audit])
      else await complete(work, tx, tx.op === 'delete' ? undefined : await readObject(work, tx, undefined), said, true, [...overPartial(state, tx), audit])
      break
    case 'abandon':
      await state.commit([
        // Asked about and not settled by a dead run: it was unknown before it was given up.
        ...(tx.status === 'sent' ? [{ t: 'tx.move' as const, token: tx.token, to: 'unknown' as const, set: {} }] : []),
        { t: 'tx.move', token: tx.token, to: 'abandoned', set: { endedAt: cx.clock.now(), evidence: said } },
        { t: 'task.put', row: taskRow(work, tx, tx.op, 'failure', said, undefined) },
        ...(tx.op === 'create' && !state.current.has(tx.uid) ? [{ t: 'claim.drop' as const, uid: tx.uid }] : []),
        event(work, 'tx.abandoned', tx, { evidence: said }), audit,
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

/** How long a call for the object of a change may take, as its node says; undefined: as its type does. */
export const ownDeadline = (state: EnvState, tx: TxRow, op: CallOp = tx.op): Millis | undefined => (tx.target.row ?? state.current.get(tx.uid))?.meta.timeouts?.[op]

/** A person vouches that sending this one request again is safe. What it does not settle is settled as the type declares, or stays unknown. */
async function retry(work: Work, tx: TxRow, audit: Entry, signal: AbortSignal): Promise<void> {
  const { state } = work
  const type = state.type(tx.type, tx.address)
  const deadlineMs = ownDeadline(state, tx)
  const lastSentAt = state.cx.clock.now()
  const row: TxRow = { ...tx, status: 'sent', attempts: tx.attempts + 1, lastSentAt }
  await state.commit([{ t: 'tx.move', token: tx.token, to: 'sent', set: { attempts: row.attempts, lastSentAt } }, event(work, 'tx.resent', row, { attempt: row.attempts }), audit])
  const sent = await withDeadline(state, { timeoutMs: deadlineMs ?? type.timeoutMs }, signal, (s) => send(work, row, type, undefined, s, undefined, true))
  const { tx: after, result } = await conclude(work, sent.tx, type, undefined, sent.answer, state.decode(row, 'inputs', row.target.inputs), true)
  if (result.kind === 'done') return
  if (result.kind === 'failed' && result.applied === 'partly') return fail(work, result.tx, 'partly', result.error)
  const evidence = `sent again by hand: ${result.kind === 'failed' ? `rejected (${result.error.message}), which does not tell whether the lost call was applied` : result.evidence}`
  if (classOf(tx.op, tx.capability, type.read !== undefined, type.find !== undefined) === 'D') {
    await giveUp(work, after, evidence)
    return
  }
  const settled = await settle(work, after, evidence, false, undefined, signal, deadlineMs)
  if (settled.kind === 'failed') await fail(work, settled.tx, settled.applied, settled.error)
}

/** The row that a half-failed undo left in place of the one that stands when it is complete. */
function overPartial(state: EnvState, tx: TxRow): Entry[] {
  const standing = tx.status === 'failed' ? state.current.get(tx.uid) : undefined
  const { row } = tx.target
  return standing && row && standing.since !== row.since ? [{ t: 'resource.drop', uid: standing.uid, since: standing.since }] : []
}

/** What stands for an object that was made half-way, and is not there. */
function neverMade(state: EnvState, tx: TxRow): Entry[] {
  const standing = tx.status === 'failed' ? state.current.get(tx.uid) : undefined
  return standing?.status === 'partial' ? [{ t: 'resource.drop', uid: standing.uid, since: standing.since }] : []
}

/** An object that was changed half-way stands as it was: its row of the base again, or one with the former documents that the next plan compares with the program. */
function asBefore(state: EnvState, tx: TxRow): Entry[] {
  const standing = tx.status === 'failed' ? state.current.get(tx.uid) : undefined
  const { prior, row } = tx.target
  if (!standing || standing.status !== 'partial' || !prior) return []
  const base = state.base.get(tx.uid)
  if (base && standing.since === state.next && base.ordinal === standing.ordinal) {
    return [
      { t: 'resource.drop', uid: standing.uid, since: standing.since }, { t: 'resource.until', uid: base.uid, since: base.since, until: undefined },
      ...base.meta.claims.map((key): Entry => ({ t: 'claim.put', row: { key, env: state.env.id, uid: base.uid, until: undefined } })),
      ...(row?.meta.claims ?? []).filter((key) => !base.meta.claims.includes(key)).map((key): Entry => ({ t: 'claim.drop', uid: base.uid, key })),
    ]
  }
  const { whole: _whole, ...meta } = standing.meta
  const { seq: _seq, ...draft } = standing as typeof standing & { readonly seq?: number }
  return [{ t: 'resource.put', row: { ...draft, status: 'ready', meta, fingerprint: '', shape: '' }, docs: prior }]
}

async function readObject(work: Work, tx: TxRow, id: string | undefined): Promise<Fields> {
  const { state } = work
  const type = state.type(tx.type, tx.address)
  const control = new AbortController()
  if (!type.read && id !== undefined && searchable(tx.capability, type.find !== undefined)) {
    const found = (await searchMark(work, tx, type, control.signal))?.find((o) => nameOfObject(o) === id)
    if (!found) throw failure('HF6007', { address: tx.address, message: `${tx.type} finds no object ${id} that carries the mark of ${tx.address}.` })
    return found
  }
  const inputs = state.decode(tx, 'inputs', tx.target.inputs)
  const known = tx.target.prior?.outputs ?? tx.target.partial
  const prior = known === undefined ? undefined : state.decode(tx, 'outputs', known)
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
  const answer = await withDeadline(state, { timeoutMs: ownDeadline(state, tx, 'read') ?? type.timeoutMs }, control.signal, (signal) => ask(state, tx.address, undefined, signal, () =>
    read({ ...callContext(state, type, target, work.storeId, signal), inputs: callInputs(type, inputs, target) as never, outputs: openOutputs(state, given) as never })))
  if (answer.kind === 'rejected') throw answer.error
  if (answer.kind !== 'applied' || answer.raw === undefined) throw failure('HF6007', { address: tx.address, message: `${tx.type} finds no such object${id === undefined ? '' : ` ${id}`}.` }) satisfies HoldfastError
  const { owner: _owner, ...raw } = answer.raw as Record<string, unknown>
  return receiveOutputs(type, raw, inputs, state.cx.ring, tx.address, false)
}
