import { failure } from '../base/index.ts'
import type { Address } from '../model/index.ts'
import type { PlannedChange } from './plan.ts'

/** Refuses what must not be done without a person's word. Nothing was changed. Fails HF5001, HF2501. */
export function guard(changes: readonly PlannedChange[], allowDeletes: number | undefined): void {
  for (const c of changes) {
    if (c.doc.protected && (c.doc.action === 'delete' || c.doc.action === 'replace' || c.doc.replace !== undefined)) {
      throw failure('HF5001', { address: c.doc.address, site: c.site, message: `${c.doc.address} is protected, and the plan would ${c.doc.action} it.` })
    }
  }
  const deletes = changes.filter((c) => c.doc.action === 'delete').length
  if (allowDeletes !== undefined && deletes > allowDeletes) throw failure('HF2501', { message: `The plan deletes ${deletes} nodes; ${allowDeletes} are allowed.` })
}

/**
 * Only the targets and what they need, less the excluded and what needs them (spec/api-cli.md 4.3): an edge is never broken.
 * `needs` and `neededBy` give direct neighbours.
 */
export function restrict(all: Iterable<Address>, targets: readonly Address[], excludes: readonly Address[], needs: (a: Address) => readonly Address[], neededBy: (a: Address) => readonly Address[]): Set<Address> | undefined {
  if (targets.length === 0 && excludes.length === 0) return undefined
  const known = new Set(all)
  for (const a of [...targets, ...excludes]) if (!known.has(a)) throw failure('HF6001', { address: a, message: `${a} is no node of this program or state.` })
  const keep = targets.length ? reach(targets, needs) : known
  for (const x of reach(excludes, neededBy)) {
    if (targets.includes(x)) throw failure('HF1001', { message: `${x} is a target, and needs what is excluded.` })
    keep.delete(x)
  }
  return keep
}

function reach(from: readonly Address[], next: (a: Address) => readonly Address[]): Set<Address> {
  const out = new Set(from)
  const todo = [...from]
  for (let a = todo.pop(); a !== undefined; a = todo.pop()) for (const n of next(a)) if (!out.has(n)) {
    out.add(n)
    todo.push(n)
  }
  return out
}
