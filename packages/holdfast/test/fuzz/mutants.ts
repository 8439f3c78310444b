import { fuzzedMutants, mutants, type MutantName } from '../../src/base/mutant.ts'

/** Bugs of the engine's list that show after one or few operations; the others need time, or two processes at once. */
const names = [
  'token-renewed-on-retry', 'status-before-outputs', 'wrong-delete-order', 'timeout-is-clean-failure', 'intent-after-call', 'claims-ignored', 'cancelled-call-is-clean',
  'resend-not-recorded', 'partial-forgotten', 'adopted-into-base', 'protect-ignored', 'taker-does-not-wait', 'replaced-deleted-at-once', 'moved-keeps-address',
  'retained-deleted', 'claims-never-released', 'pending-delete-forgotten', 'open-run-left-beside', 'base-rows-stay-closed', 'undo-compares-with-base', 'named-by-unknown-deleted',
  'ignored-is-sent', 'own-replace-on-unheard', 'own-replace-when-unheard', 'stale-plan-accepted', 'tie-forgotten', 'own-delete-first-unheard', 'renewal-forgotten', 'taint-forgotten', 'exclusion-ignored',
  'taken-along-by-itself', 'adopted-withdrawn', 'seen-not-recorded', 'asked-forgotten', 'before-hook-forgotten', 'owed-hook-forgotten', 'hook-failure-ignored', 'own-timeout-unheard',
] as const satisfies readonly MutantName[]

export const fuzzMutants: Readonly<Record<string, string>> = Object.fromEntries(names.map((name) => [name, { ...mutants, ...fuzzedMutants }[name]]))
