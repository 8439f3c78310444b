import type { EpochMs } from '../base/index.ts'
import type {
  ClaimRow, ComponentRow, EnvRow, EventRow, OpenPart, OutputsRow, PlanApproval, PlanRow, ReferenceRow, RequestRow, ResolvedRow, ResourceDocs, ResourceRow, RunRow, SecretRow, TaskRow, TrashRow, TxRow,
} from '../state/index.ts'

/**
 * One thing that becomes true. A list of entries is one transaction: all of it or nothing, durable before the promise resolves.
 * The in-memory fold (fold.ts) and the SQL of every store give them the same meaning; the store suite compares.
 */
export type Entry =
  | { readonly t: 'env.create'; readonly row: EnvRow }
  /** Flips the environment to `to`. Claims and rows whose `until` has come go with it. */
  | { readonly t: 'env.commit'; readonly env: string; readonly from: number; readonly to: number; readonly partial: boolean }
  /** Names or clears the open run. */
  | { readonly t: 'env.open'; readonly env: string; readonly run: string | undefined }
  /** A run of a part begins: its rows have its tag as `since` and `until`. */
  | { readonly t: 'part.open'; readonly env: string; readonly part: OpenPart }
  /** It ends. `to`: what its rows and claims say from now on in the place of its tag, a revision that is committed (claims that end with it go), or what another open run writes. Absent: it has none any more. */
  | { readonly t: 'part.close'; readonly env: string; readonly tag: number; readonly to?: number }
  | { readonly t: 'run.put'; readonly row: RunRow }
  | { readonly t: 'plan.put'; readonly row: PlanRow }
  /** Refused (HF2403) when the plan was used by another run. */
  | { readonly t: 'plan.use'; readonly id: string; readonly run: string }
  /** Refused (HF2404, HF2403) when there is no such plan, or it was used. A later word takes the place of an earlier one. */
  | { readonly t: 'plan.approve'; readonly id: string; readonly approval: PlanApproval }
  /** A new transaction. Refused (HF4101) when the uid has an unresolved one; a deletion that no run plans also (HF4103) while others refer to the resource. */
  | { readonly t: 'tx.open'; readonly row: TxRow }
  /** Changes a transaction by the table of moves. */
  | { readonly t: 'tx.move'; readonly token: string; readonly to: TxRow['status']; readonly set: Partial<Pick<TxRow, 'applied' | 'epoch' | 'attempts' | 'firstSentAt' | 'lastSentAt' | 'endedAt' | 'evidence' | 'target'>> }
  /** Inserts the row, or replaces the one of the same uid and `since`. `docs` absent: the stored ones stay (the row must exist). */
  | { readonly t: 'resource.put'; readonly row: Omit<ResourceRow, 'seq'>; readonly docs?: ResourceDocs }
  /** Sets or clears `until` on the row (uid, since). */
  | { readonly t: 'resource.until'; readonly uid: string; readonly since: number; readonly until: number | undefined }
  | { readonly t: 'resource.drop'; readonly uid: string; readonly since: number }
  /** Refused (HF2105) when another uid has the key, unless that one gives it up (`until`) in the same environment. */
  | { readonly t: 'claim.put'; readonly row: ClaimRow }
  | { readonly t: 'claim.drop'; readonly uid: string; readonly key?: string }
  | { readonly t: 'task.put'; readonly row: TaskRow }
  | { readonly t: 'outputs.put'; readonly row: OutputsRow }
  | { readonly t: 'secret.put'; readonly row: SecretRow }
  | { readonly t: 'secret.drop'; readonly env: string; readonly name: string }
  | { readonly t: 'trash.put'; readonly row: TrashRow }
  | { readonly t: 'trash.drop'; readonly id: string }
  /** The state is deleted: its name is free, its history stays. Refused (HF4102) while it has rows that stand, components, children, or unsettled changes. */
  | { readonly t: 'env.drop'; readonly env: string }
  /** Refused (HF4105) when another uid of the environment has the name. */
  | { readonly t: 'component.put'; readonly row: ComponentRow }
  /** Its references go with it. */
  | { readonly t: 'component.drop'; readonly env: string; readonly uid: string }
  /** Refused when the target does not stand (HF4103), or is being deleted (HF4101). */
  | { readonly t: 'reference.put'; readonly row: ReferenceRow }
  | { readonly t: 'reference.drop'; readonly env: string; readonly component: string; readonly targetUid: string }
  | { readonly t: 'resolved.put'; readonly row: ResolvedRow }
  | { readonly t: 'resolved.drop'; readonly env: string; readonly uid: string }
  /** Refused (HF4104) when there is a request of that id in the scope. Answers older than 7 days go, a few at a time. */
  | { readonly t: 'request.put'; readonly row: RequestRow }
  | { readonly t: 'meta.keyCheck'; readonly value: string }
  /** Takes the events of commits up to `upTo` away. The last commit that had events keeps them. */
  | { readonly t: 'events.compact'; readonly env: string; readonly upTo: number }
  | { readonly t: 'event'; readonly at: EpochMs; readonly kind: string; readonly data: string }

export type { EventRow }
