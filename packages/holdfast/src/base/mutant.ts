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
  // What became of a lost call.
  'search-trusts-one-answer': 'one search that finds nothing proves that the object was not made',
  'delete-sent-again-at-once': 'a deletion is sent again while the lost one may still land',
  'quarantine-from-first-attempt': 'the wait for a lost call counts from the first attempt, not from the last lost one',
  'resend-not-recorded': 'a request is sent again before the attempt is written down',
  'foreign-adopted': 'an object that somebody else made under the wanted name is taken for ours',
  'retry-without-settling': 'an attempt whose answer was lost is repeated like one that was rejected',
  'epoch-stays': 'an attempt that was proven not applied is repeated under its old key',
  'token-outlives-window': 'a token is used after the service has forgotten it',
  'cancelled-call-is-clean': 'a call that was cut off by a hard stop counts as not applied',
  // What is written down, and when.
  'commit-repeated': 'a commit whose answer was lost is made again',
  'event-apart-from-state': 'the event of an outcome is committed before the outcome',
  'adopted-into-base': 'what recovery finds done counts as part of the committed revision, so that taking back passes it over',
  'partial-forgotten': 'a rejection after a part was reported counts as not applied',
  'half-done-counts-as-done': 'the row of a change that failed half-way says that it is ready',
  'partial-sealed-elsewhere': 'what a provider reports on the way is sealed for another field',
  'outputs-before-commit': 'the outputs of the app are written before the commit, where readers see them',
  'spool-not-read': 'what was kept beside a full store is thrown away unread',
  'spool-read-again': 'what was kept beside a full store is taken over although the change was settled meanwhile',
  // Who may write and call.
  'outcome-not-fenced': 'the late outcome of a former holder is accepted',
  'renewal-ignored': 'a lease ends when its first term is over, although its holder renews it',
  'lease-never-ends': 'a lease outlives its time when its holder is not known to be dead',
  'fence-not-raised': 'a new grant has the number of the one before',
  'lease-released-at-commit': 'the lease is given back before the old objects are deleted',
  'queued-run-stale': 'a run that waited for the lease goes on with the state that it read before',
  'stale-plan-accepted': 'a plan is applied to a state that it was not made for',
  'protect-ignored': 'what is protected is deleted when the plan says so',
  // What is made, in which order.
  'limit-ignored': 'the limit of calls per type is not kept',
  'taker-does-not-wait': 'a node takes over a claim before the other has given it up',
  'replaced-deleted-at-once': 'the old object of a replacement is deleted before the commit',
  'moved-keeps-address': 'the row of a renamed node keeps its old address',
  'retained-deleted': 'what is to be retained is deleted when it leaves the program',
  'lookup-not-refreshed': 'what was looked up once is not looked up again',
  // Claims.
  'claims-given-up-at-once': 'a claim that an update gives up is free before the commit',
  'claims-never-released': 'a deleted object keeps its claims',
  'claims-kept-after-commit': 'the commit does not free the claims that were given up with it',
  // After the commit.
  'pending-delete-forgotten': 'a deletion that is left over from an earlier run is not carried out any more',
  'kept-run-deletes-used': 'a partly kept run deletes old objects to which something still refers',
  // Taking back.
  'open-run-left-beside': 'a new run does not take over what the open run did, and so does not take it back',
  'undo-ignores-dependants': 'an object is withdrawn before what depends on it',
  'restore-ignores-base-order': 'an object is restored before what it depended on',
  'base-rows-stay-closed': 'rows of the base that the run closed stay closed when it is taken back',
  'undo-forgets-claims': 'an object that is restored does not get its claims back',
  'undo-compares-with-base': 'a restoring update starts from what was before, not from what stands',
  // Looking at the world.
  'first-look-believed': 'what one look does not find is taken for gone, although it may not show yet',
} as const

/** Found by the fuzzer of the life cycle; the simulation does not find them yet. */
export const fuzzedMutants = {
  'deleted-before-users': 'an object that goes first is deleted before its users are changed',
  'revert-forgets-removed': 'what a dead run deleted to make room is not made again',
  'named-by-unknown-deleted': 'what an object may refer to of which nobody knows is deleted to make room',
  // Options of nodes, and words of commands.
  'ignored-is-sent': 'an update says what the program says of an input that the node ignores',
  'own-replace-on-unheard': 'the paths on which a node wants a new object count for nothing',
  'own-replace-when-unheard': 'another value of replaceWhen counts for nothing',
  'tie-forgotten': 'a node is not made anew with the one that it is to be replaced with',
  'own-delete-first-unheard': 'only the type says whether an old object goes first',
  'renewal-forgotten': 'an object that is due is left as it is',
  'taint-forgotten': 'a tainted node is left as it is',
  'exclusion-ignored': 'what is excluded is changed all the same',
  'taken-along-by-itself': 'what goes with another is deleted by a call of its own',
  'adopted-withdrawn': 'what was taken over is deleted when that is taken back',
  'seen-not-recorded': 'a refresh sees what has changed and does not write it down',
  'asked-forgotten': 'an apply after a refresh does not bring back what somebody else changed',
  'before-hook-forgotten': 'the hook before a deletion is not run',
  'owed-hook-forgotten': 'a hook that is owed for an earlier step is not run',
  'hook-failure-ignored': 'a step goes on although the hook before it has failed',
  'own-timeout-unheard': 'a call has the time of its type, whatever its node says',
} as const

/** Found by random runs of parts at the same time (test/support/parts.ts). */
export const partMutants = {
  'part-sees-others': 'a run of a part takes what another has written for committed',
  'part-tags-stay-in-changes': 'what a change that is not settled is to write keeps the tag of a run that was taken over',
  'part-claims-kept': 'claims that a run of a part gave up stay when it is committed',
  'part-settles-others': 'a run of a part settles what another has under way',
  'part-outputs-of-before': 'the outputs of the environment are made of what the run saw when it began',
  'part-left-behind': 'what a dead run has done in a part stays its own when another takes the part',
  'part-reads-free': 'what a part depends on is held by nobody',
  'part-not-renumbered': 'a run goes on under its tag after its commit',
  'parts-left-beside-whole': 'a run of the whole does not take over what runs of parts have left',
} as const

export type MutantName = keyof typeof mutants | keyof typeof fuzzedMutants | keyof typeof partMutants

const planted = new Set<MutantName>()

export const mutant = (name: MutantName): boolean => planted.size > 0 && planted.has(name)

/** For the simulator alone. */
export function plantMutant(name: MutantName | undefined): void {
  planted.clear()
  if (name !== undefined) planted.add(name)
}
