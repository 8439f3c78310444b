import { failure } from '../base/index.ts'
import type { Address } from '../model/index.ts'
import { refreshEntries, type EnvState } from '../resource/index.ts'
import type { ResourceRow } from '../state/index.ts'

/**
 * Gives a node up: its record goes, its object stays where it is, and nobody looks after it; what depended on it does so no more. What was committed
 * becomes a revision of its own; what was still to be deleted is only taken off the list.
 *
 * Fails    HF6001 when there is no such node, HF4101 while a run is open or a change of it is not settled.
 */
export async function forgetOn(state: EnvState, address: Address): Promise<Record<string, unknown>> {
  const { cx, env } = state
  const rows = [...state.current.values()].filter((r) => r.address === address)
  if (rows.length === 0) throw failure('HF6001', { address, message: `There is no node ${address} in ${env.app}/${env.name}.` })
  if (env.openRun !== undefined) throw failure('HF4101', { address, message: `Run ${env.openRun} is not finished.`, hint: 'To go on: holdfast run resume. To take it back: holdfast run revert.' })
  const uids = new Set(rows.map((r) => r.uid))
  const open = (await cx.store.txs({ env: env.id, unresolved: true })).find((t) => uids.has(t.uid))
  if (open) throw failure('HF4101', { address, message: `The ${open.op} of ${address} is not settled.`, hint: `Settle it first: holdfast run settle ${open.token}` })
  const now = cx.clock.now()
  const standing = rows.filter((r) => r.status !== 'deleting') as ResourceRow[]
  // What depended on it does so no more, as where its object is found to be gone.
  const { entries } = await refreshEntries(state, standing.map((row) => ({ kind: 'gone' as const, row })), now)
  for (const row of rows) if (row.status === 'deleting') entries.push({ t: 'resource.drop', uid: row.uid, since: row.since }, { t: 'claim.drop', uid: row.uid })
  const from = env.revision
  if (standing.length > 0) entries.push({ t: 'env.commit', env: env.id, from, to: state.next, partial: env.partial })
  const objects = rows.map((r) => ({ type: r.type, uid: r.uid, physicalId: r.meta.physicalId ?? r.meta.physicalName ?? null }))
  entries.push({ t: 'event', at: now, kind: 'state.forgotten', data: JSON.stringify({ node: address, objects, holder: cx.holder.id, pid: cx.holder.pid, host: cx.holder.host }) })
  await state.commit(entries)
  return { address, forgotten: objects, revision: { from, to: state.env.revision } }
}
