import type { Entry } from '../journal/index.ts'
import type { ClaimRow, EnvRow, Holder, PlanRow, ResourceDocs, ResourceRow, RunRow, TaskRow, TxRow } from '../state/index.ts'

/** Rows as the engine would write them, with the fields that a case is about given. */
export const ENV = 'e-1'

export const envRow = (over: Partial<EnvRow> = {}): EnvRow =>
  ({ id: ENV, app: 'shop', name: 'default', revision: 0, partial: false, seq: 0, openRun: undefined, ...over })

export const createEnv = (over: Partial<EnvRow> = {}): Entry => ({ t: 'env.create', row: envRow(over) })

export const holder = (over: Partial<Holder> = {}): Holder => ({ id: 'h-1', host: 'elsewhere', bootId: 'boot-1', pid: 4711, startedAt: '100', ...over })

export const runRow = (over: Partial<RunRow> = {}): RunRow => ({
  id: 'r-1', env: ENV, kind: 'apply', plan: 'p-1', status: 'running', phase: 'expand', from: 0, to: undefined, holder: holder(), startedAt: 1000, endedAt: undefined, result: undefined, ...over,
})

export const planRow = (over: Partial<PlanRow> = {}): PlanRow => ({ id: 'p-1', env: ENV, createdAt: 1000, revision: 0, seq: 1, usedBy: undefined, doc: '{"plan":1}', ...over })

export const resourceRow = (uid: string, over: Partial<Omit<ResourceRow, 'seq'>> = {}): Omit<ResourceRow, 'seq'> => ({
  env: ENV, uid, address: `app/${uid}`, type: 'test.Thing', since: 1, until: undefined, status: 'ready', ordinal: 1, fingerprint: `f1:${uid}`, shape: `f1:${uid}`,
  meta: { typeVersion: 1, provider: 'test@1.0.0#Thing', deps: [], claims: [], protect: false, retain: false, tags: {} }, ...over,
})

export const docsOf = (uid: string): ResourceDocs => ({ inputs: `{"of":"${uid}"}`, outputs: `{"id":"${uid}"}` })

export const txRow = (token: string, uid: string, over: Partial<TxRow> = {}): TxRow => ({
  token, env: ENV, run: 'r-1', task: `create:app/${uid}`, uid, address: `app/${uid}`, type: 'test.Thing', op: 'create', status: 'open', applied: undefined, undo: false, ordinal: 1, epoch: 0,
  attempts: 0, payloadDigest: 'd1', capability: { create: { name: true }, update: 'full' }, fence: 1, openedAt: 1000, firstSentAt: undefined, lastSentAt: undefined, endedAt: undefined,
  evidence: undefined, target: { row: resourceRow(uid), inputs: docsOf(uid).inputs }, ...over,
})

export const taskRow = (id: string, over: Partial<TaskRow> = {}): TaskRow => ({
  run: 'r-1', id, address: `app/${id}`, kind: 'create', state: 'running', intention: 'execute', attempt: 1, tx: undefined, failure: undefined, startedAt: 1000, endedAt: undefined,
  note: undefined, ...over,
})

export const claimRow = (key: string, uid: string, over: Partial<ClaimRow> = {}): ClaimRow => ({ key, env: ENV, uid, until: undefined, ...over })

export const put = (row: Omit<ResourceRow, 'seq'>, docs: ResourceDocs = docsOf(row.uid)): Entry => ({ t: 'resource.put', row, docs })
export const putRowOnly = (row: Omit<ResourceRow, 'seq'>): Entry => ({ t: 'resource.put', row })
export const event = (kind: string): Entry => ({ t: 'event', at: 1000, kind, data: '{}' })
export const commitRevision = (from: number, to = from + 1, partial = false): Entry => ({ t: 'env.commit', env: ENV, from, to, partial })
