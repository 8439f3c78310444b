import { fuzzedMutants, mutants, type MutantName } from '../../src/base/mutant.ts'

/** Bugs of the engine's list that show after one or few operations; the others need time, or two processes at once. */
const names = [
  'token-renewed-on-retry', 'status-before-outputs', 'wrong-delete-order', 'timeout-is-clean-failure', 'intent-after-call', 'claims-ignored', 'foreign-adopted', 'epoch-stays',
  'cancelled-call-is-clean', 'resend-not-recorded', 'partial-forgotten', 'half-done-counts-as-done', 'event-apart-from-state', 'adopted-into-base', 'outputs-before-commit',
  'protect-ignored', 'taker-does-not-wait', 'deleted-before-users', 'replaced-deleted-at-once', 'moved-keeps-address', 'retained-deleted',
  'claims-given-up-at-once', 'claims-never-released', 'claims-kept-after-commit', 'pending-delete-forgotten', 'open-run-left-beside', 'revert-forgets-removed',
  'undo-ignores-dependants', 'base-rows-stay-closed', 'undo-forgets-claims', 'undo-compares-with-base',
] as const satisfies readonly MutantName[]

export const fuzzMutants: Readonly<Record<string, string>> = Object.fromEntries(names.map((name) => [name, { ...mutants, ...fuzzedMutants }[name]]))
