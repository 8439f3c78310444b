/**
 * Puts one run together: preview, apply, revert, resume, settle, drift, and what there is to read.
 *
 * Always true: the world is changed only under a lease; a plan is applied exactly once, and never on a state it was not made for; an environment is at
 * a committed revision, or it has one open run of the whole, or open runs of parts that do not meet.
 * May import everything above but builtin and backend.
 * @module
 */
export { adoptAll, readAdoptRows } from './adopt.ts'
export type { AdoptRow, ApplyOptions, EngineContext, EngineEvent, EventType, OnFailure, PlanRequest } from './api.ts'
export type {
  ChangeAction, ChangeDocument, DriftDocument, OpenChangeDocument, Outcome, PathChange, PlanDocument, ResourceDocument, RunDocument, StatusDocument, TaskDocument,
} from './documents.ts'
export { compactHistory, type CompactDocument } from './compact.ts'
export { loadPlan, makePlan, refuseDeletes, type PlannedRun } from './plan.ts'
export { diffPlans, type PlanDiffDocument } from './plan-diff.ts'
export { exitCodeOf, graphDocument, listPlans, listResources, listRuns, readDrift, readOutputs, readStatus, showPlan, showResource, showRun } from './read.ts'
export { acquire, envScope, forceLeases, heldLeases, keepForLater, type HeldLease, type LeaseOptions } from './lease.ts'
export { repairOf, type RefreshDocument, type RefreshRequest } from './refresh.ts'
export { simulate, type SimulatedStep, type SimulateOptions, type SimulationDocument } from './simulate.ts'
export { approvePlan, type ApprovalDocument } from './approval.ts'
export { listSecrets, removeSecret, setSecret } from './secrets.ts'
export { beginRun, type RunOptions, type RunSession } from './session.ts'
export { forgetBound, type GoneData } from '../resource/index.ts'
export type { SettleHow } from './settle.ts'
