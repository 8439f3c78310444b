import type { Flow } from '../flow/index.ts'
import { deleteTask, type PlannedChange } from '../plan/index.ts'
import type { EnvState, TaskLog } from '../resource/index.ts'

/** What waits for something that failed was never begun: the document says so. */
export function noteSkipped(log: TaskLog, changes: readonly PlannedChange[], flow: Flow): void {
  for (const c of changes) {
    if (c.phase !== 'expand') continue
    const { address, action } = c.doc
    const id = action === 'delete' || action === 'forget' ? deleteTask(address) : address
    if (flow.nodes.get(id)?.state === 'pending') log.skip(id, address, action)
  }
}

/** Deletions that nothing stands in the way of, although the run is partial: what still refers to an object, directly or through another that goes, keeps it. */
export function unused(state: EnvState, changes: readonly PlannedChange[]): PlannedChange[] {
  const goes = new Map(changes.filter((c) => c.phase === 'contract' && c.uid !== undefined).map((c) => [c.doc.address, c]))
  const leaving = new Set([...goes.values()].map((c) => c.uid as string))
  const todo = [...state.current.values()].filter((r) => !leaving.has(r.uid)).flatMap((r) => r.meta.deps)
  for (let a = todo.pop(); a !== undefined; a = todo.pop()) {
    const c = goes.get(a)
    if (!c) continue
    goes.delete(a)
    todo.push(...(state.current.get(c.uid as string)?.meta.deps ?? []))
  }
  return [...goes.values()]
}
