import { mutant } from '../base/index.ts'
import type { ClaimRow, ResourceRow } from '../state/index.ts'
import type { Edits } from './edits.ts'
import { refusals } from './refusals.ts'
import { under, type Tables } from './tables.ts'

/** Claims, and the indexes that find those of a resource and those that will be given up. */

export function putClaim(t: Tables, edits: Edits, row: ClaimRow): void {
  const old = t.claims.get(row.key)
  if (!old || old.uid === row.uid) return storeClaim(t, edits, old, row)
  // What gives the key up with this revision hands it over within its environment; taking back gives it back first.
  if (old.until === undefined || old.env !== row.env) throw taken(t, old)
  storeClaim(t, edits, old, undefined)
  storeClaim(t, edits, undefined, row)
}

/** `key`: undefined for all that the uid has. */
export function dropClaims(t: Tables, edits: Edits, env: string, uid: string, key: string | undefined): void {
  const keys = key === undefined ? [...(t.claimsOfUid.get(uid) ?? [])] : [key]
  for (const k of keys) {
    const old = t.claims.get(k)
    if (old && old.uid === uid && old.env === env) storeClaim(t, edits, old, undefined)
  }
}

/** Those that were given up with a revision go when it is committed. */
export function freeClaims(t: Tables, edits: Edits, env: string, revision: number): void {
  for (const claim of leavingClaims(t, env)) {
    if ((claim.until as number) <= revision && !mutant('claims-kept-after-commit')) storeClaim(t, edits, claim, undefined)
  }
}

export const leavingClaims = (t: Tables, env: string): ClaimRow[] => [...(t.leavingClaims.get(env) ?? [])].map((key) => t.claims.get(key) as ClaimRow)

/** The only place where claims and their indexes change. */
export function storeClaim(t: Tables, edits: Edits, old: ClaimRow | undefined, now: ClaimRow | undefined): void {
  const row = (now ?? old) as ClaimRow
  const leaving = under(t.leavingClaims, row.env, () => new Set())
  if (old?.until !== undefined && now?.until === undefined) edits.remove(leaving, row.key)
  if (now?.until !== undefined) edits.add(leaving, row.key)
  const ofUid = under(t.claimsOfUid, row.uid, () => new Set())
  if (now) {
    edits.set(t.claims, row.key, now)
    edits.add(ofUid, row.key)
  } else {
    edits.drop(t.claims, row.key)
    edits.remove(ofUid, row.key)
  }
}

function taken(t: Tables, owner: ClaimRow): Error {
  const env = t.envs.get(owner.env)
  let newest: ResourceRow | undefined
  for (const { row } of t.resources.get(owner.uid)?.values() ?? []) if (!newest || row.since > newest.since) newest = row
  return refusals.claimTaken(owner.key, { app: env?.app ?? '?', env: env?.name ?? '?', uid: owner.uid, address: newest?.address })
}
