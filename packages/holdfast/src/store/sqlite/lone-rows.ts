import { loneToken } from '../../journal/index.ts'
import { runMayBecome, runMoves, type Holder, type RunRow, type TaskRow } from '../../state/index.ts'
import type { Connection, Row } from './driver.ts'
import { loneTaskDoc, RUN_SPAN, taskRow } from './encode.ts'

/**
 * Where a change that no run plans has its run and its task: in the row of its transaction, which every commit about it writes anyway. With rows of their
 * own, each pair of commits would write nine pages more.
 *
 * Such a transaction has a negative key, by environment, so that its runs are found newest first without an index.
 */
export const LONE_SPAN = 2 ** 34

/** SQL for the id of the run of a row of `txs`. */
export const runIdOf = (txs: string): string => `case when ${txs}.k < 0 then 'r' || substr(${txs}.token, 2) else (select text from words where words.k = ${txs}.k / ${RUN_SPAN}) end`

/** `txs.run`. One process makes many changes: its holder stands in `words`. */
type RunDoc = [holder: number, status: RunRow['status'], phase: RunRow['phase'], from: number, to: number | null, startedAt: number, endedAt: number | null, result: string | null, kind: RunRow['kind'], plan: string]

/** Writes the run of a lone change; false when its transaction is not there. `check` is told the status that it had. */
export function putLoneRun(db: Connection, run: string, doc: () => string, check: (old: RunRow['status'] | undefined) => void): boolean {
  const token = loneToken(run)
  if (token === undefined) return false
  const old = db.prepare("select run ->> '$[1]' as status from txs where token = ? and k < 0").get(token)
  if (!old) return false
  check((old.status ?? undefined) as RunRow['status'] | undefined)
  db.prepare('update txs set run = ? where token = ?').run(doc(), token)
  return true
}

const RUN_STATUSES = Object.keys(runMoves) as RunRow['status'][]

/**
 * SQL that writes run and task of a lone change in the update that moves it, when both are in its row and the run may take the status: what is set, and
 * on which condition. The values come after those of the move: run and task, and the id of the task.
 */
export const withRunAndTask = Object.fromEntries(RUN_STATUSES.map((status) => {
  const from = RUN_STATUSES.filter((old) => runMayBecome(old, status)).map((old) => ` or run ->> '$[1]' = '${old}'`)
  return [status, { set: ', run = ?, task = ?', where: ` and k < 0 and (run is null${from.join('')}) and (task is null or task ->> '$[0]' = ?)` }]
})) as Readonly<Record<RunRow['status'], { readonly set: string; readonly where: string }>>

/**
 * A run that was put before its transaction, as an import does, goes where it belongs. `replaced` is told the status that it had, and says whether it was
 * put again with its transaction, as it may be. Gives whether it is the one that stands now.
 */
export function adoptRun(db: Connection, token: string, run: string, word: (text: string) => number, replaced: (old: RunRow['status']) => boolean): boolean {
  const old = db.prepare('select status, holder from runs where id = ?').get(run)
  if (!old) return false
  const stands = !replaced(old.status as RunRow['status'])
  if (stands) db.prepare('update txs set run = (select json_array(?, status, phase, from_rev, to_rev, started_at, ended_at, result, kind, plan) from runs where id = ?) where token = ?').run(word(old.holder as string), run, token)
  db.prepare('delete from runs where id = ?').run(run)
  return stands
}

/** Writes the task of a lone change; false when the run is none, or has another task. */
export function putLoneTask(db: Connection, run: string, id: string, doc: string): boolean {
  const token = loneToken(run)
  if (token === undefined) return false
  return Number(db.prepare("update txs set task = ? where token = ? and k < 0 and (task is null or task ->> '$[0]' = ?)").run(loneTaskDoc(id, doc), token, id).changes) === 1
}

const RUNS = "select t.token, t.run, (select text from words where words.k = t.run ->> '$[0]') as holder, e.id as env_id from txs t join envs e on e.k = t.env where t.run is not null"

/** Newest first. `k` of the environment. */
export const loneRuns = (db: Connection, k: number, limit: number): RunRow[] =>
  db.prepare(`${RUNS} and t.k >= ? and t.k < ? order by t.k desc limit ?`).all(-k * LONE_SPAN, (1 - k) * LONE_SPAN, limit).map(loneRunRow)

export function loneRun(db: Connection, id: string): RunRow | undefined {
  const token = loneToken(id)
  const row = token === undefined ? undefined : db.prepare(`${RUNS} and t.token = ? and t.k < 0`).get(token)
  return row && loneRunRow(row)
}

export function loneTask(db: Connection, run: string): TaskRow | undefined {
  const token = loneToken(run)
  const row = token === undefined ? undefined : db.prepare('select token, task from txs where token = ? and k < 0 and task is not null').get(token)
  return row && loneTaskRow(row)
}

/** In order of their ids, as an export has them; tasks only of runs that have no rows in `tasks`. */
export function* allLoneRuns(db: Connection): Generator<RunRow> {
  for (const row of db.prepare(`${RUNS} and t.k < 0 order by t.token`).iterate()) yield loneRunRow(row)
}

export function* allLoneTasks(db: Connection): Generator<TaskRow> {
  for (const row of db.prepare("select token, task from txs where k < 0 and task is not null and not exists (select 1 from words where text = 'r' || substr(token, 2)) order by token").iterate()) yield loneTaskRow(row)
}

const idOf = (token: string): string => `r${token.slice(1)}`

function loneRunRow(r: Row): RunRow {
  const [, status, phase, from, to, startedAt, endedAt, result, kind, plan] = JSON.parse(r.run as string) as RunDoc
  return { id: idOf(r.token as string), env: r.env_id, kind, plan, status, phase, from, to: to ?? undefined, holder: JSON.parse(r.holder as string) as Holder, startedAt, endedAt: endedAt ?? undefined, result: result ?? undefined }
}

function loneTaskRow(r: Row): TaskRow {
  const [id, ...doc] = JSON.parse(r.task as string) as [string, ...unknown[]]
  return taskRow({ id, doc: JSON.stringify(doc) }, idOf(r.token as string))
}
