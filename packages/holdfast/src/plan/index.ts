/**
 * What will be done: a frozen list of changes in order, each with what it waits for.
 *
 * Pure. Always true: a plan holds no secret in clear; a plan that was edited is refused; nothing that two nodes claim is made twice.
 * May import base, model, secret, graph, state, flow, diff.
 * @module
 */
export { afterUsers, orderByClaims, refuseCircles, tasksBefore, type ClaimOrder, type Going, type Owner, type Wanting } from './claims.ts'
export { readPlan, writePlan } from './codec.ts'
export { guard, guardDeletes } from './guards.ts'
export { deleteTask, goneTask, goneTaskAfter, isEmpty, pendingTask, summarise, type ChangeAction, type ChangeDocument, type FindingDocument, type PathChange, type Plan, type PlannedChange, type Vector } from './plan.ts'
export { chosen, isWhole, pattern, type Restriction } from './targets.ts'
