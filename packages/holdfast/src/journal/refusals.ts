import { failure, type HoldfastError } from '../base/index.ts'
import { isKept, type LeaseRow } from '../state/index.ts'

/** Why a store refuses a list of entries: one text for every store. */
export const refusals = {
  fenceLost: (scope: string): HoldfastError =>
    failure('HF4203', {
      message: `The lease of ${scope} was lost: another run took over while this one could not renew it. Nothing was written.`,
      details: { scope },
    }),
  stale: (expected: number, actual: number): HoldfastError =>
    failure('HF2401', { message: `The state has changed: expected commit ${expected}, found ${actual}.`, details: { expected, actual } }),
  moved: (address: string): HoldfastError => failure('HF2401', { message: `${address} has changed since it was read.`, address, details: { address } }),
  envExists: (app: string, name: string): HoldfastError =>
    failure('HF2401', { message: `The environment ${name} of ${app} was created by another command in the meantime.`, hint: 'Run the command again.' }),
  revisionMoved: (expected: number, actual: number): HoldfastError =>
    failure('HF2401', { message: `The environment is at revision ${actual}, not at ${expected}.`, details: { expected, actual } }),
  planUsed: (id: string, by: string): HoldfastError => failure('HF2403', { message: `The plan ${id} was applied already, by run ${by}.`, details: { plan: id, run: by } }),
  planUnknown: (id: string): HoldfastError => failure('HF2404', { message: `There is no plan ${id} in this state.` }),
  busy: (address: string, token: string, run: string): HoldfastError =>
    failure('HF4101', { message: `${address} has a change that is not settled (${token} of run ${run}).`, address, details: { tx: token, run } }),
  stateInUse: (name: string, by: string): HoldfastError => failure('HF4102', { message: `The state ${name} is in use: ${by}.`, details: { by } }),
  referenced: (address: string, referrers: readonly string[]): HoldfastError =>
    failure('HF4103', { message: `${address} is used by ${referrers.join(', ')}.`, address, details: { referrers } }),
  targetMissing: (address: string): HoldfastError => failure('HF4103', { message: `There is no ${address} to refer to.`, address, details: { missing: true } }),
  requestKnown: (id: string): HoldfastError => failure('HF4104', { message: `The request ${id} was answered already.`, details: { request: id } }),
  componentExists: (name: string): HoldfastError => failure('HF4105', { message: `There is a component ${name} already.`, details: { component: name } }),
  heldBy: (row: LeaseRow, nowMs: number): HoldfastError => {
    const { scope, holder, grantedAt, expiresAt } = row
    const ageMs = Math.max(0, nowMs - grantedAt)
    const who = `pid ${holder.pid} on ${holder.host}, for ${Math.round(ageMs / 1000)} s`
    return failure('HF4201', {
      message: isKept(holder) ? `${scope} is kept for an apply, until ${new Date(expiresAt).toISOString()} (by ${who}).` : `${scope} is held by ${holder.id} (${who}).`,
      ...(isKept(holder) && { hint: 'Apply the plan with the lease that was printed with it, wait for it with --lock-timeout, or give it up:\n    holdfast state unlock' }),
      details: { scope, holder: holder.id, host: holder.host, pid: holder.pid, ageMs, expiresAt: new Date(expiresAt).toISOString() },
    })
  },
  claimTaken: (key: string, owner: { readonly app: string; readonly env: string; readonly uid: string; readonly address: string | undefined }): HoldfastError =>
    failure('HF2105', {
      message: `${key} is owned by ${owner.address ?? owner.uid} of ${owner.app} (${owner.env}).`,
      details: { claim: key, app: owner.app, env: owner.env, uid: owner.uid, ...(owner.address === undefined ? {} : { owner: owner.address }) },
    }),
} as const
