import { isSecret, refsOf, type Value } from '../model/index.ts'
import { deleteTask, goneTask, pendingTask, tasksBefore } from '../plan/index.ts'
import type { ResourceRow } from '../state/index.ts'
import type { Compiled } from './compile.ts'
import type { EnvDiff } from './diff.ts'
import type { EnvState } from './state.ts'
import { wiresIn } from './wires.ts'

/** From here on an id is looked for inside of other texts, too. */
const INSIDE_CHARS = 6

/**
 * What is left over from an earlier run and would go first only because it refers to something that does, while another object still refers to it and is
 * neither changed nor deleted before: it goes last, as what leaves the program does then (compile.ts). What its own place is wanted of goes first anyway.
 *
 * Takes    `goesLast`: those of which that is known already. What refers to one of them has to go after it.
 * Gives    their uids.
 */
export async function underTheFeet(state: EnvState, diff: EnvDiff, { changes, through }: Compiled, goesLast: ReadonlySet<string>): Promise<string[]> {
  const out: string[] = []
  const nodeOf = new Map(diff.changed.map((d) => [d.row?.uid, d]))
  for (const c of changes) {
    if (!c.pending || c.phase !== 'expand' || c.doc.action !== 'delete') continue
    const gone = state.current.get(c.uid as string) as ResourceRow
    const before = tasksBefore(changes, through, goneTask(c))
    const ends = (r: ResourceRow): boolean => {
      if (c.takes?.includes(r.uid)) return true
      if (r.status === 'deleting') return before.has(pendingTask(r.address, r.uid))
      const d = nodeOf.get(r.uid)
      if (before.has(deleteTask(d?.node.address ?? r.address))) return true
      // The old object of a replacement stands until the commit.
      return d !== undefined && (d.decision.action !== 'replace' || d.decision.maybe) && before.has(d.node.address)
    }
    for (const r of state.current.values() as Iterable<ResourceRow>) {
      if (r.uid === gone.uid || !r.meta.deps.includes(gone.address) || (r.status === 'deleting' && !goesLast.has(r.uid)) || ends(r)) continue
      if (!(await refersTo(state, r, gone))) continue
      out.push(gone.uid)
      break
    }
  }
  return out
}

/** Whether inputs of an object were made of this very one, and not of the one that took its place: rows name what they use by address. */
async function refersTo(state: EnvState, r: ResourceRow, gone: ResourceRow): Promise<boolean> {
  const at = [...(wiresIn(state, r) ?? [])].filter(([, e]) => refsOf(e).has(gone.address)).map(([key]) => key)
  if (at.length === 0) return false
  const id = gone.meta.physicalId
  // Where no id tells them apart: what was not written since it was set aside means it. That something was written is no proof of the contrary (a taint).
  const older = r.seq < gone.seq
  if (id === undefined || state.rowAt(gone.address)?.meta.physicalId === id) return older
  const inputs = await state.inputsOf(r)
  return at.some((key) => holds(inputs[key], id, older))
}

/** `hidden`: what is said of a secret, which is not looked into. */
function holds(v: Value | undefined, id: string, hidden: boolean): boolean {
  if (typeof v === 'string') return v === id || (id.length >= INSIDE_CHARS && v.includes(id))
  if (typeof v !== 'object' || v === null) return false
  if (isSecret(v)) return hidden
  return Object.values(v).some((x) => holds(x as Value, id, hidden))
}
