import { assert, failure, isFailure, limits, mutant, sha256hex, type HoldfastError, type Plain, type Site } from '../base/index.ts'
import type { Entry } from '../journal/index.ts'
import { reveal, type Address, type HookNames, type Value } from '../model/index.ts'
import type { ResourceType } from '../provider/index.ts'
import { encodeDoc, parseSafely } from '../secret/index.ts'
import type { ResourceRow, TaskKind, TaskRow, TxOp, TxRow } from '../state/index.ts'
import { ask, callContext, openInputs, type Answer, type CallTarget } from './call.ts'
import { foundInputs, foundObject, type Adopting } from './adopt.ts'
import { bodyOf, fingerprintOf, idField, idIn, receiveOutputs, renewalIn, type Fields } from './facts.ts'
import { secretTexts } from './texts.ts'
import { secretOf } from './hide.ts'
import { keepOutcome, type SpooledOutcome } from './spool.ts'
import type { EnvState } from './state.ts'

/** One run at work: what its changes share. */
export interface Work {
  readonly state: EnvState
  readonly run: string
  readonly storeId: string
  /** Stops waiting (for a lost call to land, for a backoff) when the run is stopped hard. */
  readonly abort: AbortSignal
  /** The node is referred to by another or by the app's outputs: its outputs stay in memory. */
  readonly referred: (address: Address) => boolean
}

export type RowDraft = Omit<ResourceRow, 'seq'>

/** One change of one object, decided and resolved. */
export interface Change {
  readonly task: string
  readonly kind: TaskKind
  readonly address: Address
  readonly site: Site | undefined
  readonly type: ResourceType
  readonly op: TxOp
  readonly uid: string
  readonly ordinal: number
  readonly physicalName: string | undefined
  readonly undo: boolean
  readonly inputs: Fields
  /** As the object stands: for update and delete. */
  readonly prior: { readonly inputs: Fields; readonly outputs: Fields } | undefined
  /** The row that stands when the change is complete; absent for a delete. */
  readonly row: RowDraft | undefined
  /** True with the intent: claims. */
  readonly opening: readonly Entry[]
  readonly before: readonly Entry[]
  readonly also: readonly Entry[]
  /** With op `read`: the object of this id is taken over. */
  readonly adopt?: Adopting
  readonly hooks?: HookNames | undefined
}

export type ChangeResult =
  | { readonly kind: 'done'; readonly outputs: Fields | undefined; readonly note: string | undefined }
  /** `tx`: with what the last attempt reported before it failed. */
  | { readonly kind: 'failed'; readonly tx: TxRow; readonly error: HoldfastError; readonly applied: 'no' | 'partly'; readonly final?: boolean }
  /** Not settled yet: {@link settle} goes on from the transaction. */
  | { readonly kind: 'lost'; readonly tx: TxRow; readonly evidence: string; readonly timedOut: boolean }

/**
 * Carries out one attempt of a change.
 *
 * Durable  the intent (resolved inputs, physical name, key, payload digest, capability) before the provider is called; the outcome, the outputs and
 *          the row in one commit before this resolves. Two commits per change (spec/backend.md 12.1: R1+R2, R3+R4).
 * Takes    `tx`: the transaction of an earlier attempt, when this is a retry: the same request under a new epoch if that attempt was proven not applied.
 */
export async function attempt(work: Work, change: Change, tx: TxRow | undefined, signal: AbortSignal): Promise<Attempt> {
  const { state } = work
  const now = state.cx.clock.now()
  const opened = tx ? await reopen(work, tx, now) : undefined
  const row = opened ?? newTx(work, change, now)
  const intent = () => opened ? Promise.resolve() : state.commit(intentEntries(work, change, row))
  if (!mutant('intent-after-call')) await intent()
  const sent = await send(work, row, change.type, change.site, signal, { inputs: change.inputs, prior: change.prior, adopt: change.adopt })
  if (mutant('intent-after-call')) await intent()
  return conclude(work, sent.tx, change.type, change.site, sent.answer, change.inputs)
}

function newTx(work: Work, c: Change, now: number): TxRow {
  const { cx, env, fence } = work.state
  const token = cx.ids.next('t')
  const place = { table: 'resource', row: c.uid, tx: token, type: c.type.type }
  const body = bodyOf(c.inputs)
  const inputs = body.secret ? encodeDoc(c.inputs as Value, { ...place, field: 'inputs' }, cx.ring) : body.text
  return {
    token, env: env.id, run: work.run, task: c.task, uid: c.uid, address: c.address, type: c.type.type, op: c.op, status: 'sent', applied: undefined, undo: c.undo,
    ordinal: c.ordinal, epoch: 0, attempts: 1, payloadDigest: sha256hex(inputs), capability: c.type.capability ?? {}, fence: fence?.fence ?? 0,
    openedAt: now, firstSentAt: now, lastSentAt: now, endedAt: undefined, evidence: undefined,
    target: {
      inputs,
      // A row of the state has the number of its commit beside it, which is none of the change.
      ...(c.row ? { row: 'seq' in c.row ? draftOf(c.row as ResourceRow) : c.row } : {}),
      ...(c.prior ? { prior: { inputs: encodeDoc(c.prior.inputs as Value, { ...place, field: 'inputs' }, cx.ring), outputs: encodeDoc(c.prior.outputs as Value, { ...place, field: 'outputs' }, cx.ring) } } : {}),
      ...(c.before.length ? { before: c.before } : {}),
      ...(c.also.length ? { also: c.also } : {}),
    },
  }
}

function intentEntries(work: Work, c: Change, tx: TxRow): Entry[] {
  const { state } = work
  const entries: Entry[] = []
  // What failed half-way before is superseded: its object is described by the row that it left.
  const old = state.partly.get(c.uid)
  if (old !== undefined) entries.push({ t: 'tx.move', token: old, to: 'abandoned', set: { endedAt: tx.openedAt, evidence: `superseded by ${tx.token}` } })
  entries.push({ t: 'tx.open', row: tx }, ...(mutant('claims-ignored') ? c.opening.filter((e) => e.t !== 'claim.put') : c.opening))
  entries.push({ t: 'task.put', row: taskRow(work, tx, c.kind, c.undo ? 'reverting' : 'running', undefined, undefined) })
  entries.push(event(work, 'tx.sent', tx, {}))
  return entries
}

export function taskRow(work: Work, tx: Pick<TxRow, 'task' | 'address' | 'undo' | 'attempts' | 'token' | 'openedAt'>, kind: TaskKind, state: TaskRow['state'], failureText: string | undefined, note: string | undefined): TaskRow {
  const now = work.state.cx.clock.now()
  return {
    run: work.run, id: tx.task, address: tx.address, kind, state, intention: tx.undo ? 'revert' : 'execute', attempt: tx.attempts, tx: tx.token,
    failure: failureText, startedAt: tx.openedAt, endedAt: state === 'running' || state === 'reverting' ? undefined : now, note,
  }
}

export const event = (work: Work, kind: string, tx: Pick<TxRow, 'token' | 'address' | 'op'>, more: Record<string, unknown>): Entry =>
  ({ t: 'event', at: work.state.cx.clock.now(), kind, data: JSON.stringify({ run: work.run, tx: tx.token, node: tx.address, op: tx.op, ...more }) })

/** A further attempt of the same transaction. A clean rejection proved the last one not applied, so the epoch moves and with it the key (spec/backend.md 11.5). */
async function reopen(work: Work, tx: TxRow, now: number): Promise<TxRow> {
  const fresh = tx.applied === 'no' && !mutant('epoch-stays')
  const next: TxRow = { ...tx, status: 'sent', applied: undefined, attempts: tx.attempts + 1, lastSentAt: now, ...(fresh ? { epoch: tx.epoch + 1, firstSentAt: now } : {}) }
  await work.state.commit([{ t: 'tx.move', token: tx.token, to: 'sent', set: { attempts: next.attempts, epoch: next.epoch, firstSentAt: next.firstSentAt, lastSentAt: now } }])
  return next
}

const RENEWALS_MAX = 3

const isFresh = (work: Work, tx: TxRow): boolean => work.state.cx.clock.now() - (tx.lastSentAt ?? 0) <= limits.leaseMarginMs

/**
 * An intent is as good as the lease under which it was written. A process that was stopped between the two writes it again, under the fence, before
 * it calls: otherwise a call could begin after another holder has waited for it and settled it.
 */
async function renewed(work: Work, tx: TxRow): Promise<TxRow> {
  let row = tx
  for (let i = 0; i <= RENEWALS_MAX; i++) {
    if (isFresh(work, row)) return row
    const now = work.state.cx.clock.now()
    await work.state.commit([{ t: 'tx.move', token: tx.token, to: 'sent', set: { lastSentAt: now } }])
    row = { ...row, lastSentAt: now }
  }
  throw failure('HF4203', { address: tx.address, message: `The store takes longer than ${limits.leaseMarginMs / 1000} s to write an intent: a lease cannot be kept.` })
}

/** Sends the request of a transaction once. `known` spares reading it back from the sealed target; `insisted`: a person says that it may be sent again. */
export async function send(
  work: Work, tx: TxRow, type: ResourceType, site: Site | undefined, signal: AbortSignal,
  known?: { readonly inputs: Fields; readonly prior: Change['prior']; readonly adopt?: Adopting | undefined }, insisted = false,
): Promise<{ readonly tx: TxRow; readonly answer: Answer }> {
  const { state } = work
  const inputs = known?.inputs ?? state.decode(tx, 'inputs', tx.target.inputs)
  const prior = known ? known.prior : priorOf(state, tx)
  const target = callTarget(tx, site)
  // All that takes time is done before the last look at the clock.
  const cc = { ...callContext(state, type, target, work.storeId, signal), ...(insisted ? { insisted } : {}) }
  const opened = openInputs(state, type, inputs, target)
  const before = prior && { inputs: openInputs(state, type, prior.inputs, target), outputs: openOutputs(state, prior.outputs) }
  if (state.fence) state.cx.spool?.reserve(state.env.id, state.fence.fence)
  let row = tx
  let ended = false
  let reported: Promise<unknown> | undefined
  const partial = (raw: Record<string, unknown>): Promise<void> => {
    // What a call says after it was given up is not heard, as its answer is not: what became of it may be settled, or a question for a person.
    if (ended) return Promise.resolve()
    const written = report(raw)
    reported = Promise.allSettled([reported, written])
    return written
  }
  const report = async (raw: Record<string, unknown>) => {
    const outputs = receiveOutputs(type, raw, inputs, state.cx.ring, tx.address, true)
    const text = encodeDoc(outputs as Value, { table: 'resource', row: tx.uid, field: mutant('partial-sealed-elsewhere') ? 'inputs' : 'outputs', tx: tx.token, type: tx.type }, state.cx.ring)
    row = { ...row, target: { ...row.target, partial: text } }
    await kept(state, row, { kind: 'partial', partial: text }, () => state.commit([{ t: 'tx.move', token: tx.token, to: 'sent', set: { target: row.target } }, event(work, 'task.partial', tx, {})]))
    state.cx.emit({ type: 'task.partial', run: work.run, node: tx.address, op: tx.op, tx: tx.token })
  }
  const call = async (): Promise<unknown> => {
    switch (tx.op) {
      case 'create': return type.create({ ...cc, inputs: opened as never, partial: partial as never })
      case 'update': {
        assert(type.update && before, `send: ${tx.type} cannot be updated`)
        return type.update({ ...cc, inputs: opened as never, outputs: before.outputs as never, prior: before as never, partial: partial as never })
      }
      case 'delete': {
        assert(before, 'send: a delete without the object')
        await type.delete({ ...cc, inputs: opened as never, outputs: before.outputs as never })
        return {}
      }
      case 'read': {
        // Sent once only: reading changes nothing, so one whose answer was lost has failed.
        assert(type.read && known?.adopt, 'send: a read that takes nothing over')
        return foundObject(type, tx.address, known.adopt, await type.read({ ...cc, inputs: opened as never, outputs: { [idField(type) as string]: known.adopt.id } as never }))
      }
    }
  }
  for (;;) {
    row = await renewed(work, row)
    let stale = false
    const answer = await ask(state, tx.address, site, signal, () => {
      // The process may have been stopped since: this is the last moment before the call.
      stale = !isFresh(work, row)
      return stale ? Promise.resolve(undefined) : call()
    })
    if (stale) continue
    ended = true
    // The outcome comes after it, also where it was given up while that was being written.
    await reported
    return { tx: row, answer }
  }
}

export const callTargetOf = (c: Change): CallTarget => ({ token: c.task, uid: c.uid, ordinal: c.ordinal, epoch: 0, address: c.address, site: c.site, physicalName: c.physicalName })

export const callTarget = (tx: TxRow, site: Site | undefined): CallTarget =>
  ({ token: tx.token, uid: tx.uid, ordinal: tx.ordinal, epoch: tx.epoch, address: tx.address, site, physicalName: tx.target.row?.meta.physicalName })

export const priorOf = (state: EnvState, tx: TxRow): Change['prior'] =>
  tx.target.prior && { inputs: state.decode(tx, 'inputs', tx.target.prior.inputs), outputs: state.decode(tx, 'outputs', tx.target.prior.outputs) }

export function openOutputs(state: EnvState, outputs: Fields): Record<string, unknown> {
  // What stands beside it in clear is no secret: the path, in an output that is secret for the digest of its content.
  const clear = new Set(Object.values(outputs))
  for (const text of secretTexts(outputs as Value)) if (!clear.has(text)) state.cx.redactor.add(text)
  return reveal(outputs as Value) as Record<string, unknown>
}

export interface Attempt {
  readonly tx: TxRow
  readonly result: ChangeResult
}

/**
 * Says how an attempt ended, and writes down a completion. An unknown outcome writes nothing: the transaction stays `sent`.
 * A rejection is written by {@link fail}, once no further attempt is made.
 */
export async function conclude(work: Work, tx: TxRow, type: ResourceType, site: Site | undefined, answer: Answer, inputs: Fields, recovered = false): Promise<Attempt> {
  switch (answer.kind) {
    case 'unknown': return { tx, result: { kind: 'lost', tx, evidence: answer.evidence, timedOut: answer.timedOut } }
    case 'rejected': return { tx, result: { kind: 'failed', tx, error: answer.error, applied: tx.target.partial === undefined || mutant('partial-forgotten') ? 'no' : 'partly', ...(answer.final ? { final: true } : {}) } }
    case 'notOurs': return { tx, result: await complete(work, onlyItself(tx), undefined, `left alone: ${answer.message}`, recovered) }
    case 'applied': {
      if (tx.op === 'delete') return { tx, result: await complete(work, tx, undefined, undefined, recovered) }
      try {
        return { tx, result: await complete(work, tx, receiveOutputs(type, answer.raw, inputs, work.state.cx.ring, tx.address, false), undefined, recovered) }
      } catch (e) {
        if (!isFailure(e) || e.code !== 'HF3102') throw e
        e.site ??= site
        // The object is there, whatever its provider says of it: it is kept on record so that it can be taken back.
        const known = await recordRaw(work, tx, type, answer.raw)
        return { tx: known, result: { kind: 'failed', tx: known, error: e, applied: 'partly' } }
      }
    }
  }
}

/** What was left alone took nothing along: the others are deleted by a call of their own. */
const onlyItself = (tx: TxRow): TxRow => ({ ...tx, target: { ...tx.target, ...(tx.target.also ? { also: (tx.target.also as Entry[]).filter((e) => !('uid' in e) || e.uid === tx.uid).filter((e) => e.t !== 'event') } : {}) } })

/** Keeps what a provider answered in a wrong shape, as far as it is data, every field sealed: nobody knows what in it is secret. */
async function recordRaw(work: Work, tx: TxRow, type: ResourceType, raw: unknown): Promise<TxRow> {
  const { state } = work
  const sealed: Record<string, Value> = {}
  // What an update answered in a wrong shape must not take the place of what was known: taking back needs that.
  const fits = (k: string, v: Plain): boolean => k in type.outputs.shape && parseSafely(type.outputs.shape[k] as { safeParse(v: unknown): { success: boolean } }, v).success
  const keep = (k: string, v: Plain): boolean => tx.op === 'create' || fits(k, v)
  if (state.cx.ring) for (const [k, v] of Object.entries(asData(raw))) if (keep(k, v)) sealed[k] = secretOf(state.cx.ring, v, tx.type, `outputs.${k}`)
  const partial = encodeDoc(sealed, { table: 'resource', row: tx.uid, field: 'outputs', tx: tx.token, type: tx.type }, state.cx.ring)
  const target = { ...tx.target, partial }
  await kept(state, tx, { kind: 'partial', partial }, () => state.commit([{ t: 'tx.move', token: tx.token, to: 'sent', set: { target } }]))
  return { ...tx, target }
}

function asData(raw: unknown): Record<string, Plain> {
  try {
    const data = JSON.parse(JSON.stringify(raw)) as unknown
    return typeof data === 'object' && data !== null && !Array.isArray(data) ? data as Record<string, Plain> : {}
  } catch {
    return {}
  }
}

/** Writes an outcome down. What the store cannot take is kept beside it, and the failure goes on. */
async function kept(state: EnvState, tx: TxRow, outcome: SpooledOutcome, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (e) {
    await keepOutcome(state, tx, outcome, e)
    throw e
  }
}

/** The change is complete: outcome, outputs, row, claims and event, and `more`, become true in one commit. */
export async function complete(work: Work, tx: TxRow, outputs: Fields | undefined, note: string | undefined, recovered = false, more: readonly Entry[] = []): Promise<ChangeResult> {
  const { state } = work
  const now = state.cx.clock.now()
  const outcome: Entry[] = [{ t: 'tx.move', token: tx.token, to: 'completed', set: { endedAt: now, ...(note === undefined ? {} : { evidence: note }) } }]
  const effects: Entry[] = []
  const { target } = tx
  effects.push(...((target.before ?? []) as Entry[]))
  let text = ''
  if (target.row && outputs) {
    text = encodeDoc(outputs as Value, { table: 'resource', row: tx.uid, field: 'outputs', tx: tx.token, type: tx.type }, state.cx.ring)
    const found = tx.op === 'read' ? asFound(state, tx, outputs) : { row: target.row, inputs: target.inputs }
    effects.push({ t: 'resource.put', row: asSeen(state, timed(recovered && mutant('adopted-into-base') ? { ...found.row, since: state.env.revision } : found.row, tx, now), outputs), docs: { inputs: found.inputs, outputs: text } })
  }
  effects.push(...((target.also ?? []) as Entry[]), ...more)
  const rest: Entry[] = [{ t: 'task.put', row: taskRow(work, tx, kindOf(tx), tx.undo ? 'reverted' : 'success', undefined, note) }]
  if (!(recovered && mutant('recovery-forgets-event'))) rest.push(event(work, recovered ? 'tx.recovered' : 'tx.completed', tx, note === undefined ? {} : { note }))
  if (mutant('status-before-outputs')) {
    await state.commit([...outcome, ...rest])
    await state.commit(effects)
  } else if (mutant('event-apart-from-state')) {
    await state.commit(rest)
    await state.commit([...outcome, ...effects])
  } else await kept(state, tx, { kind: 'done', outputs: text === '' ? undefined : text, note }, () => state.commit([...outcome, ...effects, ...rest]))
  if (target.row && outputs) {
    state.release(target.row)
    // As they will be read back, so that an expression gives the same text now and at the next plan.
    if (work.referred(tx.address)) state.remember(tx.uid, state.decode(tx, 'outputs', text))
  }
  return { kind: 'done', outputs, note }
}

const kindOf = (tx: TxRow): TaskKind => (tx.op === 'read' ? 'adopt' : tx.op)

/** What outputs tell about the object: its id, and when another is to be made. */
export function asSeen(state: EnvState, row: RowDraft, outputs: Fields): RowDraft {
  const id = idIn(outputs)
  const { renewAt: _before, ...meta } = row.meta
  const renewAt = renewalIn(state.cx.types.get(row.type), outputs)
  return { ...row, meta: { ...meta, ...(id === undefined ? {} : { physicalId: id }), ...(renewAt === undefined ? {} : { renewAt }) } }
}

/** When the object was made, and changed. What is taken back is as it was. */
function timed(row: RowDraft, tx: TxRow, now: number): RowDraft {
  const { createdAt } = row.meta
  if (tx.undo && tx.op === 'update') return row
  return { ...row, meta: { ...row.meta, createdAt: tx.op === 'create' || createdAt === undefined ? now : createdAt, modifiedAt: now } }
}

/** The row of an object that was taken over says what the object is, not what the program wants: the next comparison shows what differs. */
function asFound(state: EnvState, tx: TxRow, outputs: Fields): { readonly row: RowDraft; readonly inputs: string } {
  const row = tx.target.row as RowDraft
  const type = state.type(tx.type, tx.address)
  const wanted = state.decode(tx, 'inputs', tx.target.inputs)
  const { inputs, differs } = foundInputs(type, wanted, outputs, state.cx.host)
  if (!differs) return { row, inputs: tx.target.inputs }
  const text = encodeDoc(inputs as Value, { table: 'resource', row: tx.uid, field: 'inputs', tx: tx.token, type: tx.type }, state.cx.ring)
  const fingerprint = fingerprintOf(type, inputs, row.meta.tags, state.cx.ring)
  return { row: { ...row, fingerprint, shape: fingerprint }, inputs: text }
}

/** What changed half-way may own, and refer to, what it did before and what it was to: nothing of that is free, or deleted under it. */
const both = (standing: { readonly meta: RowDraft['meta'] } | undefined, { meta }: RowDraft): Pick<RowDraft['meta'], 'claims' | 'deps'> =>
  ({ claims: [...new Set([...meta.claims, ...(standing?.meta.claims ?? [])])].sort(), deps: [...new Set([...meta.deps, ...(standing?.meta.deps ?? [])])] })

/** A row without the commit that wrote it. */
export const draftOf = ({ seq: _seq, ...row }: RowDraft & { readonly seq?: number }): RowDraft => row

/** A step that did not end well owes nobody the hook after it. */
const owingNothing = ({ due: _due, ...meta }: RowDraft['meta']): RowDraft['meta'] => meta

/** The change failed for good. `partly`: a row says what stands, so that it can be taken back or repaired. */
export async function fail(work: Work, tx: TxRow, applied: 'no' | 'partly', error: HoldfastError, more: readonly Entry[] = []): Promise<void> {
  const { state } = work
  const now = state.cx.clock.now()
  const text = state.cx.redactor.text(error.message)
  const entries: Entry[] = [{ t: 'tx.move', token: tx.token, to: 'failed', set: { applied, endedAt: now, evidence: text } }]
  const { row, partial, before, prior } = tx.target
  const standing = state.current.get(tx.uid)
  const wasWhole = tx.op === 'update' && (standing?.status === 'ready' || standing?.meta.whole === true)
  if (applied === 'partly' && row && tx.undo && standing?.ordinal === row.ordinal) {
    // Taking back broke off: the row of the open run stays, so that it is tried again; the base is not overwritten.
    const meta = { ...owingNothing(standing.meta), ...both(standing, row), ...(wasWhole ? { whole: true } : {}) }
    // What was set aside stays so: another has its address.
    entries.push({ t: 'resource.put', row: { ...draftOf(standing), status: standing.status === 'deleting' ? 'deleting' : 'partial', meta } })
  } else if (applied === 'partly' && row) {
    const outputs = partial ?? prior?.outputs ?? '{}'
    entries.push(...((before ?? []) as Entry[]), {
      t: 'resource.put', row: { ...row, status: mutant('half-done-counts-as-done') ? 'ready' : 'partial', meta: { ...owingNothing(row.meta), ...both(standing, row), ...(wasWhole ? { whole: true } : {}) }, ...(tx.undo ? { since: state.next } : {}) },
      docs: { inputs: tx.target.inputs, outputs },
    })
  } else if ((tx.op === 'create' || tx.op === 'read') && row) entries.push({ t: 'claim.drop', uid: tx.uid })
  else if (tx.op === 'update' && row) {
    // What it was to own comes free again, or is given up as before.
    for (const key of row.meta.claims) {
      if (standing?.meta.claims.includes(key)) continue
      entries.push(tx.undo ? { t: 'claim.put', row: { key, env: state.env.id, uid: tx.uid, until: state.next } } : { t: 'claim.drop', uid: tx.uid, key })
    }
  }
  entries.push({ t: 'task.put', row: taskRow(work, tx, kindOf(tx), tx.undo ? 'revertFailure' : 'failure', text, undefined) }, event(work, 'tx.failed', tx, { applied, code: error.code, message: text }), ...more)
  await kept(state, tx, { kind: 'failed', applied, code: error.code, message: text, partial }, () => state.commit(entries))
  if (applied === 'partly') state.partly.set(tx.uid, tx.token)
}
