import type { SimulatedStep, SimulationDocument } from '../../engine/index.ts'
import type { Paint } from '../paint.ts'

/** What began when, and how it would end. One line for each kind of step that begins at one moment. */
export function simulationScreen(doc: SimulationDocument, where: { readonly app: string; readonly env: string }, paint: Paint): string {
  const { from, to } = doc.revision
  let out = `${paint.bold(`${where.app} ${paint.sign('·')} ${where.env}`)}   simulated: nothing was called, nothing was changed\n\n`
  if (doc.steps.length === 0) return `${out}There is nothing to do.\n`
  for (const step of doc.steps) out += stepLines(step, from, to, paint)
  const why = doc.failure ? `${String(doc.failure.message)}\n` : ''
  return `${out}\n${why}It would end ${doc.outcome} at revision ${to}; at most ${doc.atOnce} ${doc.atOnce === 1 ? 'step' : 'steps'} at the same time.\n${list('Skipped', doc.skipped)}${list('Same content in a new object', doc.reverted.filter((r) => r.identity === 'new').map((r) => r.address))}${list('Still to be deleted', doc.pending)}`
}

const list = (what: string, addresses: readonly string[]): string => (addresses.length === 0 ? '' : `${what}: ${addresses.join(', ')}.\n`)

function stepLines(step: SimulatedStep, from: number, to: number, paint: Paint): string {
  if (step.phase === 'commit') return `      ${paint.bold('commit'.padEnd(9))} revision ${from} ${paint.sign('→')} ${to}\n`
  const kinds = new Map<string, string[]>()
  for (const t of step.tasks) {
    const op = t.op === 'revert' ? 'take back' : t.op
    kinds.set(op, [...(kinds.get(op) ?? []), t.outcome === 'failed' ? paint.red(`${t.address} (fails)`) : t.address])
  }
  let first = true
  let out = ''
  for (const [op, addresses] of kinds) {
    out += `${(first ? String(step.at) : '').padStart(4)}  ${op.padEnd(9)} ${addresses.join(', ')}\n`
    first = false
  }
  return out
}
