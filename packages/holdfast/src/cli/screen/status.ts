import type { StatusDocument } from '../../engine/index.ts'
import type { Paint } from '../paint.ts'

export function statusScreen(doc: StatusDocument, where: { readonly app: string; readonly env: string }, paint: Paint): string {
  const place = `${where.app} ${paint.sign('·')} ${where.env}`
  let out = `${paint.bold(place)}   revision ${doc.revision}${doc.partial ? ' (only what succeeded)' : ''}   ${doc.resources} ${doc.resources === 1 ? 'node' : 'nodes'}\n`
  for (const l of doc.leases) out += leaseLine(l, `${where.app}/${where.env}`)
  // While somebody is at work, an open run is theirs.
  const busy = doc.leases.some((l) => l.alive && !l.kept && l.scope === `${where.app}/${where.env}`)
  if (doc.openRun) out += busy ? `Run ${doc.openRun} is at work.\n` : `${paint.yellow(`Run ${doc.openRun} is not finished.`)} To go on: holdfast run resume. To take it back: holdfast run revert.\n`
  for (const p of doc.parts ?? []) out += p.alive ? `Run ${p.run} is at work on ${p.scopes.join(', ')}.\n` : `${paint.yellow(`Run ${p.run} is not finished.`)} It has changed ${p.scopes.join(', ')}. To go on: holdfast run resume. To take it back: holdfast run revert.\n`
  if (doc.open.length > 0) {
    out += '\nOpen changes: until they are settled, the record cannot be assumed to represent what is there\n'
    for (const o of doc.open) {
      out += `  ${o.tx}  ${o.address}  ${o.op}  ${o.status} since ${o.since}\n`
      if (o.evidence) out += `      ${o.evidence}\n`
      if (o.actions.length > 0) out += `      ${o.actions.map((a) => `holdfast run settle ${o.tx} ${a}`).join('\n      ')}\n`
    }
  }
  if (doc.pendingDeletes.length > 0) out += `\nStill to be deleted: ${doc.pendingDeletes.join(', ')}\n`
  if (doc.lastRun) out += `Last run ${doc.lastRun.run}  ${doc.lastRun.kind}  ${doc.lastRun.outcome ?? doc.lastRun.status}  ${doc.lastRun.endedAt ?? doc.lastRun.startedAt}\n`
  for (const w of doc.warnings) out += `${paint.yellow('warning')} ${w}\n`
  return out
}

/** Leases of other environments and of single components are named. */
function leaseLine(l: StatusDocument['leases'][number], here: string): string {
  const who = `pid ${l.pid} on ${l.host}`
  const on = l.scope === here ? '' : ` on ${l.scope}`
  if (l.kept) return `Kept for an apply${on}: until ${l.expires}, by ${who}\n`
  return `At work${on}: ${who} since ${l.since}${l.alive ? '' : ' (not alive; the next apply takes over)'}\n`
}
