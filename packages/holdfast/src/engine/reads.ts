import type { Address } from '../model/index.ts'
import { deleteTask, type PlannedChange } from '../plan/index.ts'
import { owesOnly, type EnvState } from '../resource/index.ts'

/**
 * Tells which tasks bring back what an object of the base depends on there: nothing is restored before that is.
 *
 * Takes    `doneOf`: what earlier runs of this one have done to the object that the base has at an address.
 * Gives    ids of tasks, by uid; also of such as the flow does not have.
 */
export function readsIn(state: EnvState, changes: readonly PlannedChange[], doneOf: (a: Address) => readonly string[]): (uid: string | undefined) => readonly string[] {
  const before = (uid: string | undefined) => (uid === undefined ? undefined : state.base.get(uid) ?? state.current.get(uid))
  const goesFirst = new Set<Address>()
  // The base has it under another address than the plan.
  const moved = new Map<Address, Address>()
  for (const c of changes) {
    if (c.phase !== 'expand') continue
    if (c.deleteFirst || c.doc.action === 'delete') goesFirst.add(c.doc.address)
    const was = before(c.uid)?.address
    if (was !== undefined && was !== c.doc.address) moved.set(was, c.doc.address)
  }
  const tasksOf = (a: Address) => (goesFirst.has(a) ? [a, deleteTask(a)] : [a])
  return (uid) => before(uid)?.meta.deps.flatMap((d) => [...tasksOf(moved.get(d) ?? d), ...doneOf(d)]) ?? []
}

/** Tells whether something that an object of the base stood on is gone since: on the way back it is made again, and the object comes after that. */
export function goneBelow(state: EnvState): (uid: string) => boolean {
  const gone = new Set<Address>()
  for (const r of state.base.values()) {
    const now = state.current.get(r.uid)
    if (!now || owesOnly(now)) gone.add(r.address)
  }
  return (uid) => gone.size > 0 && (state.base.get(uid) ?? state.current.get(uid))?.meta.deps.some((a) => gone.has(a)) === true
}
