import { assert } from '../../base/index.ts'
import { refusals } from '../../journal/index.ts'
import type { Cell, Connection } from './driver.ts'
import { unresolvedIn } from './unresolved.ts'

/** The SQL of components and of what they refer to. `cells`: those of the operation; `k` of the environment. */

export function putComponent(db: Connection, k: number, cells: readonly Cell[]): void {
  const [uid, name, seed, declared, exports] = cells as [string, string, Cell, Cell, Cell]
  const other = db.prepare('select uid from components where env = ? and name = ?').get(k, name)?.uid
  if (other !== undefined && other !== uid) throw refusals.componentExists(name)
  const owner = db.prepare('select env from components where uid = ?').get(uid)?.env
  assert(owner === undefined || owner === k, `${uid} belongs to two environments`)
  db.prepare(`insert into components (env, uid, name, seed, declared, exports) values (?, ?, ?, ?, ?, ?)
    on conflict (uid) do update set name = excluded.name, seed = excluded.seed, declared = excluded.declared, exports = excluded.exports`).run(k, uid, name, seed, declared, exports)
}

/** Its references go with it. */
export function dropComponent(db: Connection, k: number, uid: string): void {
  if (Number(db.prepare('delete from components where uid = ? and env = ?').run(uid, k).changes) > 0) db.prepare('delete from refs where env = ? and component = ?').run(k, uid)
}

export function putReference(db: Connection, k: number, cells: readonly Cell[], busy: (address: string, uid: string) => Error): void {
  const [component, uid, targetEnv, address, type] = cells as [string, string, string, string, string]
  if (!db.prepare('select 1 from refs where env = ? and component = ? and target_uid = ?').get(k, component, uid)) {
    const tx = db.prepare(`select t.token, d.outputs ->> '$[0][1]' as op from txs t join docs d on d.id = t.target where t.uid = ? and ${unresolvedIn('t')}`).get(uid)
    if (tx?.op === 'delete') throw busy(address, uid)
    const stands = db.prepare("select 1 from resources where env = (select k from envs where id = ?) and uid = ? and until is null and status <> 'deleting'").get(targetEnv, uid)
    if (!stands) throw refusals.targetMissing(address)
  }
  db.prepare(`insert into refs (env, component, target_uid, target_env, address, type) values (?, ?, ?, (select k from envs where id = ?), ?, ?)
    on conflict (env, component, target_uid) do update set target_env = excluded.target_env, address = excluded.address, type = excluded.type`).run(k, component, uid, targetEnv, address, type)
}

export function dropReference(db: Connection, k: number, cells: readonly Cell[]): void {
  db.prepare('delete from refs where env = ? and component = ? and target_uid = ?').run(k, ...cells)
}

export function refuseReferenced(db: Connection, uid: string, address: string): void {
  const rows = db.prepare('select c.name from refs r left join components c on c.uid = r.component where r.target_uid = ?').all(uid)
  if (rows.length > 0) throw refusals.referenced(address, rows.map((r) => (r.name as string | null) ?? '?').sort())
}
