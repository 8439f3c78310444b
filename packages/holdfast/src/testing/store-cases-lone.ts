import assert from 'node:assert/strict'
import { failLone, completeLone, loneRun, openLone, type Entry, type LoneChange } from '../journal/index.ts'
import type { Store } from '../store/index.ts'
import { ALREADY, refused, started, type Case } from './store-case.ts'
import { commitRevision, createEnv, docsOf, ENV, event, holder, put, resourceRow, txRow } from './store-fixtures.ts'

const tagged = (uid: string, address: string, tags: Record<string, string>) => resourceRow(uid, { address, meta: { ...resourceRow(uid).meta, tags } })
const component = (uid: string, name: string): Entry => ({ t: 'component.put', row: { env: ENV, uid, name, seed: name, declared: true, exports: undefined } })
const reference = (targetUid: string): Entry => ({ t: 'reference.put', row: { env: ENV, component: 'c-1', targetEnv: ENV, targetUid, address: `app/${targetUid}`, type: 'test.Thing' } })
const hold = (after: 'keep' | 'release', who = holder(), nowMs = 1_000_000) => ({ scope: 's', holder: who, ttlMs: 60_000, nowMs, after })
const scopes = async (store: Store) => (await store.leases()).map((l) => [l.scope, l.holder.id])

async function lone(store: Store, token: string, uid: string, op: 'create' | 'delete', hash?: string): Promise<LoneChange> {
  const env = await store.envById(ENV)
  assert(env)
  return {
    env, holder: holder(), now: 2000,
    tx: txRow(token, uid, { run: loneRun(token), status: 'sent', op, target: { inputs: '{}', ...(op === 'delete' ? {} : { row: resourceRow(uid) }), change: JSON.stringify({ action: op, ...(hash === undefined ? {} : { previous: { hash } }) }) } }),
  }
}

/** What the founding contract asks of a store: look-ups, components, references, requests, and leases that ride on a commit. */
export const loneCases: Readonly<Record<string, Case>> = {
  'rows are found by address, component, hash and tag, as a reader sees them': async ({ store }) => {
    await started(store)
    await store.commit([put(tagged('u1', 'db/a', { team: 'x' })), put(tagged('u2', 'db/b', { team: 'y', tier: '1' })), put(resourceRow('u3', { address: 'db/deep/c' })), put(resourceRow('u4', { address: 'root' })), commitRevision(0)], ALREADY)
    const found = async (by: Parameters<Store['find']>[2], view: 'committed' | 'current' = 'committed') => (await store.find(ENV, view, by)).map((r) => r.uid)
    assert.deepEqual(await found({ address: 'db/a' }), ['u1'])
    assert.deepEqual(await found({ component: 'db' }), ['u1', 'u2'])
    assert.deepEqual(await found({ component: 'db/deep' }), ['u3'])
    assert.deepEqual(await found({ component: '.' }), ['u4'])
    assert.deepEqual(await found({ fingerprint: 'f1:u3' }), ['u3'])
    assert.deepEqual(await found({ tag: 'team' }), ['u1', 'u2'])
    assert.deepEqual(await found({ tag: 'team', value: 'y' }), ['u2'])
    assert.deepEqual(await found({ tag: 'none' }), [])
    await store.commit([{ t: 'resource.until', uid: 'u2', since: 1, until: 2 }, put({ ...tagged('u2', 'db/moved', {}), since: 2 })], ALREADY)
    assert.deepEqual([await found({ tag: 'tier' }), await found({ tag: 'tier' }, 'current')], [['u2'], []])
    assert.deepEqual([await found({ address: 'db/moved' }), await found({ address: 'db/moved' }, 'current')], [[], ['u2']])
    await store.commit([put({ ...tagged('u2', 'db/moved', { fresh: '1' }), since: 2 })], ALREADY)
    assert.deepEqual(await found({ tag: 'fresh' }, 'current'), ['u2'])
    await store.commit([{ t: 'resource.drop', uid: 'u2', since: 2 }, { t: 'resource.until', uid: 'u2', since: 1, until: undefined }], ALREADY)
    assert.deepEqual(await found({ tag: 'fresh' }, 'current'), [])
  },
  'components, references, resolved values and requests come back as they were put': async ({ store }) => {
    await started(store)
    await store.commit([put(resourceRow('u1')), commitRevision(0), component('c-2', 'web'), component('c-1', 'db'), reference('u1'), { t: 'resolved.put', row: { env: ENV, uid: 'u1', doc: '{"a":1}' } }], ALREADY)
    await store.commit([{ t: 'request.put', row: { scope: ENV, id: 'q', method: 'm', digest: 'd', result: '"x"', at: 5 } }], ALREADY)
    assert.deepEqual((await store.components(ENV)).map((c) => [c.name, c.uid]), [['db', 'c-1'], ['web', 'c-2']])
    assert.equal((await store.component(ENV, 'web'))?.uid, 'c-2')
    const expected = [{ env: ENV, component: 'c-1', targetEnv: ENV, targetUid: 'u1', address: 'app/u1', type: 'test.Thing' }]
    for (const filter of [{ env: ENV }, { targetEnv: ENV }, { targetUid: 'u1' }]) assert.deepEqual(await store.references(filter), expected)
    assert.deepEqual(await store.resolved(['none', 'u1']), [undefined, { env: ENV, uid: 'u1', doc: '{"a":1}' }])
    assert.deepEqual(await store.request(ENV, 'q'), { scope: ENV, id: 'q', method: 'm', digest: 'd', result: '"x"', at: 5 })
    assert.equal(await store.request('', 'q'), undefined)
    await store.commit([{ t: 'component.put', row: { env: ENV, uid: 'c-1', name: 'core', seed: 'db', declared: true, exports: '[]' } }, { t: 'component.drop', env: ENV, uid: 'c-2' }, { t: 'resolved.drop', env: ENV, uid: 'u1' }], ALREADY)
    assert.deepEqual([await store.component(ENV, 'db'), (await store.component(ENV, 'core'))?.exports, await store.resolved(['u1'])], [undefined, '[]', [undefined]])
    await store.commit([{ t: 'component.drop', env: ENV, uid: 'c-1' }], ALREADY)
    assert.deepEqual(await store.references({ targetUid: 'u1' }), [])
  },
  'a name, a request and what others refer to are guarded by the store': async ({ store }) => {
    await started(store)
    await refused('HF4103', store.commit([component('c-1', 'web'), reference('u1')], ALREADY))
    await store.commit([put(resourceRow('u1')), commitRevision(0), component('c-1', 'web'), reference('u1')], ALREADY)
    await refused('HF4105', store.commit([component('c-9', 'web')], ALREADY))
    const e = await refused('HF4103', store.commit(openLone(await lone(store, 't-1', 'u1', 'delete', 'f1:u1')), ALREADY))
    assert.deepEqual(e.details?.referrers, ['web'])
    await store.commit([{ t: 'reference.drop', env: ENV, component: 'c-1', targetUid: 'u1' }], ALREADY)
    await store.commit(openLone(await lone(store, 't-1', 'u1', 'delete', 'f1:u1')), ALREADY)
    await refused('HF4101', store.commit([reference('u1')], ALREADY))
    const request: Entry = { t: 'request.put', row: { scope: '', id: 'q', method: 'm', digest: 'd', result: '1', at: 1 } }
    await store.commit([request], ALREADY)
    await refused('HF4104', store.commit([request], ALREADY))
  },
  'a lone change is checked against what it was decided on': async ({ store }) => {
    await store.commit([createEnv(), put(resourceRow('u1')), commitRevision(0)], ALREADY)
    await refused('HF2401', store.commit(openLone(await lone(store, 't-1', 'u1', 'delete', 'f1:older')), ALREADY))
    const create = await lone(store, 't-2', 'u2', 'create')
    await refused('HF2401', store.commit(openLone({ ...create, tx: { ...create.tx, address: 'app/u1' } }), ALREADY))
    await store.commit(openLone(create), ALREADY)
    await store.commit(failLone(create, 'failed', 'why', '"said"'), ALREADY)
    assert.deepEqual((await store.tx('t-2'))?.target.failed, '"said"')
    assert.equal((await store.tx('t-2'))?.target.change, create.tx.target.change)
    const env = await store.envById(ENV)
    assert(env)
    await store.commit(completeLone({ ...create, env }, { old: undefined, put: { row: resourceRow('u2'), docs: docsOf('u2') }, evidence: 'seen' }), ALREADY)
    assert.deepEqual([(await store.envById(ENV))?.revision, (await store.run('r-2'))?.status], [2, 'committed'])
  },
  'a state that is in use stays; one that is not frees its name, and keeps its history': async ({ store }) => {
    await store.commit([createEnv({ app: '/', name: 'demo' }), event('made')], ALREADY)
    await store.commit([createEnv({ id: 'e-2', app: `/${ENV}`, name: 'child' })], { env: 'e-2' })
    await refused('HF4102', store.commit([{ t: 'env.drop', env: ENV }], ALREADY))
    await store.commit([{ t: 'env.drop', env: 'e-2' }], { env: 'e-2' })
    await store.commit([{ t: 'env.drop', env: ENV }], ALREADY)
    assert.deepEqual([await store.envs(), await store.env('/', 'demo'), (await store.events(ENV, { seq: 0 }, 9)).length], [[], undefined, 1])
    await store.commit([createEnv({ id: 'e-3', app: '/', name: 'demo' })], { env: 'e-3' })
  },
  'a commit takes a lease, checks it, and lets it go': async ({ store }) => {
    await store.commit([createEnv()], { ...ALREADY, hold: hold('release') })
    assert.deepEqual(await scopes(store), [])
    await store.commit([event('a')], { ...ALREADY, hold: hold('keep') })
    assert.deepEqual(await scopes(store), [['s', 'h-1']])
    const [lease] = await store.leases()
    assert(lease)
    await store.commit([event('b')], { ...ALREADY, hold: hold('keep'), fence: { scope: 's', fence: lease.fence } })
    const e = await refused('HF4201', store.commit([event('c')], { ...ALREADY, hold: hold('release', holder({ id: 'h-2', pid: 4712 })) }))
    assert.equal(e.details?.holder, 'h-1')
    await store.commit([event('d')], { ...ALREADY, hold: hold('release') })
    assert.deepEqual(await scopes(store), [])
    await refused('HF4203', store.commit([event('e')], { ...ALREADY, fence: { scope: 's', fence: lease.fence } }))
  },
  'a lease that has ended is taken over by a commit, under a higher fence': async ({ store }) => {
    await store.commit([createEnv()], { ...ALREADY, hold: hold('keep') })
    const [old] = await store.leases()
    await store.commit([event('a')], { ...ALREADY, hold: hold('keep', holder({ id: 'h-2' }), 1_070_000) })
    const [now] = await store.leases()
    assert(old && now)
    assert.equal(now.holder.id, 'h-2')
    assert(now.fence > old.fence)
    await refused('HF4203', store.commit([event('b')], { ...ALREADY, fence: { scope: 's', fence: old.fence } }))
  },
  'what a refused commit would have taken is not taken': async ({ store }) => {
    await started(store)
    await refused('HF2401', store.commit([event('a')], { ...ALREADY, hold: hold('keep'), expectSeq: 99 }))
    const results = await Promise.allSettled([
      store.commit([event('a')], { ...ALREADY, hold: hold('keep'), expectSeq: 99 }), store.commit([event('b')], ALREADY), store.commit([event('c')], ALREADY),
    ])
    assert.deepEqual(results.map((r) => r.status), ['rejected', 'fulfilled', 'fulfilled'])
    assert.deepEqual(await scopes(store), [])
  },
}
