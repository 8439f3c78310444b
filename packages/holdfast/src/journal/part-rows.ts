import { assert, mutant } from '../base/index.ts'
import { PART_TAGS, type EnvRow, type OpenPart, type TxRow } from '../state/index.ts'
import { leavingClaims, storeClaim } from './claim-rows.ts'
import type { Edits } from './edits.ts'
import { parseKey, storeResource } from './resource-rows.ts'
import { retagTarget } from './retag.ts'
import type { StoredResource, Tables } from './tables.ts'

/** `part.open` and `part.close`: runs of parts stand in the row of their environment, and their rows have a tag in the place of a revision. */

export function openPart(t: Tables, edits: Edits, env: EnvRow, part: OpenPart): void {
  const parts = env.parts ?? []
  assert(!parts.some((p) => p.tag === part.tag) && part.tag >= PART_TAGS, `part.open: ${part.tag} is no tag of a new part`)
  edits.set(t.envs, env.id, { ...env, parts: [...parts, part] })
}

/** Costs in proportion to what the run has written, and to what is not settled. */
export function closePart(t: Tables, edits: Edits, { parts, ...env }: EnvRow, tag: number, to: number | undefined): void {
  const rest = (parts ?? []).filter((p) => p.tag !== tag)
  assert(rest.length < (parts ?? []).length, `part.close: there is no part ${tag}`)
  edits.set(t.envs, env.id, rest.length > 0 ? { ...env, parts: rest } : env)
  if (to === undefined) return
  for (const token of [...t.unresolvedOf.values()]) {
    const tx = t.txs.get(token) as TxRow
    if (tx.env === env.id && !mutant('part-tags-stay-in-changes')) edits.set(t.txs, token, { ...tx, target: retagTarget(tx.target, tag, to) })
  }
  for (const uid of [...(t.bySince.get(env.id)?.get(tag) ?? [])]) {
    const old = t.resources.get(uid)?.get(tag) as StoredResource
    assert(!t.resources.get(uid)?.has(to), `part.close: ${uid} has a row since ${to} already`)
    storeResource(t, edits, old, undefined)
    storeResource(t, edits, undefined, { ...old, row: { ...old.row, since: to } })
  }
  for (const { uid, since } of [...(t.byUntil.get(env.id)?.get(tag) ?? [])].map(parseKey)) {
    const old = t.resources.get(uid)?.get(since) as StoredResource
    storeResource(t, edits, old, { ...old, row: { ...old.row, until: to } })
  }
  for (const claim of leavingClaims(t, env.id)) {
    if (claim.until === tag && !mutant('part-claims-kept')) storeClaim(t, edits, claim, to <= env.revision ? undefined : { ...claim, until: to })
  }
}
