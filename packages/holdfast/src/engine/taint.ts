import { failure } from '../base/index.ts'
import type { Entry } from '../journal/index.ts'
import type { Address } from '../model/index.ts'
import type { EnvState } from '../resource/index.ts'

/**
 * Marks nodes so that the next plan makes their objects anew, or takes the marks away. No revision of its own: nothing that is desired changes.
 * Plans that were made before are stale.
 *
 * Durable  on return, all of them in one commit with an event each.
 * Fails    HF6001 when one of them is no node that stands, HF4101 while a run is open or a change of one is not settled; nothing was marked.
 */
export async function taintOn(state: EnvState, addresses: readonly Address[], tainted: boolean): Promise<Record<string, unknown>> {
  const { cx, env } = state
  const names = [...new Set(addresses.map((a) => a.normalize('NFC')))]
  if (env.openRun !== undefined) throw failure('HF4101', { message: `Run ${env.openRun} is not finished.`, hint: 'To go on: holdfast run resume. To take it back: holdfast run revert.' })
  const open = new Map((await cx.store.txs({ env: env.id, unresolved: true })).map((t) => [t.uid, t]))
  const entries: Entry[] = []
  const changed: Address[] = []
  for (const address of names) {
    const row = state.rowAt(address)
    if (!row || row.meta.lookup) throw failure('HF6001', { address, message: row ? `${address} is a look-up: it has no object of ours.` : `There is no node ${address} in ${env.app}/${env.name}.` })
    const tx = open.get(row.uid)
    if (tx) throw failure('HF4101', { address, message: `The ${tx.op} of ${address} is not settled.`, hint: `Settle it first: holdfast run settle ${tx.token}` })
    if ((row.meta.tainted === true) === tainted) continue
    const { seq: _seq, ...draft } = row
    const { tainted: _tainted, ...meta } = row.meta
    entries.push({ t: 'resource.put', row: { ...draft, meta: tainted ? { ...meta, tainted: true } : meta } })
    entries.push({ t: 'event', at: cx.clock.now(), kind: tainted ? 'state.tainted' : 'state.untainted', data: JSON.stringify({ node: address, uid: row.uid, holder: cx.holder.id, pid: cx.holder.pid, host: cx.holder.host }) })
    changed.push(address)
  }
  if (entries.length > 0) await state.commit(entries)
  return { nodes: names, changed, tainted, revision: env.revision }
}
