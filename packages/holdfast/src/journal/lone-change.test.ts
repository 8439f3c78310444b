import { describe, expect, test } from 'vitest'
import { codeOf } from '../base/code-of.fixture.ts'
import type { EnvRow, Holder } from '../state/index.ts'
import { createEnv, ENV, put, resourceRow, txRow } from '../testing/store-fixtures.ts'
import type { Entry } from './entry.ts'
import { fold } from './fold.ts'
import { completeLone, dropLone, failLone, loneRun, openLone, type LoneChange } from './lone-change.ts'
import { emptyTables, type Tables } from './tables.ts'

const holder: Holder = { id: 'h', host: 'x', bootId: 'b', pid: 1, startedAt: '1' }

function world(): { tables: Tables; commit(...entries: Entry[]): void; env(): EnvRow } {
  const tables = emptyTables()
  const commit = (...entries: Entry[]) => void fold(tables, entries, { env: ENV })
  commit(createEnv())
  return { tables, commit, env: () => tables.envs.get(ENV) as EnvRow }
}

const lone = (w: ReturnType<typeof world>, token: string, uid: string, op: 'create' | 'update' | 'delete', hash?: string): LoneChange => ({
  env: w.env(), holder, now: 5,
  tx: txRow(token, uid, { run: loneRun(token), status: 'sent', op, target: { inputs: '{}', ...(op === 'delete' ? {} : { row: resourceRow(uid) }), change: JSON.stringify(hash === undefined ? {} : { previous: { hash } }) } }),
})
const done = (w: ReturnType<typeof world>, c: LoneChange) => completeLone({ ...c, env: w.env() }, { old: undefined, put: { row: resourceRow(c.tx.uid), docs: { inputs: '{}', outputs: '{}' } } })

describe('a change that no run plans', () => {
  test('is a run of one task that is committed when it completes', () => {
    const w = world()
    const c = lone(w, 't-1', 'u1', 'create')
    w.commit(...openLone(c))
    expect([w.tables.runs.get('r-1')?.status, w.env().revision, w.env().openRun]).toEqual(['running', 0, undefined])
    w.commit(...done(w, c))
    expect([w.tables.runs.get('r-1')?.status, w.env().revision]).toEqual(['committed', 1])
    expect(w.tables.txs.get('t-1')?.status).toBe('completed')
  })

  test('stands in the way while it has failed, until it is recovered or given up (HF4101)', () => {
    for (const how of ['previous', 'abandoned'] as const) {
      const w = world()
      const c = lone(w, 't-1', 'u1', 'create')
      w.commit(...openLone(c))
      w.commit(...failLone(c, 'failed', 'why', '"said"'))
      expect(codeOf(() => w.commit(...openLone(lone(w, 't-2', 'u1', 'create'))))).toBe('HF4101')
      w.commit(...dropLone(c, how, 'a person said so'))
      w.commit(...openLone(lone(w, 't-2', 'u1', 'create')))
      expect(w.tables.runs.get('r-1')?.status).toBe(how === 'previous' ? 'reverted' : 'kept')
    }
  })

  test('is refused when what it was decided on has changed (HF2401)', () => {
    const w = world()
    w.commit(put(resourceRow('u1')), { t: 'env.commit', env: ENV, from: 0, to: 1, partial: false })
    expect(codeOf(() => w.commit(...openLone(lone(w, 't-1', 'u1', 'update', 'f1:old'))))).toBe('HF2401')
    expect(codeOf(() => w.commit(...openLone({ ...lone(w, 't-2', 'u2', 'create'), tx: { ...lone(w, 't-2', 'u2', 'create').tx, address: 'app/u1' } })))).toBe('HF2401')
    w.commit(...openLone(lone(w, 't-3', 'u1', 'update', 'f1:u1')))
  })
})

describe('what the founding contract keeps', () => {
  const component = (uid: string, name: string): Entry => ({ t: 'component.put', row: { env: ENV, uid, name, seed: name, declared: true, exports: undefined } })
  const reference: Entry = { t: 'reference.put', row: { env: ENV, component: 'c1', targetEnv: ENV, targetUid: 'u1', address: 'app/u1', type: 'test.Thing' } }

  test('a resource that others refer to is not deleted, and one that is being deleted is not referred to (HF4103, HF4101)', () => {
    const w = world()
    expect(codeOf(() => w.commit(component('c1', 'web'), reference))).toBe('HF4103')
    w.commit(put(resourceRow('u1')), { t: 'env.commit', env: ENV, from: 0, to: 1, partial: false })
    w.commit(component('c1', 'web'), reference)
    expect(codeOf(() => w.commit(...openLone(lone(w, 't-1', 'u1', 'delete', 'f1:u1'))))).toBe('HF4103')
    w.commit({ t: 'component.drop', env: ENV, uid: 'c1' })
    w.commit(...openLone(lone(w, 't-1', 'u1', 'delete', 'f1:u1')))
    expect(codeOf(() => w.commit(component('c1', 'web'), reference))).toBe('HF4101')
  })

  test('one component per name, one answer per request, and no state goes while it is in use (HF4105, HF4104, HF4102)', () => {
    const w = world()
    w.commit(component('c1', 'web'))
    expect(codeOf(() => w.commit(component('c2', 'web')))).toBe('HF4105')
    const request: Entry = { t: 'request.put', row: { scope: ENV, id: 'q', method: 'm', digest: 'd', result: '1', at: 1 } }
    w.commit(request)
    expect(codeOf(() => w.commit(request))).toBe('HF4104')
    expect(codeOf(() => w.commit({ t: 'env.drop', env: ENV }))).toBe('HF4102')
    w.commit({ t: 'component.drop', env: ENV, uid: 'c1' }, { t: 'env.drop', env: ENV })
    expect(w.env().app).toBe('/gone')
  })

  test('answers are kept for seven days, and the oldest go a few at a time', () => {
    const w = world()
    const at = (id: number, ms: number): Entry => ({ t: 'request.put', row: { scope: '', id: String(id), method: 'm', digest: 'd', result: '1', at: ms } })
    for (let i = 0; i < 20; i++) w.commit(at(i, i))
    w.commit(at(20, 7 * 86_400_000 + 5))
    expect([...w.tables.requests.values()].map((r) => r.id).slice(0, 2)).toEqual(['5', '6'])
    expect(w.tables.requests.size).toBe(16)
  })
})
