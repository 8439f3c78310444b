import { failure, mutant } from '../base/index.ts'
import type { PlannedChange } from './plan.ts'

/** Refuses what must not be done without a person's word. Nothing was changed. Fails HF5001, HF2501. */
export function guard(changes: readonly PlannedChange[], allowDeletes: number | undefined): void {
  for (const c of changes) {
    if (c.doc.protected && !mutant('protect-ignored') && (c.doc.action === 'delete' || c.doc.action === 'replace' || c.doc.replace !== undefined)) {
      throw failure('HF5001', { address: c.doc.address, site: c.site, message: `${c.doc.address} is protected, and the plan would ${c.doc.action} it.` })
    }
  }
  guardDeletes(changes, allowDeletes)
}

/** Fails HF2501. */
export function guardDeletes(changes: readonly PlannedChange[], allowDeletes: number | undefined): void {
  const deletes = changes.filter((c) => c.doc.action === 'delete').length
  if (allowDeletes !== undefined && deletes > allowDeletes) throw failure('HF2501', { message: `The plan deletes ${deletes} nodes; ${allowDeletes} are allowed.` })
}
