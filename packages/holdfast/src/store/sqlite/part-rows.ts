import { assert } from '../../base/index.ts'
import { PART_TAGS, type OpenPart } from '../../state/index.ts'
import type { Connection } from './driver.ts'
import { retagSaid } from './encode.ts'
import { sumOf } from './sum.ts'
import { unresolvedIn } from './unresolved.ts'

/** The SQL of `part.open` and `part.close`: runs of parts stand in the row of their environment, and their rows have a tag in the place of a revision. */

const partsOf = (db: Connection, k: number): readonly OpenPart[] => JSON.parse((db.prepare('select parts from envs where k = ?').get(k)?.parts as string | null) ?? '[]') as OpenPart[]

const setParts = (db: Connection, k: number, parts: readonly OpenPart[]): void =>
  void db.prepare('update envs set parts = ? where k = ?').run(parts.length > 0 ? JSON.stringify(parts) : null, k)

export function openPart(db: Connection, k: number, part: OpenPart): void {
  const parts = partsOf(db, k)
  assert(!parts.some((p) => p.tag === part.tag) && part.tag >= PART_TAGS, `part.open: ${part.tag} is no tag of a new part`)
  setParts(db, k, [...parts, part])
}

/** Costs in proportion to what the run has written, and to what is not settled. */
export function closePart(db: Connection, env: { readonly k: number; readonly id: string; readonly revision: number }, tag: number, to: number | null): void {
  const { k, id, revision } = env
  const parts = partsOf(db, k)
  const rest = parts.filter((p) => p.tag !== tag)
  assert(rest.length < parts.length, `part.close: there is no part ${tag}`)
  setParts(db, k, rest)
  if (to === null) return
  for (const d of db.prepare(`select d.id, d.inputs, d.outputs from txs t indexed by txs_unresolved cross join docs d on d.id = t.target where ${unresolvedIn('t')} and t.env = ?`).all(k)) {
    const outputs = retagSaid(d.outputs as string, tag, to)
    db.prepare('update docs set outputs = ?, sum = ? where id = ?').run(outputs, sumOf(d.inputs, outputs), d.id as number)
  }
  const put = db.prepare('update resources set since = ?, sum = ? where k = ?')
  const has = db.prepare('select 1 from resources where env = ? and uid = ? and since = ?')
  const tags = db.prepare('update tags set since = ? where env = ? and uid = ? and since = ?')
  for (const r of db.prepare('select k, uid, ordinal, status, address, type, fingerprint, shape, meta from resources indexed by resources_since where env = ? and since = ? and alone is null').all(k, tag)) {
    assert(!has.get(k, r.uid as string, to), `part.close: ${String(r.uid)} has a row since ${to} already`)
    put.run(to, sumOf(id, r.uid, to, r.ordinal, r.status, r.address, r.type, r.fingerprint, r.shape, r.meta), r.k as number)
    tags.run(to, k, r.uid as string, tag)
  }
  db.prepare('update resources set until = ? where env = ? and until = ?').run(to, k, tag)
  if (to <= revision) db.prepare('delete from claims where env = ? and until = ?').run(k, tag)
  else db.prepare('update claims set until = ? where env = ? and until = ?').run(to, k, tag)
}
