import assert from 'node:assert/strict'
import type { Entry } from '../journal/index.ts'
import type { Store } from '../store/index.ts'
import { ALREADY, type Case, dump, isBug, NO_DOCTOR, refused, started } from './store-case.ts'
import { claimRow, commitRevision, createEnv, docsOf, ENV, event, holder, planRow, put, resourceRow, taskRow, txRow } from './store-fixtures.ts'

/** Transactions, claims, what else is kept, leases, and the store as a whole. */
export const journalCases: Readonly<Record<string, Case>> = {
  // transactions
  'a transaction comes back as it was opened': async ({ store }) => {
    await started(store)
    const full = txRow('t-1', 'u1', {
      op: 'update', status: 'sent', undo: true, ordinal: 2, epoch: 3, attempts: 4, firstSentAt: 5, lastSentAt: 6, evidence: 'e', capability: { create: { token: { windowMs: 7 } }, settleMs: 8, maxCallMs: 9 },
      target: { row: resourceRow('other', { until: 3, shape: 'f1:s', type: 'x', address: 'moved' }), inputs: '{"i":1}', prior: docsOf('u1'), partial: '{"p":1}', before: [{ t: 'resource.until', uid: 'u1', since: 1, until: 2 }], also: [{ t: 'claim.drop', uid: 'u1' }, event('x')] },
    })
    const bare = txRow('t-2', 'u2', { op: 'delete', target: { inputs: '{}' } })
    await store.commit([{ t: 'tx.open', row: full }, { t: 'tx.open', row: bare }], ALREADY)
    assert.deepEqual(await store.tx('t-1'), full)
    assert.deepEqual(await store.tx('t-2'), bare)
    assert.equal(await store.tx('t-9'), undefined)
    await isBug(store.commit([{ t: 'tx.open', row: txRow('t-1', 'u3') }], ALREADY))
  },
  'an object has one unresolved change, and who asks for a second is told which': async ({ store }) => {
    await started(store)
    await store.commit([{ t: 'tx.open', row: txRow('t-1', 'u1') }], ALREADY)
    const e = await refused('HF4101', store.commit([{ t: 'tx.open', row: txRow('t-2', 'u1') }], ALREADY))
    assert.equal(e.address, 'app/u1')
    assert.deepEqual(e.details, { tx: 't-1', run: 'r-1' })
    await store.commit([{ t: 'tx.move', token: 't-1', to: 'failed', set: { applied: 'partly' } }], ALREADY)
    await refused('HF4101', store.commit([{ t: 'tx.open', row: txRow('t-2', 'u1') }], ALREADY))
    await store.commit([{ t: 'tx.move', token: 't-1', to: 'failed', set: { applied: 'no' } }, { t: 'tx.open', row: txRow('t-2', 'u1') }], ALREADY)
    await store.commit([{ t: 'tx.move', token: 't-2', to: 'sent', set: {} }, { t: 'tx.move', token: 't-2', to: 'completed', set: {} }, { t: 'tx.open', row: txRow('t-3', 'u1') }], ALREADY)
    await refused('HF4101', store.commit([{ t: 'tx.move', token: 't-1', to: 'failed', set: { applied: 'partly' } }], ALREADY))
  },
  'a transaction moves as the table allows, and takes what is set with it': async ({ store }) => {
    await started(store)
    await store.commit([{ t: 'tx.open', row: txRow('t-1', 'u1') }], ALREADY)
    await isBug(store.commit([{ t: 'tx.move', token: 't-1', to: 'completed', set: {} }], ALREADY))
    await isBug(store.commit([{ t: 'tx.move', token: 't-9', to: 'sent', set: {} }], ALREADY))
    await store.commit([{ t: 'tx.move', token: 't-1', to: 'sent', set: { attempts: 1, firstSentAt: 10, lastSentAt: 11, epoch: 1, evidence: 'x' } }], ALREADY)
    await store.commit([{ t: 'tx.move', token: 't-1', to: 'sent', set: { evidence: undefined, target: { inputs: '{"new":1}', partial: '{}' } } }], ALREADY)
    const tx = await store.tx('t-1')
    assert.deepEqual([tx?.status, tx?.attempts, tx?.firstSentAt, tx?.lastSentAt, tx?.epoch, tx?.evidence, tx?.target], ['sent', 1, 10, 11, 1, undefined, { inputs: '{"new":1}', partial: '{}' }])
    await store.commit([{ t: 'tx.move', token: 't-1', to: 'completed', set: { endedAt: 12 } }], ALREADY)
    await isBug(store.commit([{ t: 'tx.move', token: 't-1', to: 'failed', set: { applied: 'no' } }], ALREADY))
  },
  'what a change completed with is read back, also when it equals its intent': async ({ store }) => {
    await started(store)
    await store.commit([{ t: 'tx.open', row: txRow('t-1', 'u1', { status: 'sent' }) }, { t: 'tx.open', row: txRow('t-2', 'u2', { status: 'sent' }) }], ALREADY)
    await store.commit([{ t: 'tx.move', token: 't-1', to: 'completed', set: {} }, put(resourceRow('u1')), { t: 'tx.move', token: 't-2', to: 'completed', set: {} }, put(resourceRow('u2'), { inputs: 'other', outputs: 'o' })], ALREADY)
    assert.deepEqual(await store.docs([{ uid: 'u1', since: 1 }, { uid: 'u2', since: 1 }]), [docsOf('u1'), { inputs: 'other', outputs: 'o' }])
    await store.commit([{ t: 'tx.open', row: txRow('t-3', 'u1', { status: 'sent', target: { inputs: 'third' } }) }], ALREADY)
    await store.commit([{ t: 'tx.move', token: 't-3', to: 'completed', set: {} }, put(resourceRow('u1'), { inputs: 'third', outputs: '3' })], ALREADY)
    assert.deepEqual(await store.docs([{ uid: 'u1', since: 1 }]), [{ inputs: 'third', outputs: '3' }])
    assert.equal((await store.tx('t-1'))?.target.inputs, docsOf('u1').inputs)
  },
  'transactions are found by environment, object, run, status and doubt': async ({ store }) => {
    await started(store)
    await store.commit([{ t: 'tx.open', row: txRow('t-1', 'u1', { status: 'sent' }) }, { t: 'tx.open', row: txRow('t-2', 'u2') }, { t: 'tx.open', row: txRow('t-3', 'u3', { run: 'r-2', status: 'sent' }) }], ALREADY)
    await store.commit([{ t: 'tx.move', token: 't-1', to: 'completed', set: {} }], ALREADY)
    await store.commit([createEnv({ id: 'e-2', name: 'prod' }), { t: 'tx.open', row: txRow('t-4', 'u4', { env: 'e-2' }) }], { env: 'e-2' })
    const tokens = async (filter: Parameters<Store['txs']>[0]) => (await store.txs(filter)).map((t) => t.token)
    assert.deepEqual(await tokens({}), ['t-1', 't-2', 't-3', 't-4'])
    assert.deepEqual(await tokens({ env: ENV }), ['t-1', 't-2', 't-3'])
    assert.deepEqual(await tokens({ env: ENV, unresolved: true }), ['t-2', 't-3'])
    assert.deepEqual(await tokens({ unresolved: false }), ['t-1'])
    assert.deepEqual(await tokens({ uid: 'u3' }), ['t-3'])
    assert.deepEqual(await tokens({ run: 'r-1' }), ['t-1', 't-2', 't-4'])
    assert.deepEqual(await tokens({ run: 'r-9' }), [])
    assert.deepEqual(await tokens({ status: 'sent', env: ENV, run: 'r-2' }), ['t-3'])
    assert.deepEqual(await tokens({ uid: 'u1', unresolved: true }), [])
  },

  // claims
  'a claim has one owner, and who comes second is told the first, also across environments': async ({ store }) => {
    await started(store)
    await store.commit([put(resourceRow('u1')), { t: 'claim.put', row: claimRow('path:/a', 'u1') }], ALREADY)
    await store.commit([{ t: 'claim.put', row: claimRow('path:/a', 'u1') }], ALREADY)
    await store.commit([createEnv({ id: 'e-2', name: 'prod' })], { env: 'e-2' })
    const e = await refused('HF2105', store.commit([{ t: 'claim.put', row: claimRow('path:/a', 'u2', { env: 'e-2' }) }], { env: 'e-2' }))
    assert.deepEqual(e.details, { claim: 'path:/a', app: 'shop', env: 'default', uid: 'u1', owner: 'app/u1' })
    assert.deepEqual(await store.claims(['path:/b', 'path:/a']), [undefined, claimRow('path:/a', 'u1')])
  },
  'claims are dropped by key or all of an object': async ({ store }) => {
    await started(store)
    await store.commit([put(resourceRow('u1')), put(resourceRow('u2')), ...['a', 'b', 'c'].map((k): Entry => ({ t: 'claim.put', row: claimRow(k, 'u1') })), { t: 'claim.put', row: claimRow('d', 'u2') }], ALREADY)
    await store.commit([{ t: 'claim.drop', uid: 'u1', key: 'b' }, { t: 'claim.drop', uid: 'u1', key: 'd' }], ALREADY)
    assert.deepEqual((await store.claimsOf(ENV)).map((c) => c.key), ['a', 'c', 'd'])
    await store.commit([{ t: 'claim.drop', uid: 'u1' }], ALREADY)
    assert.deepEqual((await store.claimsOf(ENV)).map((c) => c.key), ['d'])
  },
  'a claim that was given up goes with the commit': async ({ store }) => {
    await started(store)
    await store.commit([put(resourceRow('u1')), { t: 'claim.put', row: claimRow('a', 'u1') }, { t: 'claim.put', row: claimRow('b', 'u1') }, commitRevision(0)], ALREADY)
    await store.commit([{ t: 'claim.put', row: claimRow('a', 'u1', { until: 2 }) }, { t: 'claim.put', row: claimRow('b', 'u1', { until: 2 }) }, { t: 'claim.put', row: claimRow('c', 'u1') }], ALREADY)
    await store.commit([{ t: 'claim.put', row: claimRow('b', 'u1') }], ALREADY)
    assert.equal((await store.claims(['a']))[0]?.until, 2)
    await store.commit([commitRevision(1)], ALREADY)
    assert.deepEqual((await store.claimsOf(ENV)).map((c) => c.key), ['b', 'c'])
  },

  'a claim that is given up may be taken within its environment, and by nobody else': async ({ store }) => {
    await started(store)
    await store.commit([put(resourceRow('u1')), put(resourceRow('u2')), { t: 'claim.put', row: claimRow('a', 'u1', { until: 2 }) }], ALREADY)
    await store.commit([createEnv({ id: 'e-2', name: 'prod' })], { env: 'e-2' })
    await refused('HF2105', store.commit([{ t: 'claim.put', row: claimRow('a', 'u3', { env: 'e-2' }) }], { env: 'e-2' }))
    await store.commit([{ t: 'claim.put', row: claimRow('a', 'u2') }], ALREADY)
    assert.deepEqual(await store.claims(['a']), [claimRow('a', 'u2')])
    await refused('HF2105', store.commit([{ t: 'claim.put', row: claimRow('a', 'u1') }], ALREADY))
    await store.commit([{ t: 'claim.drop', uid: 'u1' }, commitRevision(0), commitRevision(1)], ALREADY)
    assert.deepEqual(await store.claims(['a']), [claimRow('a', 'u2')])
  },

  // the rest
  'outputs are the newest that a revision shows': async ({ store }) => {
    await started(store)
    await store.commit([{ t: 'outputs.put', row: { env: ENV, since: 1, doc: 'one' } }, { t: 'outputs.put', row: { env: ENV, since: 3, doc: 'three' } }], ALREADY)
    await store.commit([{ t: 'outputs.put', row: { env: ENV, since: 3, doc: 'drei' } }], ALREADY)
    assert.equal(await store.outputs(ENV, 0), undefined)
    assert.deepEqual(await store.outputs(ENV, 2), { env: ENV, since: 1, doc: 'one' })
    assert.equal((await store.outputs(ENV, 9))?.doc, 'drei')
  },
  'secrets and trash are put, replaced and dropped': async ({ store }) => {
    await started(store)
    const secret = (name: string, fp: string) => ({ t: 'secret.put', row: { env: ENV, name, fp, sealed: `sealed-${fp}`, at: 5 } }) as const
    const trash = { id: 'x-1', env: ENV, address: 'app/data', type: 'local.Directory', at: 7, doc: '{"from":"/a"}' }
    await store.commit([secret('b', '1'), secret('a', '2'), { t: 'trash.put', row: trash }], ALREADY)
    await store.commit([secret('b', '3'), { t: 'trash.put', row: { ...trash, doc: '{}' } }], ALREADY)
    assert.deepEqual((await store.secrets(ENV)).map((s) => [s.name, s.fp, s.sealed]), [['a', '2', 'sealed-2'], ['b', '3', 'sealed-3']])
    assert.deepEqual(await store.trash(ENV), [{ ...trash, doc: '{}' }])
    await store.commit([{ t: 'secret.drop', env: ENV, name: 'a' }, { t: 'secret.drop', env: ENV, name: 'none' }, { t: 'trash.drop', id: 'x-1' }, { t: 'trash.drop', id: 'x-9' }], ALREADY)
    assert.deepEqual([(await store.secrets(ENV)).length, (await store.trash(ENV)).length], [1, 0])
  },
  'events are numbered by commit and place, and read on from any commit': async ({ store }) => {
    await store.commit([createEnv(), event('a'), event('b')], ALREADY)
    await store.commit([], ALREADY)
    await store.commit([event('c')], ALREADY)
    assert.deepEqual((await store.events(ENV, { seq: 0 }, 10)).map((e) => [e.seq, e.n, e.kind]), [[1, 0, 'a'], [1, 1, 'b'], [3, 0, 'c']])
    assert.deepEqual((await store.events(ENV, { seq: 1 }, 10)).map((e) => e.kind), ['c'])
    assert.deepEqual((await store.events(ENV, { seq: 2 }, 10)).map((e) => e.kind), ['c'])
    assert.deepEqual(await store.events(ENV, { seq: 3 }, 10), [])
    assert.deepEqual((await store.events(ENV, { seq: 0 }, 2)).map((e) => e.kind), ['a', 'b'])
    assert.deepEqual(await store.events('none', { seq: 0 }, 2), [])
  },
  'the store has an id of its own and keeps a check of its key': async ({ store, reopen }) => {
    await store.commit([createEnv()], ALREADY)
    const before = await store.meta()
    assert.match(before.storeId, /^st-[0-9A-Z]{26}$/)
    assert.equal(before.keyCheck, undefined)
    await store.commit([{ t: 'meta.keyCheck', value: 'kc' }], ALREADY)
    const again = reopen ? await reopen() : store
    assert.deepEqual(await again.meta(), { ...before, keyCheck: 'kc' })
    return again
  },
  'an export holds every row, and two exports of one state are equal': async ({ store }) => {
    await started(store)
    await store.commit([put(resourceRow('u1')), { t: 'plan.put', row: planRow() }, { t: 'task.put', row: taskRow('a') }, event('e')], ALREADY)
    const lines = await dump(store)
    assert.deepEqual(await dump(store), lines)
    assert.deepEqual(lines.map((l) => (JSON.parse(l) as { table: string }).table), ['export', 'meta', 'envs', 'runs', 'plans', 'resources', 'tasks', 'events', 'chains', 'end'])
    assert.deepEqual(JSON.parse(lines[5] as string).row.docs, docsOf('u1'))
  },
  'the doctor names every rule it checked': async ({ store }) => {
    await started(store)
    const checks = await store.doctor()
    assert(checks.length >= 10)
    assert(checks.every((c) => c.ok))
    assert.equal(new Set(checks.map((c) => c.name)).size, checks.length)
  },
  'what was acknowledged is there after closing and opening again': async ({ store, reopen }) => {
    await started(store)
    await Promise.all(Array.from({ length: 50 }, (_, i) => store.commit([put(resourceRow(`u${i}`)), event('e')], ALREADY)))
    if (!reopen) return store
    const before = await dump(store)
    const again = await reopen()
    assert.deepEqual(await dump(again), before)
    return again
  },
  'closing waits for what was asked before': async ({ store, reopen }) => {
    await started(store)
    const asked = Promise.all(Array.from({ length: 600 }, (_, i) => store.commit([event(`e${i}`)], ALREADY)))
    const again = reopen ? await reopen() : store
    await asked
    assert.equal((await again.events(ENV, { seq: 0 }, 1000)).length, 600)
    return again
  },

  // leases
  'a free lease is granted, a held one names its holder': async ({ store, second }) => {
    const mine = await store.lease.acquire('env:a', holder(), 60_000)
    assert('granted' in mine)
    assert.equal(mine.tookOver, undefined)
    assert.equal(mine.granted.expiresAt - mine.granted.grantedAt, 60_000)
    const other = await (second ? await second() : store).lease.acquire('env:a', holder({ id: 'h-2' }), 60_000)
    assert('heldBy' in other)
    assert.deepEqual(other.heldBy, mine.granted)
    assert('granted' in (await store.lease.acquire('env:b', holder({ id: 'h-2' }), 60_000)))
    assert.deepEqual((await store.leases()).map((l) => l.scope), ['env:a', 'env:b'])
  },
  'every grant has a higher fence, whatever the scope': async ({ store }) => {
    const fences: number[] = []
    for (const scope of ['a', 'b', 'a', 'c']) {
      const got = await store.lease.acquire(scope, holder(), 60_000)
      assert('granted' in got)
      fences.push(got.granted.fence)
      await store.lease.release(got.granted)
    }
    assert.deepEqual([...fences].sort((a, b) => a - b), fences)
    assert.equal(new Set(fences).size, 4)
    assert.deepEqual(await store.leases(), [])
  },
  'a lease that has expired is taken over, and the old one is named': async ({ store }) => {
    const old = await store.lease.acquire('a', holder(), 0)
    assert('granted' in old)
    const next = await store.lease.acquire('a', holder({ id: 'h-2' }), 60_000)
    assert('granted' in next)
    assert.equal(next.tookOver?.fence, old.granted.fence)
    assert(next.granted.fence > old.granted.fence)
  },
  'a writer without its fence writes nothing': async ({ store }) => {
    await started(store)
    const old = await store.lease.acquire('a', holder(), 0)
    assert('granted' in old)
    await store.commit([event('mine')], { env: ENV, fence: { scope: 'a', fence: old.granted.fence } })
    const next = await store.lease.acquire('a', holder({ id: 'h-2' }), 60_000)
    assert('granted' in next)
    const before = await dump(store)
    await refused('HF4203', store.commit([event('late')], { env: ENV, fence: { scope: 'a', fence: old.granted.fence } }))
    await refused('HF4203', store.commit([event('none')], { env: ENV, fence: { scope: 'nowhere', fence: 1 } }))
    assert.deepEqual(await dump(store), before)
    await store.lease.release(old.granted)
    assert.equal((await store.leases())[0]?.fence, next.granted.fence)
    await store.commit([event('theirs')], { env: ENV, fence: { scope: 'a', fence: next.granted.fence } })
  },
  'a kept lease that somebody else has is lost, once': async ({ store }) => {
    const old = await store.lease.acquire('a', holder(), 0)
    assert('granted' in old)
    const next = await store.lease.acquire('a', holder({ id: 'h-2' }), 60_000)
    assert('granted' in next)
    let lost = 0
    await new Promise<void>((done) => store.lease.keep(old.granted, 20, () => {
      lost++
      done()
    }))
    await new Promise((next) => setTimeout(next, 60))
    assert.equal(lost, 1)
    await store.lease.release(next.granted)
  },
  'a store that is closed takes nothing': async ({ store }) => {
    await store.close()
    await assert.rejects(async () => store.commit([createEnv()], ALREADY))
    await assert.rejects(async () => store.meta())
    return NO_DOCTOR
  },
}
