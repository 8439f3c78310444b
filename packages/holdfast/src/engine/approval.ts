import { canonical, failure, sha256hex } from '../base/index.ts'
import { EnvState, type EngineContext } from '../resource/index.ts'
import type { Keyring } from '../secret/index.ts'
import type { PlanApproval, PlanRow } from '../state/index.ts'
import { ensureEnv, loadOn, nameOf, planEntry, refuseStale, vectorOf, type PlannedRun } from './plan.ts'

/** What is shown of an approval. */
export interface ApprovalDocument {
  readonly by: string
  /** ISO time. */
  readonly at: string
  /** By the one who made the plan. */
  readonly own: boolean
}

const LABEL = 'holdfast:approval:1'
const macOf = (ring: Keyring, plan: string, a: Omit<PlanApproval, 'mac'>): string => ring.mac(LABEL, canonical({ plan, by: a.by, at: a.at, own: a.own, digest: a.digest }))

/** The approval of a plan as it is now: one of another text, or made without the key, is none. */
export function approvalIn(row: Pick<PlanRow, 'id' | 'doc' | 'approval'>, ring: Keyring | undefined): PlanApproval | undefined {
  const a = row.approval
  return a && ring && a.digest === sha256hex(row.doc) && a.mac === macOf(ring, row.id, a) ? a : undefined
}

export const approvalDocument = (a: PlanApproval | undefined): ApprovalDocument | null => (a ? { by: a.by, at: new Date(a.at).toISOString(), own: a.own } : null)

/**
 * Records that a person wants a stored plan applied: who, when, and whether it is their own plan.
 *
 * Durable  on return: the approval beside the plan, and the event `plan.approved`, in one commit.
 * Fails    HF2404, HF2402, HF2403 as loading it does; HF2401 when the state has moved since it was made: what nobody can apply, nobody can approve.
 */
export async function approvePlan(cx: EngineContext, id: string): Promise<ApprovalDocument & { readonly plan: string }> {
  const state = await EnvState.load(cx)
  const { plan } = await loadOn(state, { id })
  refuseStale(plan, await vectorOf(state))
  const row = (await cx.store.plan(id)) as PlanRow
  const bare = { by: nameOf(cx), at: cx.clock.now(), own: nameOf(cx) === row.madeBy, digest: sha256hex(row.doc) }
  const approval: PlanApproval = { ...bare, mac: macOf(cx.ring as Keyring, id, bare) }
  await state.commit([
    { t: 'plan.approve', id, approval },
    { t: 'event', at: bare.at, kind: 'plan.approved', data: JSON.stringify({ plan: id, by: bare.by, own: bare.own, holder: cx.holder.id }) },
  ])
  return { plan: id, ...(approvalDocument(approval) as ApprovalDocument) }
}

/**
 * Where the environment wants every plan approved, one that is not is refused. A plan that was not stored is stored first, so that it can be approved.
 * Fails HF2502.
 */
export async function refuseUnapproved(state: EnvState, planned: PlannedRun): Promise<void> {
  const { cx } = state
  if (cx.approval !== 'required' || planned.empty) return
  const row = await cx.store.plan(planned.id)
  if (row && approvalIn(row, cx.ring)) return
  if (!row) await state.commit([...(await ensureEnv(state)), planEntry(state, planned)])
  throw failure('HF2502', {
    message: `The plan ${planned.id} is not approved, and ${state.env.app}/${state.env.name} wants every plan approved. Nothing was changed.`,
    hint: `holdfast plan show ${planned.id}, then holdfast plan approve ${planned.id}, then holdfast apply ${planned.id}`, details: { plan: planned.id },
  })
}
