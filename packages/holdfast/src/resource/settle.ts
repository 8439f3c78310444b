import { failure, mutant, type HoldfastError, type Millis, type Site } from '../base/index.ts'
import { compare } from '../diff/index.ts'
import { classOf, recover, type LostCall } from '../journal/index.ts'
import { masked, type Value } from '../model/index.ts'
import type { ResourceType } from '../provider/index.ts'
import type { TxRow } from '../state/index.ts'
import { ask, callContext, foundIn, openInputs, withDeadline, type Answer } from './call.ts'
import { callTarget, complete, conclude, event, openOutputs, priorOf, send, taskRow, type ChangeResult, type Work } from './change.ts'
import { idIn, receiveOutputs, type Fields } from './facts.ts'

export type Settled = ChangeResult | { readonly kind: 'unknown'; readonly tx: TxRow; readonly evidence: string }

/**
 * Finds out what became of a call whose answer was lost, and goes on from there: by token, by name or by reading, as the type declares; never by
 * time alone. Decides with {@link recover}; this only acts.
 *
 * Takes    `deadlineMs`: of one call; the type's when the node says nothing.
 * Gives    `done`, `failed` (not written yet: the caller writes it with `fail`), or `unknown` (written: the transaction waits for a person).
 */
export async function settle(work: Work, tx: TxRow, evidence: string, timedOut: boolean, site: Site | undefined, signal: AbortSignal, deadlineMs?: Millis): Promise<Settled> {
  const { state } = work
  const { clock } = state.cx
  const type = state.cx.types.get(tx.type)
  if (!type) return giveUp(work, tx, `the type ${tx.type} is not available, so nobody can ask`)
  const limit = { timeoutMs: deadlineMs ?? type.timeoutMs }
  let row = tx
  let found: Fields | undefined
  let lastError: HoldfastError | undefined
  let lastSaid: string | undefined
  let call: LostCall = {
    op: tx.op, class: classOf(tx.op, tx.capability, type.read !== undefined, type.find !== undefined), capability: tx.capability, now: 0,
    firstSentAt: tx.firstSentAt ?? tx.openedAt, lastAmbiguousAt: tx.lastSentAt ?? tx.openedAt,
    resends: 0, lastResend: 'none', resentAt: 0, look: 'none', lookedAt: 0, looks: 0, readable: type.read !== undefined, findable: type.find !== undefined,
  }
  for (;;) {
    call = { ...call, now: clock.now() }
    const next = recover(call)
    switch (next.act) {
      case 'wait': {
        state.cx.emit({ type: 'task.progress', run: work.run, node: tx.address, message: `${next.why}: waiting ${Math.ceil((next.untilMs - call.now) / 1000)} s` })
        try {
          await clock.sleep(Math.max(0, next.untilMs - call.now), work.abort)
        } catch {
          return { kind: 'lost', tx: row, evidence, timedOut }
        }
        if (call.look === 'failed') call = { ...call, look: 'none' }
        break
      }
      case 'look': {
        const look = await (next.by === 'find' ? searchFor : lookAt)(work, row, type, signal, limit)
        found = look.outputs
        if (look.said !== undefined) lastSaid = look.said
        const lookedAt = clock.now()
        call = { ...call, look: look.what, lookedAt, looks: call.looks + 1, candidates: look.candidates, absentAt: look.what === 'absent' ? call.absentAt ?? lookedAt : undefined }
        break
      }
      case 'resend': {
        const sentAt = clock.now()
        row = { ...row, status: 'sent', attempts: row.attempts + 1, lastSentAt: sentAt, ...(next.fresh ? { epoch: row.epoch + 1, firstSentAt: sentAt } : {}) }
        const set = { attempts: row.attempts, lastSentAt: sentAt, ...(next.fresh ? { epoch: row.epoch, firstSentAt: sentAt } : {}) }
        if (!mutant('resend-not-recorded')) await state.commit([{ t: 'tx.move', token: row.token, to: 'sent', set }, event(work, 'tx.resent', row, { attempt: row.attempts })])
        const again = row
        const sent = await withDeadline(state, limit, signal, (s) => send(work, again, type, site, s))
        const end = await conclude(work, sent.tx, type, site, sent.answer, state.decode(row, 'inputs', row.target.inputs), true)
        row = end.tx
        if (end.result.kind === 'done') return end.result
        if (end.result.kind === 'failed' && end.result.applied === 'partly') return end.result
        const ambiguous = end.result.kind === 'lost'
        call = {
          ...call, resends: call.resends + 1, lastResend: ambiguous ? 'ambiguous' : end.result.kind === 'failed' && end.result.final ? 'refused' : 'rejected', resentAt: clock.now(),
          look: 'none', absentAt: undefined, firstSentAt: row.firstSentAt ?? call.firstSentAt, ...(ambiguous && !mutant('quarantine-from-first-attempt') ? { lastAmbiguousAt: row.lastSentAt ?? sentAt } : {}),
        }
        if (end.result.kind === 'lost') lastSaid = end.result.evidence
        lastError = end.result.kind === 'failed' ? end.result.error : undefined
        if (work.abort.aborted) return { kind: 'lost', tx: row, evidence, timedOut }
        break
      }
      case 'complete': return complete(work, row, found, undefined, true)
      case 'fail': {
        const why = timedOut ? `${tx.address} took too long; ${next.why}.` : `${tx.address}: ${evidence}; ${next.why}.`
        const error = lastError ?? failure(next.nameTaken ? 'HF3104' : timedOut ? 'HF3105' : 'HF3101', { address: tx.address, site, message: why })
        return { kind: 'failed', tx: row, error, applied: next.applied }
      }
      case 'unknown': return giveUp(work, row, [evidence, ...(lastSaid === undefined || lastSaid === evidence ? [] : [lastSaid]), next.why].join('; '))
      default: next satisfies never
    }
  }
}

/** The transaction waits for a person, or for the next apply to ask again. */
export async function giveUp(work: Work, tx: TxRow, evidence: string): Promise<Settled> {
  const { state } = work
  if (tx.status === 'unknown' && tx.evidence === evidence) return { kind: 'unknown', tx, evidence }
  await state.commit([
    // Asked again, and what is known now is something else.
    ...(tx.status === 'unknown' ? [{ t: 'tx.move' as const, token: tx.token, to: 'sent' as const, set: {} }] : []),
    { t: 'tx.move', token: tx.token, to: 'unknown', set: { evidence } },
    { t: 'task.put', row: taskRow(work, tx, tx.op, 'failure', evidence, undefined) },
    event(work, 'tx.unknown', tx, { evidence }),
  ])
  const row: TxRow = { ...tx, status: 'unknown', evidence }
  state.unknown.set(tx.address, row)
  return { kind: 'unknown', tx: row, evidence }
}

interface Look {
  readonly what: LostCall['look']
  readonly outputs?: Fields
  readonly candidates?: readonly string[]
  /** Why it could not be made. */
  readonly said?: string
}
type Limit = Pick<ResourceType, 'timeoutMs'>

/** The name leads to an object that another row stands for: that which is to be replaced, under the same name. */
function hasOwner({ state }: Work, tx: TxRow, outputs: Fields): boolean {
  const id = idIn(outputs)
  if (id === undefined) return false
  for (const rows of [state.current, state.base]) for (const r of rows.values()) if (r.uid !== tx.uid && r.type === tx.type && r.meta.physicalId === id) return true
  return false
}

/** Reads the object of a lost call and says what it is. */
async function lookAt(work: Work, tx: TxRow, type: ResourceType, signal: AbortSignal, limit: Limit): Promise<Look> {
  const { state } = work
  const { read } = type
  if (!read) return { what: 'failed' }
  const inputs = state.decode(tx, 'inputs', tx.target.inputs)
  const prior = priorOf(state, tx)
  const target = callTarget(tx, undefined)
  const partial = tx.target.partial === undefined ? undefined : state.decode(tx, 'outputs', tx.target.partial)
  const answer = await withDeadline(state, limit, signal, (s) => ask(state, tx.address, undefined, s, () => {
    const outputs = prior?.outputs ?? partial
    return read({
      ...callContext(state, type, target, work.storeId, s), inputs: openInputs(state, type, inputs, target) as never,
      ...(outputs ? { outputs: openOutputs(state, outputs) as never } : {}),
    })
  }))
  if (answer.kind !== 'applied') return { what: 'failed', said: answer.kind === 'unknown' ? answer.evidence : answer.kind === 'rejected' ? answer.error.message : answer.message }
  if (answer.raw === undefined) return { what: 'absent' }
  const { owner, ...raw } = answer.raw as { owner?: string }
  let outputs: Fields
  try {
    outputs = receiveOutputs(type, raw, inputs, state.cx.ring, tx.address, false)
  } catch {
    return { what: 'failed' }
  }
  if (tx.op === 'create') return { what: (owner === 'other' && !mutant('foreign-adopted')) || (owner === undefined && hasOwner(work, tx, outputs)) ? 'foreign' : 'ours', outputs }
  return { what: compareUpdate(inputs, prior?.inputs ?? {}, outputs, prior?.outputs ?? {}), outputs }
}

/** Searches for the objects that carry the mark of a lost call. */
async function searchFor(work: Work, tx: TxRow, type: ResourceType, signal: AbortSignal, limit: Limit): Promise<Look> {
  const { state } = work
  const objects = await searchMark(work, tx, type, signal, limit)
  if (objects === undefined) return { what: 'failed' }
  const [one, ...more] = objects
  if (one === undefined) return { what: 'absent' }
  if (more.length > 0) return { what: 'several', candidates: objects.map(nameOfObject) }
  if (tx.op === 'create') return { what: 'ours', outputs: one }
  const prior = priorOf(state, tx)
  return { what: compareUpdate(state.decode(tx, 'inputs', tx.target.inputs), prior?.inputs ?? {}, one, prior?.outputs ?? {}), outputs: one }
}

/** Asks the type's `find` for the mark of a transaction. Undefined: it could not be asked, or what it gave has the wrong shape. */
export async function searchMark(work: Work, tx: TxRow, type: ResourceType, signal: AbortSignal, limit: Limit = type): Promise<readonly Fields[] | undefined> {
  const { state } = work
  const { find } = type
  if (!find) return undefined
  const inputs = state.decode(tx, 'inputs', tx.target.inputs)
  const target = callTarget(tx, undefined)
  const answer: Answer = await withDeadline(state, limit, signal, (s) => ask(state, tx.address, undefined, s, () =>
    find({ ...callContext(state, type, target, work.storeId, s), inputs: openInputs(state, type, inputs, target) as never })))
  if (answer.kind !== 'applied') return undefined
  const objects: Fields[] = []
  try {
    for (const each of foundIn(answer.raw)) {
      const { owner, ...raw } = each as { owner?: string }
      if (owner !== 'other') objects.push(receiveOutputs(type, raw, inputs, state.cx.ring, tx.address, false))
    }
  } catch {
    return undefined
  }
  return objects
}

/** How a person tells one object from another: by its id, else by what of it is no secret. */
export function nameOfObject(outputs: Fields): string {
  const id = outputs.id ?? outputs.arn ?? outputs.path ?? outputs.name
  return typeof id === 'string' ? id : JSON.stringify(masked(outputs as Value))
}

/**
 * Which of the changed inputs show in the outputs, and as what. When none shows, equal outputs tell nothing, and nor do others where the object is not
 * as the inputs say: somebody else changed it, and it is being repaired. That is neither.
 */
function compareUpdate(inputs: Fields, before: Fields, seen: Fields, old: Fields): 'new' | 'old' | 'neither' {
  const changed = Object.keys({ ...before, ...inputs }).filter((k) => k in seen && compare(before[k], inputs[k]).length > 0)
  if (changed.length === 0) {
    const strange = Object.keys(inputs).some((k) => k in seen && compare(old[k], before[k]).length === 0 && compare(seen[k], inputs[k]).length > 0)
    return strange || compare(old as Value, seen as Value).length === 0 ? 'neither' : 'new'
  }
  if (changed.every((k) => compare(seen[k], inputs[k]).length === 0)) return 'new'
  if (changed.every((k) => compare(seen[k], before[k]).length === 0)) return 'old'
  return 'neither'
}
