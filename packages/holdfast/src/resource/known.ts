import { failure, mutant } from '../base/index.ts'
import { compare, decide, withStored, type Cause } from '../diff/index.ts'
import type { Scope, Value } from '../model/index.ts'
import type { PlannedChange } from '../plan/index.ts'
import type { ResourceType } from '../provider/index.ts'
import type { ResourceRow } from '../state/index.ts'
import type { RowDraft } from './change.ts'
import { upgraded } from './diff.ts'
import { resolveInputs, rulesOf, type Fields } from './facts.ts'
import { asksOf, triggerOf } from './rules.ts'
import type { EnvState } from './state.ts'

// What a planned change comes to, now that everything is known.

/** What is ignored stands as it stood, also when the object that it stood in went first. */
export async function withIgnored(state: EnvState, c: PlannedChange, type: ResourceType, row: ResourceRow | undefined, inputs: Fields, paths: readonly string[]): Promise<Fields> {
  const stood = row ?? (c.uid === undefined ? undefined : state.base.get(c.uid))
  return stood?.type === type.type && !mutant('ignored-is-sent') ? withStored(inputs, (await upgraded(state, type, stood as ResourceRow)).inputs, paths) : inputs
}

/** A node that it is tied to has a new object now, where the plan could not be certain. */
export function replacedWith(state: EnvState, c: PlannedChange): Cause | undefined {
  for (const [a, uid] of Object.entries(c.ties ?? {})) if (state.rowAt(a)?.uid !== uid && !mutant('tie-forgotten')) return { because: `${a} has become a new object`, maybe: false }
  return undefined
}

/** Whether a replacement that a plan foresaw is still one, now that everything is known. */
export async function mustGo(state: EnvState, scope: Scope, c: PlannedChange, row: RowDraft): Promise<boolean> {
  if (state.provisional(row) || row.type !== c.doc.type || c.doc.action === 'replace') return true
  const type = state.type(c.doc.type, c.doc.address)
  const at = { address: c.doc.address, site: c.site, options: c.options as NonNullable<typeof c.options> }
  const before = await upgraded(state, type, row as ResourceRow)
  const asked = resolveInputs(type, c.inputs as NonNullable<typeof c.inputs>, scope, at)
  const inputs = at.options.ignore ? await withIgnored(state, c, type, row as ResourceRow, asked, at.options.ignore) : asked
  const asks = asksOf(at.options, row, forcedBy(c, false) ?? replacedWith(state, c), before.inputs, inputs, triggerOf(state, type.type, at, scope))
  return decide(row as ResourceRow, compare(before.inputs as Value, inputs as Value), rulesOf(type, at.options), asks).action === 'replace'
}

/** What the plan is certain about. What was made anew already is not made again. */
export const forcedBy = (c: PlannedChange, finished: boolean): Cause | undefined => (c.force === 'replace' && !finished ? { because: c.doc.reasons[0] ?? 'the plan says so', maybe: false } : undefined)

/** A plan refuses what it knows; whether a replacement that was only possible is one shows here. */
export function refuseProtected(c: PlannedChange): void {
  if (c.doc.protected) throw failure('HF5001', { address: c.doc.address, site: c.site, message: `${c.doc.address} is protected, and it would need a new object.` })
}
