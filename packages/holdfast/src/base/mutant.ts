/**
 * Bugs that can be planted on purpose, each at the one place where the rule it breaks is kept. A simulation that cannot find them proves nothing
 * (spec/reliability.md 2.4). Nothing but the simulator plants one; the check is one look into an empty set.
 */
export const mutants = {
  'token-renewed-on-retry': 'a retry gets a new idempotency token',
  'no-quarantine': 'a lost call is judged at once, while it may still land',
  'no-fence-check': 'the store accepts writes of a holder that lost its lease',
  'status-before-outputs': 'the outcome is committed before the outputs',
  'wrong-delete-order': 'objects are deleted before what depends on them',
  'secret-in-error': 'the message of a provider is reported without redaction',
  'timeout-is-clean-failure': 'a call that passed its deadline counts as not applied',
  'intent-after-call': 'the intent is written after the call',
  'recovery-forgets-event': 'settling a transaction writes no event',
  'rejection-settles-all': 'a rejection settles earlier attempts that are still on the wire',
  'claims-ignored': 'an object is created although another node claims the same thing',
  'undo-in-order-of-creation': 'taking back starts with the oldest task',
} as const
export type MutantName = keyof typeof mutants

const planted = new Set<MutantName>()

export const mutant = (name: MutantName): boolean => planted.size > 0 && planted.has(name)

/** For the simulator alone. */
export function plantMutant(name: MutantName | undefined): void {
  planted.clear()
  if (name !== undefined) planted.add(name)
}
