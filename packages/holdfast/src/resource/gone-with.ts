import type { DesiredGraph } from '../graph/index.ts'
import type { Address } from '../model/index.ts'
import { goneTask, tasksBefore, type PlannedChange } from '../plan/index.ts'
import { compile, type Compiled } from './compile.ts'
import { diffResources, type DiffOptions, type EnvDiff } from './diff.ts'
import { pulledInVain } from './goes-first.ts'
import type { EnvState } from './state.ts'
import { tiedTo } from './together.ts'
import { underTheFeet } from './under-feet.ts'

/**
 * Diff and changes that agree on what goes first.
 *
 * That shows only when both are there, and asks for another diff, in three cases: something was pulled along in vain (goes-first.ts), what goes first
 * takes an object along that was only to be changed, or something that is left over would go under the feet of what refers to it (under-feet.ts). Each round adds a
 * node or a row, so it ends.
 */
export async function diffAndCompile(state: EnvState, graph: DesiredGraph | undefined, options: DiffOptions): Promise<{ readonly diff: EnvDiff; readonly compiled: Compiled }> {
  const notPulled = new Set<Address>()
  const goneWith = new Map<Address, Address>()
  const goesLast = new Set<string>()
  for (;;) {
    const diff = await diffResources(state, graph, { ...options, notPulled, goneWith })
    const vain = pulledInVain(state, graph, diff)
    for (const a of vain) notPulled.add(a)
    if (vain.length > 0) continue
    const compiled = await compile(state, graph, diff, { ...options, goesLast })
    const before = goneWith.size + goesLast.size
    for (const [a, host] of goneTooSoon(state, diff, compiled)) goneWith.set(a, host)
    for (const uid of await underTheFeet(state, diff, compiled, goesLast)) goesLast.add(uid)
    if (goneWith.size + goesLast.size === before) return { diff, compiled }
  }
}

/**
 * Nodes whose objects lie in one that goes first, and are changed after that, because they wait for what takes its place: by then they are gone.
 * An object that is changed before is out of it.
 *
 * Gives  their addresses, and of what they go with.
 */
function goneTooSoon(state: EnvState, diff: EnvDiff, { changes, through }: Compiled): Map<Address, Address> {
  const out = new Map<Address, Address>()
  // uid -> the change in whose call it goes.
  const goneIn = new Map<string, PlannedChange>()
  for (const c of changes) {
    if (c.phase !== 'expand' || c.uid === undefined || c.doc.action === 'forget' || (c.doc.action !== 'delete' && !c.deleteFirst)) continue
    if (!goneIn.has(c.uid)) goneIn.set(c.uid, c)
    for (const uid of c.takes ?? []) goneIn.set(uid, c)
  }
  if (goneIn.size === 0) return out
  for (const { node, row, decision } of diff.changed) {
    const uid = row && tiedTo(row)
    const with_ = uid === undefined ? undefined : goneIn.get(uid)
    if (!with_ || decision.action === 'replace' || decision.action === 'create' || decision.action === 'read') continue
    if (!tasksBefore(changes, through, goneTask(with_)).has(node.address)) out.set(node.address, state.current.get(uid as string)?.address ?? with_.doc.address)
  }
  return out
}
