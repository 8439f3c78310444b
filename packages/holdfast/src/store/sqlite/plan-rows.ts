import { refusals } from '../../journal/index.ts'
import type { Cell, Connection } from './driver.ts'

/** `cells`: those of the operation. A plan that is put again loses its approval. */
export function putPlan(db: Connection, env: number, cells: readonly Cell[]): void {
  db.prepare(`insert into plans (env, id, created_at, revision, seq, used_by, doc, made_by, approval) values (?, ?, ?, ?, ?, ?, ?, ?, ?)
    on conflict (id) do update set created_at = excluded.created_at, revision = excluded.revision, seq = excluded.seq, used_by = excluded.used_by, doc = excluded.doc,
      made_by = excluded.made_by, approval = excluded.approval`)
    .run(env, ...cells)
}

export function usePlan(db: Connection, [id, run]: readonly Cell[]): void {
  const used = db.prepare('update plans set used_by = ? where id = ? and (used_by is null or used_by = ?)').run(run as Cell, id as Cell, run as Cell)
  if (Number(used.changes) !== 1) throw refused(db, id as string)
}

export function approvePlan(db: Connection, [id, approval]: readonly Cell[]): void {
  const done = db.prepare('update plans set approval = ? where id = ? and used_by is null').run(approval as Cell, id as Cell)
  if (Number(done.changes) !== 1) throw refused(db, id as string)
}

function refused(db: Connection, id: string): Error {
  const plan = db.prepare('select used_by from plans where id = ?').get(id)
  return plan ? refusals.planUsed(id, plan.used_by as string) : refusals.planUnknown(id)
}
