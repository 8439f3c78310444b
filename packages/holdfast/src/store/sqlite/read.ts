import { unreachable } from '../../base/index.ts'
import type {
  ChainRow, ClaimRow, ComponentRow, EnvRow, EventRow, LeaseRow, OpenPart, OutputsRow, PlanRow, ReferenceRow, RequestRow, ResolvedRow, ResourceDocs, ResourceMeta, ResourceRow, RunRow, SecretRow, StoreMeta, TaskRow, TicketRow, TrashRow, TxRow, TxStatus,
} from '../../state/index.ts'
import type { Lookup, ResourceView } from '../port.ts'
import { GONE, loneToken } from '../../journal/index.ts'
import { byAddress, byReference, compareText, inView } from '../rows.ts'
import { fenceSeqOf, leaseRow, LEASES, ticketRow } from './lease-row.ts'
import { loneRun, loneRuns, loneTask, runIdOf } from './lone-rows.ts'
import { ENV_SPAN, lengthen, RUN_SPAN, unpackMeta, taskRow, unpackTarget, type PackedTarget, type TxAbout } from './encode.ts'
import type { Cell, Connection, Row, Statement } from './driver.ts'
import { unresolvedIn } from './unresolved.ts'

/** Inputs of `docs d`: its own, or those of the target that has the same. */
export const INPUTS = 'coalesce(d.inputs, (select inputs from docs same where same.id = d.same))'

/** Each cell of a row costs half a microsecond on its way: no more than is asked for. */
const ENV = 'id, app, name, revision, partial, seq, open_run, parts'
const TX = 't.token, t.uid, t.status, t.applied, t.epoch, t.attempts, t.first_sent_at, t.last_sent_at, t.ended_at, t.evidence'
export const TX_COLUMNS = `select ${TX}, e.id as env_id, g.inputs as target_inputs, g.outputs as said, ${runIdOf('t')} as run_id, (select text from words where words.k = t.capability) as capability_text`
const txSelect = (index: string) =>
  `${TX_COLUMNS} from txs t ${index} cross join envs e on e.k = t.env cross join docs g on g.id = t.target`

/** Everything a store answers, on one connection. Each call sees one commit. */
export class Reader {
  private readonly connection: () => Connection

  /** `connection` may change between two calls: after a failure of the disk the writer opens another. */
  constructor(connection: () => Connection) {
    this.connection = connection
  }

  meta(): StoreMeta {
    const row = this.sql('select store_id, created_at, key_check, (select max(version) from schema_versions) as schema from store_meta').get() as Row
    return { storeId: row.store_id, schema: row.schema, createdAt: row.created_at, keyCheck: row.key_check ?? undefined }
  }

  fenceSeq(): number {
    return fenceSeqOf(this.connection())
  }

  envs(app?: string): EnvRow[] {
    const rows = app === undefined ? this.sql(`select ${ENV} from envs where app <> ?`).all(GONE) : this.sql(`select ${ENV} from envs where app = ?`).all(app)
    return rows.map(envRow).sort((a, b) => compareText(a.app, b.app) || compareText(a.name, b.name))
  }

  env(app: string, name: string): EnvRow | undefined {
    return one(this.sql(`select ${ENV} from envs where app = ? and name = ?`).get(app, name), envRow)
  }

  envById(id: string): EnvRow | undefined {
    return one(this.sql(`select ${ENV} from envs where id = ?`).get(id), envRow)
  }

  find(env: string, view: 'committed' | 'current', by: Lookup): ResourceRow[] {
    const from = `select ${RESOURCE} as list, (select revision from envs where k = r.env) as revision from`
    const inEnv = 'env = (select k from envs where id = ?)'
    let rows: Row[]
    if ('address' in by) rows = this.sql(`${from} resources r where ${inEnv} and address = ?`).all(env, by.address)
    else if ('component' in by) {
      // Names inside a component are a range of the index; those of components inside it lie between them.
      const before = `${by.component}/`
      rows = by.component === '.'
        ? this.sql(`${from} resources r where ${inEnv} and instr(address, '/') = 0`).all(env)
        : this.sql(`${from} resources r where ${inEnv} and address > ? and address < ? and instr(substr(address, ?), '/') = 0`).all(env, before, `${by.component}0`, before.length + 1)
    } else if ('fingerprint' in by) rows = this.sql(`${from} resources r where ${inEnv} and substr(fingerprint, -8) = substr(?, -8) and fingerprint = ?`).all(env, by.fingerprint, by.fingerprint)
    else {
      const tagged = `${from} (select uid as u, since as s, env as e from tags where ${inEnv} and key = ?${by.value === undefined ? '' : ' and value = ?'}) cross join resources r where r.env = e and r.uid = u and r.since = s`
      rows = by.value === undefined ? this.sql(tagged).all(env, by.tag) : this.sql(tagged).all(env, by.tag, by.value)
    }
    const found: ResourceRow[] = []
    for (const r of rows) {
      const row = resourceRow(env, JSON.parse(r.list as string) as ResourceList)
      if (inView(view, row, r.revision as number)) found.push(row)
    }
    return found.sort(byAddress)
  }

  components(env: string): ComponentRow[] {
    return this.sql('select c.* from envs e cross join components c on c.env = e.k where e.id = ?').all(env).map((c) => componentRow(c, env)).sort((a, b) => compareText(a.name, b.name))
  }

  component(env: string, name: string): ComponentRow | undefined {
    return one(this.sql('select uid, name, seed, declared, exports from components where env = (select k from envs where id = ?) and name = ?').get(env, name), (c) => componentRow(c, env))
  }

  references(filter: { readonly env: string } | { readonly targetEnv: string } | { readonly targetUid: string }): ReferenceRow[] {
    const rows = 'env' in filter ? this.sql(`${REFERENCES} where r.env = (select k from envs where id = ?)`).all(filter.env)
      : 'targetEnv' in filter ? this.sql(`${REFERENCES} where r.target_env = (select k from envs where id = ?)`).all(filter.targetEnv)
      : this.sql(`${REFERENCES} where r.target_uid = ?`).all(filter.targetUid)
    return rows.map(referenceRow).sort(byReference)
  }

  resolved(uids: readonly string[]): (ResolvedRow | undefined)[] {
    const find = this.sql('select r.uid, r.doc, e.id as env from resolved r join envs e on e.k = r.env where r.uid = ?')
    const look = () => uids.map((uid) => one(find.get(uid), resolvedRow))
    return uids.length > 1 ? this.ofOneCommit(look) : look()
  }

  request(scope: string, id: string): RequestRow | undefined {
    return one(this.sql('select * from requests where scope = ? and id = ?').get(scope, id), requestRow)
  }

  resources(env: string, view: ResourceView): ResourceRow[] {
    return this.ofOneCommit(() => {
      const at = this.sql('select k, revision from envs where id = ?').get(env)
      return at ? this.resourceRows(env, at.k as number, at.revision as number, view) : []
    }).sort(byAddress)
  }

  private ofOneCommit<T>(look: () => T): T {
    const db = this.connection()
    db.exec('begin')
    try {
      return look()
    } finally {
      db.exec('commit')
    }
  }

  private resourceRows(env: string, k: number, revision: number, view: ResourceView): ResourceRow[] {
    switch (view) {
      case 'committed': return this.inPieces(env, "env = ? and since <= ? and (until is null or until > ?) and status <> 'deleting'", k, revision, revision)
      case 'base': return this.inPieces(env, 'env = ? and since <= ? and (until is null or until > ?)', k, revision, revision)
      case 'current': return this.inPieces(env, 'env = ? and until is null', k)
      case 'all': return this.inPieces(env, 'env = ?', k)
      case 'open': {
        const next = revision + 1
        const from = `select ${RESOURCE} as list from resources`
        return this.sql(`${from} indexed by resources_since where env = ? and since = ? and alone is null union all ${from} indexed by resources_until where env = ? and until = ? and since <> ?`)
          .all(k, next, k, next, next).map((r) => resourceRow(env, JSON.parse(r.list as string) as ResourceList))
      }
      default: return unreachable(view, 'resources')
    }
  }

  /** Many rows as one text and one parse: a third of the time of as many rows of eleven cells. */
  private inPieces(env: string, where: string, ...values: Cell[]): ResourceRow[] {
    const piece = this.sql(`select count(*) as n, max(k) as last, json_group_array(${RESOURCE}) as lists from
      (select * from resources not indexed where k > ? and ${where} order by k limit ${PIECE_ROWS})`)
    const rows: ResourceRow[] = []
    for (let after = 0, n = PIECE_ROWS; n === PIECE_ROWS;) {
      const got = piece.get(after, ...values) as Row
      for (const list of JSON.parse(got.lists as string) as ResourceList[]) rows.push(resourceRow(env, list))
      n = got.n as number
      after = got.last as number
    }
    return rows
  }

  docs(keys: readonly { readonly uid: string; readonly since: number }[]): (ResourceDocs | undefined)[] {
    // Few environments share a file: trying each is cheaper than a further index over all rows.
    const find = this.sql(`select ${INPUTS} as inputs, d.outputs from resources r join docs d on d.id = r.doc where r.env in (select k from envs) and r.uid = ? and r.since = ?`)
    const look = () => keys.map((key) => one(find.get(key.uid, key.since), (d) => ({ inputs: d.inputs, outputs: d.outputs })))
    return keys.length > 1 ? this.ofOneCommit(look) : look()
  }

  claims(keys: readonly string[]): (ClaimRow | undefined)[] {
    const find = this.sql('select c.key, e.id as env, c.uid, c.until from claims c join envs e on e.k = c.env where c.key = ?')
    return this.ofOneCommit(() => keys.map((key) => one(find.get(key), claimRow)))
  }

  claimsOf(env: string): ClaimRow[] {
    return this.sql('select c.key, e.id as env, c.uid, c.until from envs e cross join claims c on c.env = e.k where e.id = ? order by c.key').all(env).map(claimRow)
  }

  txs(filter: { readonly env?: string; readonly unresolved?: boolean; readonly uid?: string; readonly run?: string; readonly status?: TxStatus }): TxRow[] {
    const where: string[] = []
    const values: Cell[] = []
    const also = (text: string, value: Cell) => {
      where.push(text)
      values.push(value)
    }
    if (filter.unresolved !== undefined) where.push(filter.unresolved ? unresolvedIn('t') : `not coalesce(${unresolvedIn('t')}, 0)`)
    if (filter.uid !== undefined) also('t.uid = ?', filter.uid)
    if (filter.run !== undefined) {
      const run = this.wordOf(filter.run) ?? NO_WORD
      where.push('t.k in (select k from txs where k >= ? and k < ? union all select k from txs where token = ? and k < 0)')
      values.push(run * RUN_SPAN, (run + 1) * RUN_SPAN, loneToken(filter.run) ?? '')
    }
    if (filter.status !== undefined) also('t.status = ?', filter.status)
    if (filter.env !== undefined) also('t.env = (select k from envs where id = ?)', filter.env)
    const index = filter.unresolved ? 'indexed by txs_unresolved' : 'not indexed'
    return this.sql(`${txSelect(index)}${where.length ? ` where ${where.join(' and ')}` : ''} order by t.token`).all(...values).map(txRow)
  }

  tx(token: string): TxRow | undefined {
    return one(this.sql(`${txSelect('')} where t.token = ?`).get(token), txRow)
  }

  runs(env: string, limit: number): RunRow[] {
    const k = this.sql('select k from envs where id = ?').get(env)?.k as number | undefined
    if (k === undefined) return []
    const planned = this.sql('select r.*, ? as env_id from runs r where r.env = ? order by r.started_at desc, r.id desc limit ?').all(env, k, limit).map(runRow)
    const lone = loneRuns(this.connection(), k, limit)
    if (lone.length === 0) return planned
    return planned.concat(lone).sort((a, b) => b.startedAt - a.startedAt || compareText(b.id, a.id)).slice(0, limit)
  }

  run(id: string): RunRow | undefined {
    return one(this.sql('select r.*, e.id as env_id from runs r join envs e on e.k = r.env where r.id = ?').get(id), runRow) ?? loneRun(this.connection(), id)
  }

  tasks(run: string): TaskRow[] {
    const word = this.wordOf(run)
    const rows = word === undefined ? [] : this.sql('select * from tasks where k >= ? and k < ? order by k').all(word * RUN_SPAN, (word + 1) * RUN_SPAN)
    return latestTasks(rows, run, loneTask(this.connection(), run)).sort((a, b) => a.startedAt - b.startedAt || compareText(a.id, b.id))
  }

  plans(env: string, limit: number): PlanRow[] {
    return this.sql('select p.*, e.id as env_id from envs e cross join plans p on p.env = e.k where e.id = ? order by p.created_at desc, p.id desc limit ?').all(env, limit).map(planRow)
  }

  plan(id: string): PlanRow | undefined {
    return one(this.sql('select p.*, e.id as env_id from plans p join envs e on e.k = p.env where p.id = ?').get(id), planRow)
  }

  outputs(env: string, revision: number): OutputsRow | undefined {
    return one(this.sql('select o.since, o.doc from envs e cross join outputs o on o.env = e.k where e.id = ? and o.since <= ? order by o.since desc limit 1').get(env, revision), (o) => ({ env, since: o.since, doc: o.doc }))
  }

  secrets(env: string): SecretRow[] {
    return this.sql('select s.* from envs e cross join secrets s on s.env = e.k where e.id = ? order by s.name').all(env).map((s) => ({ env, name: s.name, fp: s.fp, sealed: s.sealed, at: s.at }))
  }

  trash(env: string): TrashRow[] {
    return this.sql('select t.* from envs e cross join trash t on t.env = e.k where e.id = ? order by t.id').all(env).map((t) => ({ env, id: t.id, address: t.address, type: t.type, at: t.at, doc: t.doc }))
  }

  chains(env?: string): ChainRow[] {
    return this.sql('select * from envs where ? is null or id = ? order by id').all(env ?? null, env ?? null).map(chainRow)
  }

  /** Environments (or one), how far each has come, and how much of its past is gone. */
  heads(env?: string): { readonly id: string; readonly seq: number; readonly compactedTo: number }[] {
    return this.sql('select id, seq, compacted_to as compactedTo from envs where ? is null or id = ? order by id').all(env ?? null, env ?? null)
      .map((h) => ({ id: h.id as string, seq: h.seq as number, compactedTo: h.compactedTo as number }))
  }

  events(env: string, after: { readonly seq: number; readonly n?: number }, limit: number): EventRow[] {
    const k = this.sql('select k from envs where id = ?').get(env)?.k as number | undefined
    if (k === undefined) return []
    const from = this.firstEventAfter(k, after.seq, after.n ?? Number.POSITIVE_INFINITY)
    return this.sql('select * from events where k >= ? and k < ? order by k limit ?').all(from, (k + 1) * ENV_SPAN, limit).map((v) => eventRow(v, env))
  }

  /** Its keys are without gaps. */
  eventsKept(env: string): number {
    const k = this.sql('select k from envs where id = ?').get(env)?.k as number | undefined
    if (k === undefined) return 0
    const range = [k * ENV_SPAN, (k + 1) * ENV_SPAN]
    const first = this.sql('select k from events where k >= ? and k < ? order by k limit 1').get(...range)?.k as number | undefined
    const last = this.sql('select k from events where k >= ? and k < ? order by k desc limit 1').get(...range)?.k as number | undefined
    return first === undefined || last === undefined ? 0 : last - first + 1
  }

  /** Keys of an environment's events are without gaps and in order of seq: halving finds the place. */
  private firstEventAfter(env: number, seq: number, n: number): number {
    const range = this.sql('select min(k) as low, max(k) as high from events where k >= ? and k < ?').get(env * ENV_SPAN, (env + 1) * ENV_SPAN) as Row
    if (range.low === null) return env * ENV_SPAN
    const at = this.sql('select seq, n from events where k = ?')
    let low = range.low as number
    let high = (range.high as number) + 1
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const found = at.get(middle) as { seq: number; n: number } | undefined
      if (found && (found.seq < seq || (found.seq === seq && found.n <= n))) low = middle + 1
      else high = middle
    }
    return low
  }

  private wordOf(text: string): number | undefined {
    return this.sql('select k from words where text = ?').get(text)?.k as number | undefined
  }

  leases(): LeaseRow[] {
    return this.sql(LEASES).all().map(leaseRow)
  }

  tickets(): TicketRow[] {
    return this.sql('select * from tickets order by id').all().map(ticketRow)
  }

  private sql(text: string): Statement {
    return this.connection().prepare(text)
  }
}

/** References with the ids of their environments. */
export const REFERENCES = 'select r.*, e.id as env_id, t.id as target_env_id from refs r join envs e on e.k = r.env join envs t on t.k = r.target_env'
export const componentRow = (c: Row, env: string): ComponentRow => ({ env, uid: c.uid, name: c.name, seed: c.seed, declared: c.declared === 1, exports: c.exports ?? undefined })
export const referenceRow = (r: Row): ReferenceRow => ({ env: r.env_id, component: r.component, targetEnv: r.target_env_id, targetUid: r.target_uid, address: r.address, type: r.type })
export const resolvedRow = (r: Row): ResolvedRow => ({ env: r.env, uid: r.uid, doc: r.doc })
export const requestRow = (r: Row): RequestRow => ({ scope: r.scope, id: r.id, method: r.method, digest: r.digest, result: r.result, at: r.at })

const one = <T>(row: Row | undefined, map: (row: Row) => T): T | undefined => (row === undefined ? undefined : map(row))
const orUndefined = <T>(v: T | null): T | undefined => v ?? undefined

export const envRow = (e: Row): EnvRow => ({
  id: e.id, app: e.app, name: e.name, revision: e.revision, partial: e.partial === 1, seq: e.seq, openRun: orUndefined(e.open_run as string | null),
  ...(e.parts === null ? {} : { parts: JSON.parse(e.parts as string) as OpenPart[] }),
})

/** Words are numbered from 1. */
const NO_WORD = 0
const PIECE_ROWS = 2_000

/** A row of `resources` as one JSON list. */
export const RESOURCE = 'json_array(uid, address, type, since, until, status, ordinal, seq, fingerprint, shape, json(meta))'
export type ResourceList = [
  uid: string, address: string, type: string, since: number, until: number | null, status: ResourceRow['status'], ordinal: number, seq: number, fingerprint: string, shape: string,
  meta: Partial<ResourceMeta>,
]

export function resourceRow(env: string, [uid, address, type, since, until, status, ordinal, seq, fingerprint, shape, meta]: ResourceList): ResourceRow {
  return { env, uid, address, type, since, until: until ?? undefined, status, ordinal, seq, fingerprint, shape: shape || fingerprint, meta: unpackMeta(meta) }
}

export const claimRow = (c: Row): ClaimRow => ({ key: c.key, env: c.env, uid: c.uid, until: orUndefined(c.until as number | null) })

export function txRow(t: Row): TxRow {
  const [about, target] = JSON.parse(t.said as string) as [TxAbout, PackedTarget]
  const [type, op, task, address, undo, ordinal, payloadDigest, fence, openedAt] = about
  const owner = { env: t.env_id as string, uid: t.uid as string, address, type }
  return {
    // Without `...owner`: an object that begins as a copy and grows by so many fields takes 20 us instead of 1.
    env: owner.env, uid: owner.uid, address, type, token: t.token, run: t.run_id, task: lengthen(task, address), op, status: t.status, applied: t.applied ?? undefined, undo: undo === 1, ordinal, epoch: t.epoch, attempts: t.attempts, payloadDigest,
    capability: JSON.parse(t.capability_text), fence, openedAt, firstSentAt: t.first_sent_at ?? undefined, lastSentAt: t.last_sent_at ?? undefined, endedAt: t.ended_at ?? undefined, evidence: t.evidence ?? undefined,
    target: unpackTarget(t.target_inputs as string, target, owner),
  }
}

export const eventRow = (v: Row, env: string): EventRow => ({ env, seq: v.seq, n: v.n, at: v.at, kind: v.kind, data: v.data })

export const chainRow = (c: Row): ChainRow => ({ env: c.id, compactedTo: c.compacted_to, baseSeq: c.base_seq, baseHash: c.base_hash, seq: c.chain_seq, hash: c.chain_hash })

export const runRow = (r: Row): RunRow => ({
  id: r.id, env: r.env_id, kind: r.kind, plan: r.plan, status: r.status, phase: r.phase, from: r.from_rev, to: r.to_rev ?? undefined, holder: JSON.parse(r.holder),
  startedAt: r.started_at, endedAt: r.ended_at ?? undefined, result: r.result ?? undefined,
})

export const planRow = (p: Row): PlanRow => ({ id: p.id, env: p.env_id, createdAt: p.created_at, revision: p.revision, seq: p.seq, usedBy: p.used_by ?? undefined, doc: p.doc, ...(p.made_by ? { madeBy: p.made_by } : {}), ...(p.approval ? { approval: JSON.parse(p.approval) } : {}) })

/** The last row of each task; `rows` of one run, oldest first. `lone`: what the row of its transaction says of one, which is newer than any. */
export function latestTasks(rows: Iterable<Row>, run: string, lone: TaskRow | undefined): TaskRow[] {
  const latest = new Map<string, { readonly id: string; readonly doc: string }>()
  for (const row of rows) latest.set(row.id as string, { id: row.id as string, doc: row.doc as string })
  if (lone) latest.delete(lone.id)
  const tasks = [...latest.values()].map((t) => taskRow(t, run))
  return lone ? [...tasks, lone] : tasks
}
