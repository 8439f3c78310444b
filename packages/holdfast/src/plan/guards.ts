import { failure, mutant } from '../base/index.ts'
import type { PlannedChange } from './plan.ts'

/** Refuses what must not be done without a person's word. Nothing was changed. Fails HF5001 with all that is protected, HF2501. */
export function guard(changes: readonly PlannedChange[], allowDeletes: number | undefined): void {
  const refused = changes.filter((c) => c.doc.protected && !mutant('protect-ignored') && (c.doc.action === 'delete' || c.doc.action === 'replace' || (c.doc.replace !== undefined && c.doc.action !== 'maybe')))
  const [first] = refused
  if (first) {
    const { address, action, reasons } = first.doc
    const more = refused.length > 1 ? `; ${refused.length - 1} more: ${refused.slice(1).map((c) => c.doc.address).join(', ')}` : ''
    throw failure('HF5001', {
      address, site: first.site, message: `${address} is protected, and the plan would ${action} it${reasons[0] === undefined ? '' : ` (${reasons[0]})`}${more}. Nothing was changed.`,
      hint: `Keep it as it is. Or take \`protect\` away and apply that first. Or lift the protection for this plan alone: ${refused.map((c) => `--unprotect ${c.doc.address}`).join(' ')}`,
      details: { nodes: refused.map((c) => ({ address: c.doc.address, action: c.doc.action, reasons: c.doc.reasons })) },
    })
  }
  guardDeletes(changes, allowDeletes)
}

/** Fails HF2501. */
export function guardDeletes(changes: readonly PlannedChange[], allowDeletes: number | undefined): void {
  const deletes = changes.filter((c) => c.doc.action === 'delete').length
  if (allowDeletes !== undefined && deletes > allowDeletes) throw failure('HF2501', { message: `The plan deletes ${deletes} nodes; ${allowDeletes} are allowed.` })
}
