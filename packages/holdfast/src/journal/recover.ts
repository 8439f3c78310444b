import { limits, mutant, type EpochMs, type Millis } from '../base/index.ts'
import type { Capability, CreateCapability, RecoveryClass } from '../model/index.ts'
import type { TxOp } from '../state/index.ts'

/**
 * Class of a lost call (spec/backend.md 12.2). `readable`: the type has `read`; `findable`: it has `find`.
 * A: equal token, equal object. B: the inputs name the object, a read finds it. C: a search finds it by its mark. U: harmless to repeat, or a look tells. D: a person decides.
 */
export function classOf(op: TxOp, capability: Capability, readable: boolean, findable = false): RecoveryClass {
  switch (op) {
    case 'delete': case 'read': return 'U'
    case 'update': return capability.update === 'full' || readable || searchable(capability, findable) ? 'U' : 'D'
    case 'create': {
      const c = capability.create
      if (typeof c !== 'object') return 'D'
      return 'token' in c ? 'A' : withoutToken(c, readable, findable)
    }
  }
}

/** Class of a create once its token cannot be asked: by name, then by search (12.2: classes combine). */
const withoutToken = (c: CreateCapability, readable: boolean, findable: boolean): RecoveryClass =>
  'name' in c && c.name && readable ? 'B' : 'find' in c && c.find && findable ? 'C' : 'D'

/** The type says that a search by mark finds its objects, and has the method. */
export const searchable = (capability: Capability, findable: boolean): boolean =>
  findable && typeof capability.create === 'object' && 'find' in capability.create && capability.create.find === true

/** What is known about a change whose answer was lost. */
export interface LostCall {
  readonly op: TxOp
  readonly class: RecoveryClass
  readonly capability: Capability
  readonly now: EpochMs
  readonly firstSentAt: EpochMs
  /** Newest attempt that was neither answered nor proven not applied. */
  readonly lastAmbiguousAt: EpochMs
  /** Attempts made while settling, and how the newest one ended. `refused`: by a service that knows the key and says no. */
  readonly resends: number
  readonly lastResend: 'none' | 'rejected' | 'refused' | 'ambiguous'
  /** When that attempt was answered. */
  readonly resentAt: EpochMs
  /** What a look saw, and when; `failed`: it could not be made. */
  readonly look: 'none' | 'absent' | 'ours' | 'several' | 'foreign' | 'new' | 'old' | 'neither' | 'failed'
  readonly lookedAt: EpochMs
  readonly looks: number
  /** First of the looks since the newest attempt that found nothing. */
  readonly absentAt?: EpochMs | undefined
  /** What a search found, when that was several: for the person who decides. */
  readonly candidates?: readonly string[] | undefined
  /** The type has `read`, `find`. */
  readonly readable?: boolean
  readonly findable?: boolean
}

export type Settlement =
  | { readonly act: 'wait'; readonly untilMs: EpochMs; readonly why: string }
  /** `fresh`: every earlier attempt is proven not applied, so the key moves on (spec/backend.md 11.5). */
  | { readonly act: 'resend'; readonly fresh?: true }
  /** By reading the object, or by searching for its mark. */
  | { readonly act: 'look'; readonly by: 'read' | 'find' }
  /** The object is there with these outputs: the ones just seen. */
  | { readonly act: 'complete' }
  | { readonly act: 'fail'; readonly applied: 'no' | 'partly'; readonly why: string; readonly nameTaken?: boolean }
  | { readonly act: 'unknown'; readonly why: string }

export const maxCallMsOf = (c: Capability): Millis => c.maxCallMs ?? limits.maxCallMs

/** The moment after which nothing that was sent until `at` can land any more and stay unseen. */
export const quietAt = (c: Capability, at: EpochMs): EpochMs => at + maxCallMsOf(c) + (c.settleMs ?? 0)

/**
 * Whether what is sent now is recognised by its token when it arrives: the last moment at which it can land is inside the window.
 * The service counts from the first arrival, which is not before the first sending.
 */
export function tokenHonoured(capability: Capability, firstSentAt: EpochMs, now: EpochMs): boolean {
  const c = capability.create
  return typeof c === 'object' && 'token' in c && (mutant('token-outlives-window') || now + Math.min(maxCallMsOf(capability), c.token.windowMs / 2) <= firstSentAt + c.token.windowMs)
}

/**
 * Decides the next thing to do about a lost call. Every loop is bounded and ends in `unknown`.
 *
 * A rejection settles only its own attempt (spec/reliability.md F1): while an earlier one can still land, nothing is concluded.
 * A look made before that moment proves nothing.
 */
export function recover(c: LostCall): Settlement {
  const quiet = mutant('no-quarantine') ? 0 : quietAt(c.capability, c.lastAmbiguousAt)
  if (c.class === 'D') return { act: 'unknown', why: `the answer of ${c.op} was lost, and the type declares no way to find out` }
  if (c.op === 'read') return { act: 'fail', applied: 'no', why: 'the answer was lost; reading changes nothing' }
  if (c.resends >= limits.settleAttemptsMax || c.looks > 2 * limits.settleAttemptsMax) return { act: 'unknown', why: exhausted(c) }
  if (c.op === 'create') return recoverCreate(c, quiet)
  if (tooEarly(c, quiet) && !(c.op === 'delete' && mutant('delete-sent-again-at-once'))) return waitQuiet(quiet)
  return c.op === 'delete' ? recoverDelete(c, quiet) : recoverUpdate(c, quiet)
}

const rejected = (c: LostCall): boolean => c.lastResend === 'rejected' || c.lastResend === 'refused'
const waitQuiet = (untilMs: EpochMs): Settlement => ({ act: 'wait', untilMs, why: 'the lost call may still land' })
const tooEarly = (c: LostCall, quiet: EpochMs): boolean => c.now < quiet && !(mutant('rejection-settles-all') && rejected(c))
const unseen = (c: LostCall): Settlement => ({ act: 'wait', untilMs: c.now + 1000, why: 'the object cannot be looked up at the moment' })
const isLooked = (c: LostCall, quiet: EpochMs): boolean => c.look !== 'none' && c.lookedAt >= quiet && c.lookedAt >= c.resentAt
const lookBy = (c: LostCall): 'read' | 'find' => (c.readable === false ? 'find' : 'read')

/** A search may miss what it should show by now: nothing found counts when it is found twice, as far apart as the service needs. */
function unsure(c: LostCall, by: 'read' | 'find'): Settlement | undefined {
  const sureAt = (c.absentAt ?? c.lookedAt) + (by === 'find' && !mutant('search-trusts-one-answer') ? c.capability.settleMs ?? 0 : 0)
  if (c.lookedAt >= sureAt) return undefined
  return c.now < sureAt ? { act: 'wait', untilMs: sureAt, why: 'nothing was found, and it may not show yet' } : { act: 'look', by }
}

function exhausted(c: LostCall): string {
  const did = [c.resends > 0 ? `sent again ${times(c.resends)}` : '', c.looks > 0 ? `looked up ${times(c.looks)}` : ''].filter((s) => s !== '')
  const how = c.lastResend === 'rejected' && c.class === 'A' ? '; each was rejected, which does not tell whether the lost one was applied' : ''
  return `still not settled after ${c.resends + c.looks} attempts (${did.join(', ')})${how}`
}
const times = (n: number): string => (n === 1 ? 'once' : `${n} times`)

function recoverCreate(c: LostCall, quiet: EpochMs): Settlement {
  const how = c.capability.create as CreateCapability
  const fallback = withoutToken(how, c.readable !== false, c.findable === true)
  if (c.class === 'A') {
    const next = byToken(c, quiet, fallback)
    if (next) return next
  }
  const by = (c.class === 'A' ? fallback : c.class) === 'C' ? 'find' as const : 'read' as const
  if (tooEarly(c, quiet)) return waitQuiet(quiet)
  if (!isLooked(c, quiet)) return { act: 'look', by }
  switch (c.look) {
    case 'ours': return { act: 'complete' }
    case 'foreign': return { act: 'fail', applied: 'no', why: 'the name is taken by an object that is not ours', nameTaken: true }
    case 'several': return { act: 'unknown', why: `several objects carry its mark${c.candidates?.length ? `: ${c.candidates.join(', ')}` : ''}` }
    case 'absent':
      return unsure(c, by) ?? (rejected(c) ? { act: 'fail', applied: 'no', why: 'rejected, and no earlier attempt was applied' } : { act: 'resend', fresh: true })
    case 'failed': return unseen(c)
    default: return { act: 'look', by }
  }
}

const BACKOFF_MS_MAX = 30_000

/** While the token can be asked. Undefined: it cannot, and the object is looked up. */
function byToken(c: LostCall, quiet: EpochMs, fallback: RecoveryClass): Settlement | undefined {
  if (!tokenHonoured(c.capability, c.firstSentAt, c.now)) {
    // Refused in time by a service that knows the key: that was its last word.
    if (c.lastResend === 'refused' && c.resentAt >= quiet) return { act: 'fail', applied: 'no', why: 'refused, and no earlier attempt was applied' }
    return fallback === 'D' ? { act: 'unknown', why: 'the time in which the token is honoured has passed' } : undefined
  }
  if (!rejected(c)) return { act: 'resend' }
  if (mutant('rejection-settles-all')) return { act: 'fail', applied: 'no', why: 'rejected' }
  // Rejected after an ambiguous one: ask again when nothing can land any more.
  if (c.resentAt < quiet) return c.now < quiet ? waitQuiet(quiet) : { act: 'resend' }
  if (c.lastResend === 'refused') return { act: 'fail', applied: 'no', why: 'refused, and no earlier attempt was applied' }
  // Whoever is told "not now" was not told whether the key is known: what turned the request away may stand before what knows keys.
  if (fallback !== 'D') return undefined
  const untilMs = c.resentAt + Math.min(BACKOFF_MS_MAX, 1000 * 2 ** c.resends)
  return c.now < untilMs ? { act: 'wait', untilMs, why: 'it was rejected, which does not tell whether the lost call was applied' } : { act: 'resend' }
}

function recoverDelete(c: LostCall, quiet: EpochMs): Settlement {
  // A rejection says nothing about an earlier attempt: that may have deleted the object (F2).
  const canLook = c.readable || searchable(c.capability, c.findable === true)
  if (!rejected(c) || c.resentAt < quiet || !canLook) return { act: 'resend' }
  if (c.look === 'none' || c.lookedAt < c.resentAt) return { act: 'look', by: lookBy(c) }
  if (c.look === 'absent') return unsure(c, lookBy(c)) ?? { act: 'complete' }
  if (c.look === 'failed') return unseen(c)
  return { act: 'fail', applied: 'no', why: 'the deletion was rejected' }
}

function recoverUpdate(c: LostCall, quiet: EpochMs): Settlement {
  if (c.capability.update === 'full') {
    if (!rejected(c) || c.resentAt < quiet) return { act: 'resend' }
    // One look decides, and nothing is sent again (F2).
    if (!c.readable && !searchable(c.capability, c.findable === true)) return { act: 'fail', applied: 'partly', why: 'the update was rejected after an attempt whose answer was lost' }
  }
  if (!isLooked(c, quiet)) return { act: 'look', by: lookBy(c) }
  switch (c.look) {
    case 'ours': case 'new': return { act: 'complete' }
    case 'absent': return unsure(c, lookBy(c)) ?? { act: 'fail', applied: 'partly', why: 'the object is gone' }
    case 'old': return rejected(c) ? { act: 'fail', applied: 'no', why: 'the update was rejected, and no earlier attempt was applied' } : { act: 'resend' }
    case 'neither': return { act: 'fail', applied: 'partly', why: 'the object is neither as it was nor as it should be' }
    case 'several': return { act: 'unknown', why: `several objects carry its mark${c.candidates?.length ? `: ${c.candidates.join(', ')}` : ''}` }
    case 'failed': return unseen(c)
    default: return { act: 'look', by: lookBy(c) }
  }
}
