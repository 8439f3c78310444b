import { limits, mutant, type EpochMs, type Millis } from '../base/index.ts'
import type { Capability, RecoveryClass } from '../model/index.ts'
import type { TxOp } from '../state/index.ts'

/**
 * Class of a lost call (spec/backend.md 12.2). `readable`: the type has `read`.
 * A: equal token, equal object. B: the inputs name the object, a read finds it. U: harmless to repeat, or a read tells. D: a person decides.
 * Class C (search by mark) counts as D until the state backend brings its search.
 */
export function classOf(op: TxOp, capability: Capability, readable: boolean): RecoveryClass {
  switch (op) {
    case 'delete': case 'read': return 'U'
    case 'update': return capability.update === 'full' || readable ? 'U' : 'D'
    case 'create': {
      const c = capability.create
      if (typeof c !== 'object') return 'D'
      if ('token' in c) return 'A'
      if ('name' in c) return readable ? 'B' : 'D'
      return 'D'
    }
  }
}

/** What is known about a change whose answer was lost. */
export interface LostCall {
  readonly op: TxOp
  readonly class: RecoveryClass
  readonly capability: Capability
  readonly now: EpochMs
  readonly firstSentAt: EpochMs
  /** Newest attempt that was neither answered nor proven not applied. */
  readonly lastAmbiguousAt: EpochMs
  /** Attempts made while settling, and how the newest one ended. */
  readonly resends: number
  readonly lastResend: 'none' | 'rejected' | 'ambiguous'
  /** When that attempt was answered. */
  readonly resentAt: EpochMs
  /** What a read saw, and when; `failed`: it could not be read. */
  readonly look: 'none' | 'absent' | 'ours' | 'foreign' | 'new' | 'old' | 'neither' | 'failed'
  readonly lookedAt: EpochMs
  readonly looks: number
  /** The type has `read`: a rejected deletion can be told from one that had happened. */
  readonly readable?: boolean
}

export type Settlement =
  | { readonly act: 'wait'; readonly untilMs: EpochMs; readonly why: string }
  | { readonly act: 'resend' }
  | { readonly act: 'look' }
  /** The object is there with these outputs: the ones just read. */
  | { readonly act: 'complete' }
  | { readonly act: 'fail'; readonly applied: 'no' | 'partly'; readonly why: string; readonly nameTaken?: boolean }
  | { readonly act: 'unknown'; readonly why: string }

export const maxCallMsOf = (c: Capability): Millis => c.maxCallMs ?? limits.maxCallMs

/**
 * Decides the next thing to do about a lost call. Every loop is bounded and ends in `unknown`.
 *
 * A rejection settles only its own attempt (spec/reliability.md F1): while an earlier one can still land, nothing is concluded.
 * A read made before that moment proves nothing.
 */
export function recover(c: LostCall): Settlement {
  const quietAt = mutant('no-quarantine') ? 0 : c.lastAmbiguousAt + maxCallMsOf(c.capability) + (c.capability.settleMs ?? 0)
  const waitQuiet: Settlement = { act: 'wait', untilMs: quietAt, why: 'the lost call may still land' }
  if (c.class === 'D') return { act: 'unknown', why: `the answer of ${c.op} was lost, and the type declares no way to find out` }
  if (c.op === 'read') return { act: 'fail', applied: 'no', why: 'the answer was lost; reading changes nothing' }
  if (c.resends >= limits.settleAttemptsMax || c.looks > 2 * limits.settleAttemptsMax) return { act: 'unknown', why: `still not settled after ${c.resends} attempts` }

  if (c.class === 'A') {
    const token = (c.capability.create as { token: { windowMs: Millis } }).token
    if (c.now - c.firstSentAt > token.windowMs) return { act: 'unknown', why: 'the time in which the token is honoured has passed' }
    if (c.lastResend !== 'rejected') return { act: 'resend' }
    // Rejected after an ambiguous one: ask again when nothing can land any more; rejected then, too, means it is not there.
    if (c.resentAt < quietAt) return mutant('rejection-settles-all') ? { act: 'fail', applied: 'no', why: 'rejected' } : c.now < quietAt ? waitQuiet : { act: 'resend' }
    return { act: 'fail', applied: 'no', why: 'rejected, and no earlier attempt was applied' }
  }

  if (c.now < quietAt && !(mutant('rejection-settles-all') && c.lastResend === 'rejected')) return waitQuiet

  if (c.op === 'delete') {
    // A rejection says nothing about an earlier attempt: that may have deleted the object (F2).
    if (c.lastResend !== 'rejected' || c.resentAt < quietAt || !c.readable) return { act: 'resend' }
    if (c.look === 'none' || c.lookedAt < c.resentAt) return { act: 'look' }
    if (c.look === 'absent') return { act: 'complete' }
    if (c.look === 'failed') return { act: 'wait', untilMs: c.now + 1000, why: 'the object cannot be read at the moment' }
    return { act: 'fail', applied: 'no', why: 'the deletion was rejected' }
  }
  if (c.op === 'update' && c.capability.update === 'full') {
    if (c.lastResend === 'rejected' && c.resentAt >= quietAt) return { act: 'fail', applied: 'partly', why: 'the update was rejected after an attempt whose answer was lost' }
    return { act: 'resend' }
  }

  const looked = c.look !== 'none' && c.lookedAt >= quietAt && c.lookedAt >= c.resentAt
  if (!looked) return { act: 'look' }
  switch (c.look) {
    case 'ours': case 'new': return { act: 'complete' }
    case 'foreign': return { act: 'fail', applied: 'no', why: 'the name is taken by an object that is not ours', nameTaken: true }
    case 'absent':
      if (c.op === 'update') return { act: 'fail', applied: 'partly', why: 'the object is gone' }
      return c.lastResend === 'rejected' ? { act: 'fail', applied: 'no', why: 'rejected, and no earlier attempt was applied' } : { act: 'resend' }
    case 'old': return c.lastResend === 'rejected' ? { act: 'fail', applied: 'no', why: 'the update was rejected, and no earlier attempt was applied' } : { act: 'resend' }
    case 'neither': return { act: 'fail', applied: 'partly', why: 'the object is neither as it was nor as it should be' }
    case 'failed': return { act: 'wait', untilMs: c.now + 1000, why: 'the object cannot be read at the moment' }
    default: return { act: 'look' }
  }
}
