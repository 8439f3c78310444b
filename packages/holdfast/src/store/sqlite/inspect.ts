import { existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { TxRow } from '../../state/index.ts'
import { rules, verdict, type Check } from '../doctor.ts'
import { compareText, exportLine, TABLES, type TableName } from '../rows.ts'
import { resultCode, type Connection, type Row } from './driver.ts'
import { ENV_SPAN, RUN_SPAN } from './encode.ts'
import { migrations } from './migrations.ts'
import { claimRow, componentRow, envRow, eventRow, INPUTS, latestTasks, planRow, Reader, REFERENCES, referenceRow, requestRow, resolvedRow, RESOURCE, resourceRow, type ResourceList, runRow, TX_COLUMNS, txRow } from './read.ts'
import { leaseRow } from './lease-row.ts'

const SECRET_BITS = 0o077

/** A file may be damaged so badly that the check of it ends half-way. */
function damageOf(check: () => string[]): string[] {
  try {
    return check()
  } catch (e) {
    if (resultCode(e) !== undefined) return [(e as Error).message]
    throw e
  }
}

/** Checks of the file itself, then the rules between its rows; all of one commit. */
export function examine(db: Connection, path: string): Check[] {
  const checks: Check[] = []
  const texts = (rows: Row[]) => rows.map((r) => Object.values(r).join(' '))
  checks.push(verdict('the file is intact', damageOf(() => texts(db.prepare('pragma integrity_check(20)').all())).filter((t) => t !== 'ok')))
  if (checks[0]?.ok !== true) return checks
  checks.push(verdict('foreign keys hold', texts(db.prepare('pragma foreign_key_check').all())))
  const version = Number(db.prepare('select max(version) as v from schema_versions').get()?.v)
  checks.push(verdict('the schema is known', version === migrations.length ? [] : [`schema ${version}; this version knows ${migrations.length}`]))
  const open = [dirname(path), path, `${path}-wal`, `${path}-shm`].filter((f) => existsSync(f) && statSync(f).mode & SECRET_BITS)
  checks.push(verdict('only the owner can read the files', open.map((f) => `${f} has mode ${(statSync(f).mode & 0o777).toString(8)}`)))

  const reader = new Reader(() => db)
  const envIds = new Map(db.prepare('select k, id from envs').all().map((e) => [e.k as number, e.id as string]))
  return checks.concat(rules({
    envs: () => map(db.prepare('select * from envs').iterate(), envRow),
    resources: () => map(db.prepare(`select env, ${RESOURCE} as list from resources`).iterate(), (r) => resourceRow(envIds.get(r.env as number) ?? '?', JSON.parse(r.list as string) as ResourceList)),
    docsMissing: () => map(
      db.prepare("select address, uid, since from resources where status = 'ready' and not exists (select 1 from docs d where d.id = resources.doc)").iterate(),
      (r) => `${r.address} (${r.uid}) since ${r.since}`,
    ),
    txs: () => map(db.prepare('select token, uid, status, applied, env from txs').iterate(), (t) => ({ token: t.token, uid: t.uid, status: t.status, applied: t.applied ?? undefined, env: envIds.get(t.env as number) ?? '?' }) as TxRow),
    claims: () => map(db.prepare('select c.key, e.id as env, c.uid, c.until from claims c join envs e on e.k = c.env').iterate(), claimRow),
    events: () => map(db.prepare('select k, seq, n from events order by k').iterate(), (v) => ({ env: envIds.get(Math.floor((v.k as number) / ENV_SPAN)) ?? '?', seq: v.seq as number, n: v.n as number })),
    leases: () => reader.leases(),
    fenceSeq: reader.fenceSeq(),
  }))
}

/** Every row as one line of JSON, tables in a fixed order, rows by key. `db` is in a read transaction that the caller ends. */
export function* exportLines(db: Connection): Generator<string> {
  const reader = new Reader(() => db)
  const ofEnv = (table: string, order: string) => `select x.*, e.id as env_id from ${table} x join envs e on e.k = x.env order by ${order}`
  const tables: Record<TableName, () => Iterable<object>> = {
    meta: () => [reader.meta()],
    envs: () => map(db.prepare('select * from envs order by id').iterate(), envRow),
    runs: () => map(db.prepare(ofEnv('runs', 'x.id')).iterate(), runRow),
    plans: () => map(db.prepare(ofEnv('plans', 'x.id')).iterate(), planRow),
    resources: () => map(
      db.prepare(`select ${RESOURCE} as list, (select id from envs e where e.k = r.env) as env_id, ${INPUTS} as inputs, d.outputs from resources r join docs d on d.id = r.doc order by uid, since`).iterate(),
      (r) => ({ ...resourceRow(r.env_id as string, JSON.parse(r.list as string) as ResourceList), docs: { inputs: r.inputs, outputs: r.outputs } }),
    ),
    claims: () => map(db.prepare('select c.key, e.id as env, c.uid, c.until from claims c join envs e on e.k = c.env order by c.key').iterate(), claimRow),
    txs: () => map(db.prepare(`${TX_COLUMNS} from txs t join envs e on e.k = t.env join docs g on g.id = t.target order by t.token`).iterate(), txRow),
    tasks: () => tasksByRun(db),
    outputs: () => map(db.prepare(ofEnv('outputs', 'env_id, x.since')).iterate(), (o) => ({ env: o.env_id, since: o.since, doc: o.doc })),
    secrets: () => map(db.prepare(ofEnv('secrets', 'env_id, x.name')).iterate(), (s) => ({ env: s.env_id, name: s.name, fp: s.fp, sealed: s.sealed, at: s.at })),
    trash: () => map(db.prepare(ofEnv('trash', 'x.id')).iterate(), (t) => ({ env: t.env_id, id: t.id, address: t.address, type: t.type, at: t.at, doc: t.doc })),
    components: () => map(db.prepare('select c.*, e.id as env_id from components c join envs e on e.k = c.env order by c.uid').iterate(), (c) => componentRow(c, c.env_id as string)),
    references: () => map(db.prepare(`${REFERENCES} order by e.id, r.component, r.target_uid`).iterate(), referenceRow),
    resolved: () => map(db.prepare('select r.uid, r.doc, e.id as env from resolved r join envs e on e.k = r.env order by r.uid').iterate(), resolvedRow),
    requests: () => map(db.prepare('select * from requests order by scope, id').iterate(), requestRow),
    events: () => eventsByEnv(db),
    leases: () => map(db.prepare('select * from leases order by scope').iterate(), leaseRow),
  }
  for (const table of TABLES) for (const row of tables[table]()) yield exportLine(table, row)
}

function* map<T>(rows: Iterable<Row>, to: (row: Row) => T): Generator<T> {
  for (const row of rows) yield to(row)
}


function* tasksByRun(db: Connection): Generator<object> {
  const ofRun = db.prepare('select * from tasks where k >= ? and k < ? order by k')
  for (const { k, text } of db.prepare('select k, text from words order by text').all()) {
    const rows = ofRun.all((k as number) * RUN_SPAN, ((k as number) + 1) * RUN_SPAN)
    yield* latestTasks(rows, text as string).sort((a, b) => compareText(a.id, b.id))
  }
}

function* eventsByEnv(db: Connection): Generator<object> {
  const ofEnv = db.prepare('select * from events where k >= ? and k < ? order by k')
  for (const { k, id } of db.prepare('select k, id from envs order by id').all()) yield* map(ofEnv.iterate((k as number) * ENV_SPAN, ((k as number) + 1) * ENV_SPAN), (v) => eventRow(v, id as string))
}
