import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SqliteBackend, StoreCorrupt, type ResourceDifference } from '../../src/backend/index.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import { driver } from '../../src/store/sqlite/driver.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-damage-'))
afterAll(() => rmSync(folder, { recursive: true }))
const sound = join(folder, 'sound.db')
let state: string
const create = (name: string): ResourceDifference => ({ actionType: 'CREATE', componentName: 'db', newResource: { name, ruuid: 't', hash: 'h', v: 'some text' } })

beforeAll(async () => {
  const be = new SqliteBackend({ path: sound })
  state = await be.createResourceState('demo')
  await be.updateComponent(state, { actionType: 'CREATE', newName: 'db' })
  const [a] = await be.createResourceChangeTransaction(state, 'db', create('a'))
  await be.completeResourceChange(state, 'db', create('a'), a, { o: 'some text' })
  const [b] = await be.createResourceChangeTransaction(state, 'db', create('b'))
  await be.failResourceChange(state, 'db', create('b'), b, { why: 'some text' })
  await be.setComponentExports(state, 'db', [{ resources: 't;*' }], { requestId: 'one' })
  await be.close()
})

let n = 0
function damaged(sql: string): string {
  const path = join(folder, `${n++}.db`)
  copyFileSync(sound, path)
  const db = driver().open(path)
  db.exec(`pragma foreign_keys = off; ${sql}; pragma wal_checkpoint(truncate)`)
  db.close()
  return path
}

test('a row that cannot be read any more is said to be damaged by every method that needs it, and its text is not shown', async () => {
  const cases: readonly [sql: string, ask: (be: SqliteBackend) => Promise<unknown>][] = [
    ["update docs set inputs = replace(inputs, '\"some text\"', 'some text')", (be) => be.getResourceByName(state, 'db', 't', 'a')],
    ["update docs set outputs = replace(outputs, '\"some text\"', 'some text')", (be) => be.getCloudOutputByName(state, 'db', 't', 'a')],
    ["update docs set outputs = 'some text' where id = (select target from txs where status = 'failed')", (be) => be.listChanges()],
    ["update docs set outputs = replace(outputs, 'action', '\"some text') where id = (select target from txs where status = 'failed')", (be) => be.getResourceState(state)],
    ['delete from docs where id = (select doc from resources)', (be) => be.getComponent(state, 'db')],
    ["update resources set meta = 'some text'", (be) => be.getComponent(state, 'db')],
    ["update requests set result = 'some text'", (be) => be.setComponentExports(state, 'db', [{ resources: 't;*' }], { requestId: 'one' })],
    ["update components set exports = 'some text'", (be) => be.resolveReferenceChange(state, { actionType: 'CREATE', originatingComponentName: 'db', resourceReference: { componentName: 'db', ruuid: 't', name: 'a' } })],
    ["update events set data = 'some text'", (be) => be.watch(state, { from: 0 }).next()],
    ['alter table resources rename column uid to vid', (be) => be.getComponent(state, 'db')],
  ]
  for (const [sql, ask] of cases) {
    const be = new SqliteBackend({ path: damaged(sql) })
    const e = await ask(be).then(() => undefined, (x: unknown) => x) as StoreCorrupt | undefined
    expect([sql, e instanceof StoreCorrupt, e?.message.includes('some text'), e?.cause instanceof SyntaxError]).toEqual([sql, true, false, false])
    await be.close()
  }
})

test('the doctor finds what was changed in a failed change, which was written twice', async () => {
  const checks = async (path: string) => {
    const store = await openSqliteStore({ path })
    const found = (await store.doctor()).filter((c) => !c.ok).map((c) => `${c.name}: ${c.detail}`)
    await store.close()
    return found
  }
  expect(await checks(damaged('select 1'))).toEqual([])
  expect(await checks(damaged("update docs set outputs = replace(outputs, 'some text', 'same text') where id = (select target from txs where status = 'failed')"))).toEqual([
    expect.stringMatching(/^values are as they were written: inputs or outputs of change t-/),
  ])
})
