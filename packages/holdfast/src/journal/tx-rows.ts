import { unresolved, type TxRow } from '../state/index.ts'
import { refuseReferenced } from './component-rows.ts'
import type { Edits } from './edits.ts'
import { baseOf } from './lone-change.ts'
import { refusals } from './refusals.ts'
import { parseKey } from './resource-rows.ts'
import type { Tables } from './tables.ts'

/** A resource has one change that is not settled, at most. */
export function storeTx(t: Tables, edits: Edits, old: TxRow | undefined, now: TxRow): void {
  const open = t.unresolvedOf
  if (unresolved(now)) {
    const other = open.get(now.uid)
    if (other !== undefined && other !== now.token) throw refusals.busy(now.address, other, (t.txs.get(other) as TxRow).run)
    if (other === undefined) edits.set(open, now.uid, now.token)
  } else if (old && unresolved(old)) edits.drop(open, now.uid)
  edits.set(t.txs, now.token, now)
}

/** A change that no run plans was decided on what its caller read: that must still be so. */
export function guardLone(t: Tables, tx: TxRow, change: string): void {
  const base = baseOf(change)
  if (tx.op === 'delete') refuseReferenced(t, tx.uid, tx.address)
  let stands = false
  if (base === undefined) {
    for (const key of t.lookup.get(tx.env)?.get(`@${tx.address}`) ?? []) {
      const { uid, since } = parseKey(key)
      const row = t.resources.get(uid)?.get(since)?.row
      if (row?.until === undefined && row?.type === tx.type) stands = true
    }
    if (stands) throw refusals.moved(tx.address)
    return
  }
  for (const { row } of t.resources.get(tx.uid)?.values() ?? []) if (row.env === tx.env && row.until === undefined && row.fingerprint === base) stands = true
  if (!stands) throw refusals.moved(tx.address)
}
