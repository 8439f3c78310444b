import { GONE, refusals } from '../../journal/index.ts'
import type { Cell, Connection, Row } from './driver.ts'
import { ENV_SPAN } from './encode.ts'
import type { Numbers } from './numbers.ts'
import { unresolvedIn } from './unresolved.ts'

/** An environment as the open database transaction sees it. Written back once, when the batch commits. */
export interface EnvState {
  readonly k: number
  readonly id: string
  revision: number
  partial: number
  seq: number
  openRun: string | null
  /** Of the chain of its events. */
  chainSeq: number
  chainHash: string
}

/** With it comes the last key of its events, in the same look. */
export function readEnv(db: Connection, id: string, numbers: Numbers): EnvState | undefined {
  const row = db.prepare(`select json_array(k, revision, partial, seq, open_run, chain_seq, chain_hash, (select max(v.k) from events v where v.k >= e.k * ${ENV_SPAN} and v.k < (e.k + 1) * ${ENV_SPAN})) as list
    from envs e where id = ?`).get(id)
  if (!row) return undefined
  const [k, revision, partial, seq, openRun, chainSeq, chainHash, lastEvent] = JSON.parse(row.list as string) as [number, number, number, number, string | null, number, string, number | null]
  numbers.setNextEvent(k, lastEvent === null ? k * ENV_SPAN : lastEvent + 1)
  return { k, id, revision, partial, seq, openRun, chainSeq, chainHash }
}

export function createEnv(db: Connection, cells: readonly Cell[]): EnvState {
  const [id, app, name, revision, partial, openRun, parts] = cells as [string, string, string, number, number, string | null, string | null]
  if (db.prepare('select 1 from envs where id = ? or (app = ? and name = ?)').get(id, app, name)) throw refusals.envExists(app, name)
  const row = db.prepare('insert into envs (id, app, name, revision, partial, seq, open_run, parts) values (?, ?, ?, ?, ?, 0, ?, ?)').run(id, app, name, revision, partial, openRun, parts)
  return { k: Number(row.lastInsertRowid), id, revision, partial, seq: 0, openRun, chainSeq: 0, chainHash: '' }
}

export function writeEnv(db: Connection, e: EnvState): void {
  db.prepare('update envs set revision = ?, partial = ?, seq = ?, open_run = ?, chain_seq = ?, chain_hash = ? where k = ?').run(e.revision, e.partial, e.seq, e.openRun, e.chainSeq, e.chainHash, e.k)
}

/** Its id stays: what was written about it is not written about another. */
export function dropEnv(db: Connection, { k, id }: EnvState): void {
  const row = db.prepare('select app, name from envs where k = ?').get(k) as Row
  const name = (row.app as string).startsWith('/') ? (row.name as string) : `${row.app}/${row.name}`
  const unless = (text: string, value: Cell, by: string) => {
    if (db.prepare(text).get(value)) throw refusals.stateInUse(name, by)
  }
  unless('select 1 from resources where env = ? and until is null limit 1', k, 'it has resources')
  unless('select 1 from components where env = ? limit 1', k, 'it has components')
  unless('select 1 from envs where app = ? limit 1', `/${id}`, 'it has children')
  unless(`select 1 from txs indexed by txs_unresolved where ${unresolvedIn('txs')} and env = ? limit 1`, k, 'it has changes that are not settled')
  db.prepare('update envs set app = ?, name = ? where k = ?').run(GONE, id, k)
}
