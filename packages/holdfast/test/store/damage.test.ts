import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSqliteStore } from '../../src/store/index.ts'
import { driver } from '../../src/store/sqlite/driver.ts'
import { commitRevision, createEnv, ENV, event, planRow, put, resourceRow, runRow, taskRow, txRow } from '../../src/testing/store-fixtures.ts'
import { tempFolder } from './child.ts'

const folder = tempFolder()
afterAll(() => folder.remove())
const sound = join(folder.path, 'sound', 'state.db')

beforeAll(async () => {
  const store = await openSqliteStore({ path: sound })
  await store.commit([createEnv(), { t: 'plan.put', row: planRow() }, { t: 'run.put', row: runRow() }, { t: 'env.open', env: ENV, run: 'r-1' }, event('run.started')], { env: ENV })
  for (const uid of ['u1', 'u2', 'u3']) {
    await store.commit([{ t: 'tx.open', row: txRow(`t-${uid}`, uid, { status: 'sent' }) }, { t: 'claim.put', row: { key: `path:/${uid}`, env: ENV, uid, until: undefined } }, { t: 'task.put', row: taskRow(uid, { tx: `t-${uid}` }) }, event(`${uid}.started`)], { env: ENV })
    const meta = { ...resourceRow(uid).meta, claims: [`path:/${uid}`], deps: uid === 'u1' ? [] : ['app/u1'] }
    await store.commit([{ t: 'tx.move', token: `t-${uid}`, to: 'completed', set: { endedAt: 9 } }, put(resourceRow(uid, { meta })), { t: 'task.put', row: taskRow(uid, { tx: `t-${uid}`, state: 'success' }) }, event(`${uid}.done`)], { env: ENV })
  }
  await store.commit([{ t: 'outputs.put', row: { env: ENV, since: 1, doc: '{"a":"b"}' } }, commitRevision(0), { t: 'env.open', env: ENV, run: undefined }, event('committed')], { env: ENV })
  await store.lease.acquire('shop/default', { id: 'h', host: 'elsewhere', bootId: 'b', pid: 1, startedAt: '1' }, 1e9)
  expect((await store.doctor()).filter((c) => !c.ok)).toEqual([])
  await store.close()
})

let n = 0
/** What the doctor says of the sound file after `sql`: name and detail of each check that fails. */
async function after(sql: string): Promise<string[]> {
  const path = join(folder.path, `damaged-${n++}.db`)
  copyFileSync(sound, path)
  const db = driver().open(path)
  db.exec(`pragma foreign_keys = off; ${sql}; pragma wal_checkpoint(truncate)`)
  db.close()
  const store = await openSqliteStore({ path })
  const found = (await store.doctor()).filter((c) => !c.ok).map((c) => `${c.name}: ${c.detail}`)
  await store.close()
  return found
}

describe('the doctor finds and names', () => {
  const cases: Readonly<Record<string, readonly [sql: string, found: RegExp]>> = {
    'an address that was changed': ["update resources set address = 'app/other' where uid = 'u2'", /values are as they were written: app\/other \(u2\)/],
    'a type that was changed': ["update resources set type = 'test.Other' where uid = 'u2'", /values are as they were written: app\/u2/],
    'tags, claims or dependencies that were changed': ["update resources set meta = replace(meta, 'app/u1', 'app/u3') where uid = 'u2'", /values are as they were written: app\/u2/],
    'outputs that were changed': ["update docs set outputs = '{\"id\":\"evil\"}' where id = (select doc from resources where uid = 'u1')", /values are as they were written: inputs or outputs of app\/u1/],
    'what a change was to do': ["update docs set inputs = '{}' where id = (select target from txs where token = 't-u2')", /values are as they were written: inputs or outputs of change t-u2/],
    'outputs of the app that were changed': ["update outputs set doc = '{\"a\":\"c\"}'", /values are as they were written: outputs of shop\/default since revision 1/],
    'rows that came from another environment': ["insert into envs (k, id, app, name, revision, partial, seq) values (77, 'e-77', 'shop', 'stolen', 1, 0, 1); update resources set env = 77 where uid = 'u3'", /values are as they were written: app\/u3/],
    'inputs and outputs that are gone': ["delete from docs where id = (select doc from resources where uid = 'u1')", /tables refer to rows that are there: app\/u1 \(u1\) since 1 has lost its inputs and outputs/],
    'outputs without a row': ["delete from resources where uid = 'u3'", /tables refer to rows that are there: document \d+ holds outputs of no row/],
    'a claim without an owner': ["update claims set uid = 'u9' where uid = 'u1'", /claims belong to live objects: path:\/u1 of u9/],
    'a claim of an object that is gone': ["delete from resources where uid = 'u3'", /claims belong to live objects: path:\/u3 of u3/],
    'a tag of no row': ["insert into tags select env, 'u9', 1, 'tier', 'front' from resources limit 1", /tag tier is of u9 since 1, which is not there/],
    'two live rows of one object': ["insert into docs (id, inputs, outputs) values (900, '', ''); insert into resources (env, uid, since, seq, doc, ordinal, status, address, type, fingerprint, shape, meta) select env, uid, 0, seq, 900, ordinal, status, address, type, fingerprint, shape, meta from resources where uid = 'u1'", /u1 has 2 rows without an end[\s\S]*one row without an end per object/],
    'a change that belongs to no run': ["update txs set k = k + (900 << 28) where token = 't-u1'", /change t-u1 belongs to no run/],
    'a change without a plan that has lost its run': ["update txs set k = -k where token = 't-u1'", /change t-u1 belongs to no run/],
    'a change without a plan of which nobody knows who made it': ["update txs set k = -k, run = '[9,\"running\"]' where token = 't-u1'", /change t-u1 belongs to no run/],
    'a change that has lost its target': ["update txs set target = 999 where token = 't-u1'", /change t-u1 has lost what it was to do/],
    'a task that belongs to no run': ['update tasks set k = k + (900 << 28) where k = (select min(k) from tasks)', /task u1 belongs to no run/],
    'a run that does not exist': ["delete from runs; update envs set open_run = 'r-1'", /the open run is known: r-1 of shop\/default/],
    'a dependency on nothing': ["update resources set status = 'deleting' where uid = 'u1'", /dependencies resolve: app\/u2 needs app\/u1/],
    'an event that was changed': ["update events set data = '{\"x\":1}' where kind = 'u2.done'", /the history is as it was written: shop\/default: an event of commits 1 to 8 was changed, added or taken away/],
    'an event that was moved in time': ["update events set at = at + 1 where kind = 'u2.done'", /the history is as it was written/],
    'an event that was taken away': ["delete from events where kind = 'u2.done'", /the history is as it was written/],
    'the last events, taken away': ["delete from events where seq >= 7", /events up to commit 8 were written, and they end at 6/],
    'an event that was added': ["insert into events select max(k) + 1, max(seq), max(n) + 1, 1, 'forged', '{}' from events", /the history is as it was written/],
    'events that were swapped': ["update events set kind = case kind when 'u1.done' then 'u2.done' else 'u1.done' end where kind in ('u1.done', 'u2.done')", /the history is as it was written/],
    'the record of the history, rolled back': ["update envs set chain_seq = 6", /the history is as it was written/],
    'no record of the history': ["update envs set chain_seq = 0, chain_hash = ''", /the history is as it was written: /],
    'an environment that is behind its rows': ['update envs set seq = 3', /no row is ahead of its environment/],
    'an environment whose revision was rolled back': ['update envs set revision = 0', /provisional rows belong to an open run/],
    'a lease of nobody': ["update leases set holder = '99' where scope <> ''", /the lease of shop\/default has no holder/],
    'a fence that was never granted': ["update leases set fence = 99 where scope <> ''", /lease fences were granted: shop\/default at 99/],
    'an environment that is gone': ['delete from envs', /foreign keys hold|belongs to no environment/],
  }
  for (const [what, [sql, found]] of Object.entries(cases)) {
    test(what, async () => {
      expect((await after(sql)).join('\n')).toMatch(found)
    })
  }

  test('any byte of a document, a row or an event that was flipped on the disk', async () => {
    const seed = Math.floor(Math.random() * 1e9)
    for (const [table, column] of [['docs', 'inputs'], ['docs', 'outputs'], ['resources', 'fingerprint'], ['resources', 'meta'], ['events', 'kind']] as const) {
      const sql = `update ${table} set ${column} = substr(${column}, 1, 1) || char(unicode(substr(${column}, 2, 1)) + 1) || substr(${column}, 3) where rowid = (select rowid from ${table} where ${column} is not null and length(${column}) > 2 order by (rowid * ${seed % 7919}) % 101 limit 1)`
      const found = await after(sql).catch((e: unknown) => [String(e)]) // what cannot even be read is found, too
      expect({ table, column, seed, found: found.length > 0 }).toEqual({ table, column, seed, found: true })
    }
  })
})
