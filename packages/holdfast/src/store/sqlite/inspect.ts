import { existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { TaskRow, TxRow } from '../../state/index.ts'
import { OWNER_ONLY, rules, verdict, type Check } from '../doctor.ts'
import { compareText, exportLine, TABLES, type TableName } from '../rows.ts'
import { framed } from '../transfer.ts'
import { sumOf } from './sum.ts'
import { resultCode, type Connection, type Row } from './driver.ts'
import { ENV_SPAN, RUN_SPAN } from './encode.ts'
import { migrations } from './migrations.ts'
import { chainRow, claimRow, componentRow, envRow, eventRow, INPUTS, latestTasks, planRow, Reader, REFERENCES, referenceRow, requestRow, resolvedRow, RESOURCE, resourceRow, type ResourceList, runRow, TX_COLUMNS, txRow } from './read.ts'
import { leaseRow, LEASES, ticketRow } from './lease-row.ts'
import { allLoneRuns, allLoneTasks, loneTask } from './lone-rows.ts'

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
  checks.push(verdict(OWNER_ONLY, open.map((f) => `${f} has mode ${(statSync(f).mode & 0o777).toString(8)}`)))

  checks.push(verdict('tables refer to rows that are there', damageOf(() => [...dangling(db)])))
  checks.push(verdict('values are as they were written', damageOf(() => [...changedValues(db)])))

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
    events: () => map(db.prepare('select * from events order by k').iterate(), (v) => eventRow(v, envIds.get(Math.floor((v.k as number) / ENV_SPAN)) ?? '?')),
    chains: () => reader.chains(),
    runs: () => map(db.prepare("select id from runs union all select 'r' || substr(token, 2) from txs where run is not null").iterate(), (r) => r.id as string),
    plans: () => map(db.prepare('select p.*, e.id as env_id from plans p join envs e on e.k = p.env where p.approval is not null').iterate(), planRow),
    leases: () => reader.leases(),
    tickets: () => reader.tickets(),
    fenceSeq: reader.fenceSeq(),
  }))
}

/** What foreign keys do not say, because it would cost an index or a look with every write. */
function* dangling(db: Connection): Generator<string> {
  const questions: readonly [sql: string, say: (r: Row) => string][] = [
    ['select token from txs where not exists (select 1 from docs d where d.id = txs.target)', (r) => `change ${r.token} has lost what it was to do`],
    [`select token from txs where case when k < 0 then run is null or not exists (select 1 from words w where w.k = run ->> '$[0]') else not exists (select 1 from words w where w.k = txs.k / ${RUN_SPAN}) end`, (r) => `change ${r.token} belongs to no run`],
    [`select id from tasks where not exists (select 1 from words w where w.k = tasks.k / ${RUN_SPAN})`, (r) => `task ${r.id} belongs to no run`],
    ["select scope from leases where scope <> '' and json_type(holder) = 'integer' and not exists (select 1 from words w where w.k = cast(holder as integer))", (r) => `the lease of ${r.scope} has no holder`],
    ['select id, same from docs where same is not null and not exists (select 1 from docs d where d.id = docs.same and d.inputs is not null)', (r) => `document ${r.id} shares its inputs with ${r.same}, which is not there`],
    ['select address, uid, since from resources where not exists (select 1 from docs d where d.id = resources.doc)', (r) => `${r.address} (${r.uid}) since ${r.since} has lost its inputs and outputs`],
    ['select id from docs where id not in (select doc from resources) and id not in (select target from txs)', (r) => `document ${r.id} holds outputs of no row`],
    [`select k, seq, n from events where not exists (select 1 from envs where envs.k = events.k / ${ENV_SPAN})`, (r) => `event ${r.seq}.${r.n} belongs to no environment`],
    ['select uid, since, key from tags where not exists (select 1 from resources r where r.env = tags.env and r.uid = tags.uid and r.since = tags.since)', (r) => `tag ${r.key} is of ${r.uid} since ${r.since}, which is not there`],
    ['select doc, count(*) as n from resources group by doc having n > 1', (r) => `${r.n} rows have the one document ${r.doc}`],
    ["select uid, env, count(*) as n from resources where until is null group by env, uid having n > 1", (r) => `${r.uid} has ${r.n} rows without an end`],
  ]
  for (const [sql, say] of questions) for (const row of db.prepare(sql).iterate()) yield say(row)
}

/** Rows whose sum does not fit what they say. */
function* changedValues(db: Connection): Generator<string> {
  for (const d of db.prepare('select id, inputs, outputs, sum from docs where sum is not null').iterate()) {
    if (sumOf(d.inputs, d.outputs) === d.sum) continue
    const of = db.prepare('select address from resources where doc = ?').get(d.id) ?? db.prepare("select 'change ' || token as address from txs where target = ?").get(d.id)
    yield `inputs or outputs of ${of?.address ?? `document ${d.id}`}`
  }
  const rows = 'select e.id as env_id, r.* from resources r join envs e on e.k = r.env where r.sum is not null'
  for (const r of db.prepare(rows).iterate()) {
    if (sumOf(r.env_id, r.uid, r.since, r.ordinal, r.status, r.address, r.type, r.fingerprint, r.shape, r.meta) !== r.sum) yield `${r.address} (${r.uid}) since ${r.since}`
  }
  for (const o of db.prepare('select e.id as env_id, e.app, e.name, o.* from outputs o join envs e on e.k = o.env where o.sum is not null').iterate()) {
    if (sumOf(o.env_id, o.since, o.doc) !== o.sum) yield `outputs of ${o.app}/${o.name} since revision ${o.since}`
  }
}

/** Every row as one line of JSON, tables in a fixed order, rows by key. `db` is in a read transaction that the caller ends. */
export function* exportLines(db: Connection): Generator<string> {
  const reader = new Reader(() => db)
  const ofEnv = (table: string, order: string) => `select x.*, e.id as env_id from ${table} x join envs e on e.k = x.env order by ${order}`
  const tables: Record<TableName, () => Iterable<object>> = {
    meta: () => [reader.meta()],
    envs: () => map(db.prepare('select * from envs order by id').iterate(), envRow),
    runs: () => merged(map(db.prepare(ofEnv('runs', 'x.id')).iterate(), runRow), allLoneRuns(db), (r) => r.id),
    plans: () => map(db.prepare(ofEnv('plans', 'x.id')).iterate(), planRow),
    resources: () => map(
      db.prepare(`select ${RESOURCE} as list, (select id from envs e where e.k = r.env) as env_id, ${INPUTS} as inputs, d.outputs from resources r join docs d on d.id = r.doc order by uid, since`).iterate(),
      (r) => ({ ...resourceRow(r.env_id as string, JSON.parse(r.list as string) as ResourceList), docs: { inputs: r.inputs, outputs: r.outputs } }),
    ),
    claims: () => map(db.prepare('select c.key, e.id as env, c.uid, c.until from claims c join envs e on e.k = c.env order by c.key').iterate(), claimRow),
    txs: () => map(db.prepare(`${TX_COLUMNS} from txs t join envs e on e.k = t.env join docs g on g.id = t.target order by t.token`).iterate(), txRow),
    tasks: () => merged(tasksByRun(db), allLoneTasks(db), (t) => t.run),
    outputs: () => map(db.prepare(ofEnv('outputs', 'env_id, x.since')).iterate(), (o) => ({ env: o.env_id, since: o.since, doc: o.doc })),
    secrets: () => map(db.prepare(ofEnv('secrets', 'env_id, x.name')).iterate(), (s) => ({ env: s.env_id, name: s.name, fp: s.fp, sealed: s.sealed, at: s.at })),
    trash: () => map(db.prepare(ofEnv('trash', 'x.id')).iterate(), (t) => ({ env: t.env_id, id: t.id, address: t.address, type: t.type, at: t.at, doc: t.doc })),
    components: () => map(db.prepare('select c.*, e.id as env_id from components c join envs e on e.k = c.env order by c.uid').iterate(), (c) => componentRow(c, c.env_id as string)),
    references: () => map(db.prepare(`${REFERENCES} order by e.id, r.component, r.target_uid`).iterate(), referenceRow),
    resolved: () => map(db.prepare('select r.uid, r.doc, e.id as env from resolved r join envs e on e.k = r.env order by r.uid').iterate(), resolvedRow),
    requests: () => map(db.prepare('select * from requests order by k').iterate(), requestRow),
    events: () => eventsByEnv(db),
    chains: () => map(db.prepare('select * from envs order by id').iterate(), chainRow),
    leases: () => map(db.prepare(LEASES).iterate(), leaseRow),
    tickets: () => map(db.prepare('select * from tickets order by id').iterate(), ticketRow),
  }
  const { storeId, schema } = reader.meta()
  yield* framed({ storeId, schema, fenceSeq: reader.fenceSeq() }, rowsOf(tables))
}

function* rowsOf(tables: Record<TableName, () => Iterable<object>>): Generator<string> {
  for (const table of TABLES) for (const row of tables[table]()) yield exportLine(table, row)
}

function* map<T>(rows: Iterable<Row>, to: (row: Row) => T): Generator<T> {
  for (const row of rows) yield to(row)
}

/** Two lists that are each in order, as one. */
function* merged<T>(left: Iterable<T>, right: Iterable<T>, key: (row: T) => string): Generator<T> {
  const others = right[Symbol.iterator]()
  let other = others.next()
  for (const row of left) {
    for (; !other.done && compareText(key(other.value), key(row)) < 0; other = others.next()) yield other.value
    yield row
  }
  for (; !other.done; other = others.next()) yield other.value
}

function* tasksByRun(db: Connection): Generator<TaskRow> {
  const ofRun = db.prepare('select * from tasks where k >= ? and k < ? order by k')
  for (const { k, text } of db.prepare('select k, text from words order by text').all()) {
    const rows = ofRun.all((k as number) * RUN_SPAN, ((k as number) + 1) * RUN_SPAN)
    if (rows.length > 0) yield* latestTasks(rows, text as string, loneTask(db, text as string)).sort((a, b) => compareText(a.id, b.id))
  }
}

function* eventsByEnv(db: Connection): Generator<object> {
  const ofEnv = db.prepare('select * from events where k >= ? and k < ? order by k')
  for (const { k, id } of db.prepare('select k, id from envs order by id').all()) yield* map(ofEnv.iterate((k as number) * ENV_SPAN, ((k as number) + 1) * ENV_SPAN), (v) => eventRow(v, id as string))
}
