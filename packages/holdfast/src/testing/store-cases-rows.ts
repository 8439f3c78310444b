import assert from 'node:assert/strict'
import { sha256hex } from '../base/index.ts'
import type { Entry } from '../journal/index.ts'
import { PART_TAGS } from '../state/index.ts'
import { addresses, ALREADY, dump, isBug, refused, started, type Case } from './store-case.ts'
import { claimRow, commitRevision, createEnv, docsOf, ENV, event, planRow, put, putRowOnly, resourceRow, runRow, taskRow, txRow } from './store-fixtures.ts'

/** Commits, resources, environments, runs, plans and tasks. */
export const rowCases: Readonly<Record<string, Case>> = {
  // commits
  'the first commit of an environment has seq 1, each further one the next': async ({ store }) => {
    assert.deepEqual(await store.commit([createEnv({ seq: 77 })], ALREADY), { seq: 1 })
    assert.deepEqual(await store.commit([event('a')], ALREADY), { seq: 2 })
    assert.deepEqual(await store.commit([], ALREADY), { seq: 3 })
    assert.equal((await store.env('shop', 'default'))?.seq, 3)
  },
  'environments count their commits apart': async ({ store }) => {
    await store.commit([createEnv()], ALREADY)
    await store.commit([createEnv({ id: 'e-2', name: 'prod' }), event('x')], { env: 'e-2' })
    await store.commit([event('y')], ALREADY)
    assert.deepEqual((await store.envs('shop')).map((e) => [e.name, e.seq]), [['default', 2], ['prod', 1]])
    assert.deepEqual((await store.events('e-2', { seq: 0 }, 10)).map((e) => e.kind), ['x'])
    assert.deepEqual(await store.envs('other'), [])
  },
  'an environment is created once': async ({ store }) => {
    await store.commit([createEnv()], ALREADY)
    await refused('HF2401', store.commit([createEnv({ id: 'e-2' })], { env: 'e-2' }))
    await refused('HF2401', store.commit([createEnv({ name: 'other' })], ALREADY))
  },
  'a commit to an environment that is not there is a bug': async ({ store }) => isBug(store.commit([event('a')], ALREADY)),
  'a commit speaks of its own environment only': async ({ store }) => {
    await store.commit([createEnv()], ALREADY)
    await isBug(store.commit([put(resourceRow('u1', { env: 'e-2' }))], ALREADY))
  },
  'a refused commit leaves nothing behind': async ({ store }) => {
    await started(store)
    await store.commit([{ t: 'tx.open', row: txRow('t-1', 'u1') }, put(resourceRow('u1'))], ALREADY)
    const before = await dump(store)
    await refused('HF4101', store.commit([
      event('a'), put(resourceRow('u2')), { t: 'claim.put', row: claimRow('path:/x', 'u2') }, { t: 'secret.put', row: { env: ENV, name: 's', fp: 'f', sealed: 'z', at: 1 } },
      { t: 'resource.drop', uid: 'u1', since: 1 }, { t: 'env.open', env: ENV, run: undefined }, { t: 'task.put', row: taskRow('a') }, { t: 'tx.open', row: txRow('t-2', 'u1') },
    ], ALREADY))
    assert.deepEqual(await dump(store), before)
  },
  'commits made at the same time are each all or nothing, and in the order asked for': async ({ store }) => {
    await started(store)
    await store.commit([{ t: 'tx.open', row: txRow('t-0', 'busy') }], ALREADY)
    const results = await Promise.allSettled(Array.from({ length: 300 }, (_, i) =>
      store.commit([put(resourceRow(`u${String(i).padStart(3, '0')}`)), ...(i % 10 === 5 ? [{ t: 'tx.open', row: txRow(`t-${i}`, 'busy') } as Entry] : [])], ALREADY)))
    const seqs = results.flatMap((r) => (r.status === 'fulfilled' ? [r.value.seq] : []))
    assert.equal(seqs.length, 270)
    assert.deepEqual(seqs, Array.from({ length: 270 }, (_, i) => 3 + i))
    const rows = await store.resources(ENV, 'current')
    assert.equal(rows.length, 270)
    assert(!rows.some((r) => r.uid.endsWith('5')))
  },
  'thousands of commits at once wait their turn and all arrive': async ({ store }) => {
    await started(store)
    await Promise.all(Array.from({ length: 3000 }, (_, i) => store.commit([event(`n${i}`)], ALREADY)))
    const events = await store.events(ENV, { seq: 0 }, 5000)
    assert.deepEqual(events.map((e) => e.kind), Array.from({ length: 3000 }, (_, i) => `n${i}`))
  },
  'expectSeq refuses what was planned on an older state': async ({ store }) => {
    await store.commit([createEnv()], { env: ENV, expectSeq: 0 })
    await store.commit([event('a')], { env: ENV, expectSeq: 1 })
    const e = await refused('HF2401', store.commit([event('b')], { env: ENV, expectSeq: 1 }))
    assert.deepEqual(e.details, { expected: 1, actual: 2 })
  },
  'a commit is readable when it resolves': async ({ store, second }) => {
    await started(store)
    await store.commit([put(resourceRow('u1'))], ALREADY)
    assert.deepEqual(await addresses(store, 'current'), ['app/u1@1'])
    if (second) assert.deepEqual(await addresses(await second(), 'current'), ['app/u1@1'])
  },

  // resources
  'resources come in address order, stamped with the seq that wrote them': async ({ store }) => {
    await started(store)
    await store.commit([put(resourceRow('b')), put(resourceRow('a')), put(resourceRow('c', { address: 'app/b/x' }))], ALREADY)
    await store.commit([putRowOnly(resourceRow('a', { ordinal: 2 }))], ALREADY)
    assert.deepEqual((await store.resources(ENV, 'current')).map((r) => [r.address, r.seq, r.ordinal]), [['app/a', 3, 2], ['app/b', 2, 1], ['app/b/x', 2, 1]])
  },
  'a row comes back as it was put, and can be copied': async ({ store }) => {
    await started(store)
    const row = resourceRow('u1', {
      status: 'partial', until: 2, ordinal: 3, shape: 'f1:other',
      meta: { typeVersion: 2, provider: 'p@1#T', deps: ['app/u1'], claims: ['path:/tmp/"quoted"'], protect: true, retain: true, tags: { a: 'b\n\u001f' }, physicalName: 'n', physicalId: 'i', assets: ['d'], lookup: true, site: 'a.ts:1:2', tainted: true, tied: { 'app/u1': 'u0' }, rules: { ignore: ['a["b"]'], replaceOn: ['*'], replaceWhen: 'w1:0', replaceWith: ['app/u1'], deletedWith: 'app/u1', deleteFirst: false } },
    })
    await store.commit([commitRevision(0), put(row)], ALREADY)
    const [got] = await store.resources(ENV, 'all')
    assert(got)
    assert.deepEqual({ ...got }, { ...row, seq: 2 })
    assert.deepEqual(structuredClone({ ...got, until: undefined }).meta, row.meta)
  },
  'documents are found by uid and since, in the order asked for': async ({ store }) => {
    await started(store)
    await store.commit([put(resourceRow('a')), put(resourceRow('b'))], ALREADY)
    await store.commit([put(resourceRow('a'), { inputs: '{"n":2}', outputs: '{}' })], ALREADY)
    assert.deepEqual(await store.docs([{ uid: 'b', since: 1 }, { uid: 'b', since: 2 }, { uid: 'a', since: 1 }]), [docsOf('b'), undefined, { inputs: '{"n":2}', outputs: '{}' }])
    assert.deepEqual(await store.docs([]), [])
  },
  'a put without documents keeps the stored ones, and needs them': async ({ store }) => {
    await started(store)
    await store.commit([put(resourceRow('a'))], ALREADY)
    await store.commit([putRowOnly(resourceRow('a', { status: 'partial' }))], ALREADY)
    assert.deepEqual(await store.docs([{ uid: 'a', since: 1 }]), [docsOf('a')])
    await isBug(store.commit([putRowOnly(resourceRow('new'))], ALREADY))
  },
  'an open run shows in the current view, and readers see the base until it is committed': async ({ store }) => {
    await started(store)
    await store.commit([put(resourceRow('keep')), put(resourceRow('change')), put(resourceRow('gone'))], ALREADY)
    await store.commit([commitRevision(0), { t: 'env.open', env: ENV, run: undefined }], ALREADY)
    await store.commit([{ t: 'run.put', row: runRow({ id: 'r-2', from: 1 }) }, { t: 'env.open', env: ENV, run: 'r-2' }], ALREADY)
    await store.commit([{ t: 'resource.until', uid: 'change', since: 1, until: 2 }, put(resourceRow('change', { since: 2 }))], ALREADY)
    await store.commit([{ t: 'resource.until', uid: 'gone', since: 1, until: 2 }, put(resourceRow('gone', { since: 2, status: 'deleting' }))], ALREADY)
    await store.commit([put(resourceRow('new', { since: 2 }))], ALREADY)
    assert.deepEqual(await addresses(store, 'committed'), ['app/change@1', 'app/gone@1', 'app/keep@1'])
    assert.deepEqual(await addresses(store, 'current'), ['app/change@2', 'app/gone@2', 'app/keep@1', 'app/new@2'])
    assert.deepEqual(await addresses(store, 'open'), ['app/change@1', 'app/change@2', 'app/gone@1', 'app/gone@2', 'app/new@2'])
    assert.deepEqual(await addresses(store, 'all'), ['app/change@1', 'app/change@2', 'app/gone@1', 'app/gone@2', 'app/keep@1', 'app/new@2'])
    await store.commit([commitRevision(1), { t: 'env.open', env: ENV, run: undefined }], ALREADY)
    assert.deepEqual(await addresses(store, 'committed'), ['app/change@2', 'app/keep@1', 'app/new@2'])
    assert.deepEqual(await addresses(store, 'current'), ['app/change@2', 'app/gone@2', 'app/keep@1', 'app/new@2'])
    assert.deepEqual(await addresses(store, 'open'), [])
    await store.commit([{ t: 'resource.drop', uid: 'gone', since: 2 }], ALREADY)
    assert.deepEqual(await addresses(store, 'current'), ['app/change@2', 'app/keep@1', 'app/new@2'])
  },
  'taking back removes the provisional rows and opens the base again': async ({ store }) => {
    await started(store)
    await store.commit([put(resourceRow('a')), commitRevision(0)], ALREADY)
    await store.commit([{ t: 'resource.until', uid: 'a', since: 1, until: 2 }, put(resourceRow('a', { since: 2 }))], ALREADY)
    await store.commit([{ t: 'resource.drop', uid: 'a', since: 2 }, { t: 'resource.until', uid: 'a', since: 1, until: undefined }], ALREADY)
    assert.deepEqual(await addresses(store, 'all'), ['app/a@1'])
    assert.equal((await store.resources(ENV, 'current'))[0]?.until, undefined)
    assert.deepEqual(await store.docs([{ uid: 'a', since: 2 }]), [undefined])
    assert.deepEqual(await addresses(store, 'open'), [])
  },
  'runs of parts are seen by nobody, whichever commits first, and each gets the revision of its commit': async ({ store }) => {
    const [one, two] = [PART_TAGS + 1, PART_TAGS + 2]
    const part = (tag: number, name: string) => ({ t: 'part.open' as const, env: ENV, part: { tag, run: `r-${name}`, scopes: [`shop/default:./${name}`] } })
    await store.commit([createEnv(), put(resourceRow('a')), put(resourceRow('b')), { t: 'claim.put', row: claimRow('path:a', 'a') }, commitRevision(0)], ALREADY)
    await store.commit([part(one, 'a'), { t: 'run.put', row: runRow({ id: 'r-a' }) }, part(two, 'b'), { t: 'run.put', row: runRow({ id: 'r-b' }) }], ALREADY)
    const tagged = resourceRow('b', { since: two, meta: { ...resourceRow('b').meta, tags: { k: 'v' } } })
    await store.commit([{ t: 'resource.until', uid: 'a', since: 1, until: one }, put(resourceRow('a', { since: one })), { t: 'claim.put', row: claimRow('path:a', 'a', { until: one }) }], ALREADY)
    await store.commit([{ t: 'resource.until', uid: 'b', since: 1, until: two }, put(tagged), put(resourceRow('c', { since: two }))], ALREADY)
    assert.deepEqual(await addresses(store, 'committed'), ['app/a@1', 'app/b@1'])
    assert.deepEqual(await addresses(store, 'base'), ['app/a@1', 'app/b@1'])
    assert.deepEqual(await addresses(store, 'current'), [`app/a@${one}`, `app/b@${two}`, `app/c@${two}`])
    assert.deepEqual((await store.doctor()).filter((c) => !c.ok), [])
    // The second first.
    await store.commit([commitRevision(1), { t: 'part.close', env: ENV, tag: two, to: 2 }], ALREADY)
    assert.deepEqual(await addresses(store, 'committed'), ['app/a@1', 'app/b@2', 'app/c@2'])
    assert.deepEqual((await store.find(ENV, 'committed', { tag: 'k' })).map((r) => r.uid), ['b'])
    assert.deepEqual((await store.resources(ENV, 'all')).map((r) => `${r.uid}@${r.since}-${r.until ?? ''}`), [`a@1-${one}`, `a@${one}-`, 'b@1-2', 'b@2-', 'c@2-'])
    assert.deepEqual((await store.envById(ENV))?.parts?.map((p) => p.run), ['r-a'])
    // What the first did belongs to a run of the whole now.
    await store.commit([{ t: 'part.close', env: ENV, tag: one, to: 3 }, { t: 'env.open', env: ENV, run: 'r-a' }], ALREADY)
    assert.deepEqual([(await addresses(store, 'open')), (await store.claims(['path:a']))[0]?.until], [['app/a@1', 'app/a@3'], 3])
    await store.commit([commitRevision(2), { t: 'env.open', env: ENV, run: undefined }], ALREADY)
    assert.deepEqual([await addresses(store, 'committed'), await store.claims(['path:a'])], [['app/a@3', 'app/b@2', 'app/c@2'], [undefined]])
    assert.equal((await store.envById(ENV))?.parts, undefined)
    assert.deepEqual((await store.doctor()).filter((c) => !c.ok), [])
    await isBug(store.commit([{ t: 'part.close', env: ENV, tag: one }], ALREADY))
  },
  'an object has one row without an end': async ({ store }) => {
    await started(store)
    await store.commit([put(resourceRow('a')), commitRevision(0)], ALREADY)
    await isBug(store.commit([put(resourceRow('a', { since: 2 }))], ALREADY))
    await store.commit([{ t: 'resource.until', uid: 'a', since: 1, until: 2 }, put(resourceRow('a', { since: 2 }))], ALREADY)
    await isBug(store.commit([{ t: 'resource.until', uid: 'a', since: 1, until: undefined }], ALREADY))
    await isBug(store.commit([{ t: 'resource.until', uid: 'nobody', since: 1, until: 2 }], ALREADY))
  },
  'history is kept below the base, and the oldest goes': async ({ store }) => {
    await started(store)
    await store.commit([put(resourceRow('a')), { t: 'outputs.put', row: { env: ENV, since: 1, doc: '1' } }, commitRevision(0)], ALREADY)
    for (let r = 1; r < 30; r++) {
      await store.commit([
        { t: 'resource.until', uid: 'a', since: r, until: r + 1 }, put(resourceRow('a', { since: r + 1 })), { t: 'outputs.put', row: { env: ENV, since: r + 1, doc: String(r + 1) } }, commitRevision(r),
      ], ALREADY)
    }
    const kept = (await store.resources(ENV, 'all')).map((r) => r.since)
    assert.deepEqual(kept, Array.from({ length: 21 }, (_, i) => 10 + i))
    assert.deepEqual(await store.docs([{ uid: 'a', since: 9 }, { uid: 'a', since: 10 }]), [undefined, docsOf('a')])
    assert.equal((await store.outputs(ENV, 10))?.doc, '10')
    assert.equal(await store.outputs(ENV, 9), undefined)
  },

  // environments, runs, plans, tasks
  'a commit of a revision needs the base it was made on': async ({ store }) => {
    await started(store)
    await store.commit([commitRevision(0, 1, true)], ALREADY)
    const env = await store.env('shop', 'default')
    assert.deepEqual([env?.revision, env?.partial, env?.openRun], [1, true, 'r-1'])
    await refused('HF2401', store.commit([commitRevision(0)], ALREADY))
    await isBug(store.commit([commitRevision(1, 1)], ALREADY))
  },
  'the approval of a plan is kept with it, a later one takes its place, and a plan that is put again has none': async ({ store }) => {
    const approval = (by: string, plan = planRow()) => ({ by, at: 3000, own: by === plan.madeBy, digest: sha256hex(plan.doc), mac: 'm' })
    await store.commit([createEnv(), { t: 'plan.put', row: planRow({ madeBy: 'ann' }) }, { t: 'plan.put', row: planRow({ id: 'p-2' }) }], ALREADY)
    await store.commit([{ t: 'plan.approve', id: 'p-1', approval: approval('ann', planRow({ madeBy: 'ann' })) }], ALREADY)
    await store.commit([{ t: 'plan.approve', id: 'p-1', approval: approval('bob') }], ALREADY)
    assert.deepEqual(await store.plan('p-1'), planRow({ madeBy: 'ann', approval: approval('bob') }))
    assert.deepEqual((await store.plans(ENV, 5)).map((p) => [p.id, p.madeBy, p.approval?.by]), [['p-2', undefined, undefined], ['p-1', 'ann', 'bob']])
    assert.deepEqual((await store.doctor()).filter((c) => !c.ok), [])
    await refused('HF2404', store.commit([{ t: 'plan.approve', id: 'p-9', approval: approval('bob') }], ALREADY))
    await store.commit([{ t: 'plan.use', id: 'p-2', run: 'r-1' }], ALREADY)
    await refused('HF2403', store.commit([{ t: 'plan.approve', id: 'p-2', approval: approval('bob') }], ALREADY))
    await store.commit([{ t: 'plan.put', row: planRow({ madeBy: 'cat', doc: '{"plan":2}' }) }], ALREADY)
    assert.deepEqual(await store.plan('p-1'), planRow({ madeBy: 'cat', doc: '{"plan":2}' }))
    // An approval of another text, or one that is somebody's own and says it is not.
    for (const wrong of [{ ...approval('bob'), digest: 'other' }, { ...approval('cat', planRow({ madeBy: 'cat', doc: '{"plan":2}' })), own: false }]) {
      await store.commit([{ t: 'plan.approve', id: 'p-1', approval: wrong }], ALREADY)
      assert.deepEqual((await store.doctor()).filter((c) => !c.ok).map((c) => c.name), ['approvals fit their plans'])
    }
    await store.commit([{ t: 'plan.put', row: planRow() }], ALREADY)
  },
  'a plan is used once': async ({ store }) => {
    await started(store)
    await store.commit([{ t: 'plan.put', row: planRow() }, { t: 'plan.put', row: planRow({ id: 'p-2', createdAt: 2000 }) }], ALREADY)
    await store.commit([{ t: 'plan.use', id: 'p-1', run: 'r-1' }], ALREADY)
    await store.commit([{ t: 'plan.use', id: 'p-1', run: 'r-1' }], ALREADY)
    await refused('HF2403', store.commit([{ t: 'plan.use', id: 'p-1', run: 'r-2' }], ALREADY))
    await refused('HF2404', store.commit([{ t: 'plan.use', id: 'p-9', run: 'r-2' }], ALREADY))
    assert.equal((await store.plan('p-1'))?.usedBy, 'r-1')
    assert.deepEqual(await store.plan('p-2'), planRow({ id: 'p-2', createdAt: 2000 }))
    assert.deepEqual((await store.plans(ENV, 5)).map((p) => p.id), ['p-2', 'p-1'])
    assert.deepEqual((await store.plans(ENV, 1)).map((p) => p.id), ['p-2'])
    assert.equal(await store.plan('p-9'), undefined)
  },
  'a run ends once': async ({ store }) => {
    await started(store)
    await store.commit([{ t: 'run.put', row: runRow({ phase: 'commit' }) }], ALREADY)
    await store.commit([{ t: 'run.put', row: runRow({ id: 'r-2', startedAt: 2000 }) }], ALREADY)
    const done = runRow({ status: 'committed', phase: 'done', to: 1, endedAt: 3000, result: '{"x":1}' })
    await store.commit([{ t: 'run.put', row: done }], ALREADY)
    await isBug(store.commit([{ t: 'run.put', row: runRow({ status: 'reverted' }) }], ALREADY))
    assert.deepEqual(await store.run('r-1'), done)
    assert.equal(await store.run('r-9'), undefined)
    assert.deepEqual((await store.runs(ENV, 5)).map((r) => r.id), ['r-2', 'r-1'])
    assert.deepEqual((await store.runs(ENV, 1)).map((r) => r.id), ['r-2'])
  },
  'tasks of a run are kept as last put': async ({ store }) => {
    await started(store)
    await store.commit([{ t: 'task.put', row: taskRow('b') }, { t: 'task.put', row: taskRow('a') }], ALREADY)
    const done = taskRow('b', { state: 'failure', attempt: 2, tx: 't-1', failure: '{"code":"HF3101"}', startedAt: 2000, endedAt: 3000, note: 'new' })
    await store.commit([{ t: 'task.put', row: done }, { t: 'task.put', row: taskRow('c', { run: 'r-2' }) }], ALREADY)
    assert.deepEqual(await store.tasks('r-1'), [taskRow('a'), done])
    assert.deepEqual(await store.tasks('r-9'), [])
  },
}
