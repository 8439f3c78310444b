import { assert } from '../base/index.ts'
import type { ComponentRow, ReferenceRow } from '../state/index.ts'
import type { Edits } from './edits.ts'
import { refusals } from './refusals.ts'
import { referenceKey, under, type Tables } from './tables.ts'

/** Components, and what they refer to. */

export function putComponent(t: Tables, edits: Edits, row: ComponentRow): void {
  const at = under(t.componentAt, row.env, () => new Map<string, string>())
  const other = at.get(row.name)
  if (other !== undefined && other !== row.uid) throw refusals.componentExists(row.name)
  const old = t.components.get(row.uid)
  assert(!old || old.env === row.env, `${row.uid} belongs to two environments`)
  if (old && old.name !== row.name) edits.drop(at, old.name)
  edits.set(at, row.name, row.uid)
  edits.set(t.components, row.uid, row)
}

/** Its references go with it. */
export function dropComponent(t: Tables, edits: Edits, env: string, uid: string): void {
  const old = t.components.get(uid)
  if (!old || old.env !== env) return
  for (const [key, r] of [...t.references]) if (r.env === env && r.component === uid) forget(t, edits, key, r)
  edits.drop(under(t.componentAt, env, () => new Map()), old.name)
  edits.drop(t.components, uid)
}

export function putReference(t: Tables, edits: Edits, row: ReferenceRow): void {
  const key = referenceKey(row)
  const old = t.references.get(key)
  if (!old) {
    const busy = t.unresolvedOf.get(row.targetUid)
    const tx = busy === undefined ? undefined : t.txs.get(busy)
    if (tx?.op === 'delete') throw refusals.busy(row.address, tx.token, tx.run)
    let stands = false
    for (const r of t.resources.get(row.targetUid)?.values() ?? []) if (r.row.env === row.targetEnv && r.row.until === undefined && r.row.status !== 'deleting') stands = true
    if (!stands) throw refusals.targetMissing(row.address)
    edits.add(under(t.referencesTo, row.targetUid, () => new Set()), key)
  }
  edits.set(t.references, key, row)
}

export function dropReference(t: Tables, edits: Edits, key: string): void {
  const old = t.references.get(key)
  if (old) forget(t, edits, key, old)
}

function forget(t: Tables, edits: Edits, key: string, row: ReferenceRow): void {
  edits.drop(t.references, key)
  edits.remove(under(t.referencesTo, row.targetUid, () => new Set()), key)
}

/** A resource that something refers to is not deleted. */
export function refuseReferenced(t: Tables, uid: string, address: string): void {
  const keys = t.referencesTo.get(uid)
  if (!keys?.size) return
  const names = [...keys].map((k) => t.components.get((t.references.get(k) as ReferenceRow).component)?.name ?? '?')
  throw refusals.referenced(address, names.sort())
}
