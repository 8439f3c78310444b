import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { openSqliteStore, schemaVersion, type Store } from '../../src/store/index.ts'
import { event } from '../../src/testing/store-fixtures.ts'

const here = dirname(fileURLToPath(import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'hf-golden-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const schemas = readdirSync(here).flatMap((f) => /^schema-(\d+)\.db$/.exec(f)?.[1] ?? []).map(Number).sort((a, b) => a - b)

/** What `make.mjs` does, read back: it is the same whatever the schema was. */
async function readsAsMade(store: Store): Promise<void> {
  const test_ = await store.env('golden', 'test')
  const other = await store.env('golden', 'other')
  expect([test_?.revision, other?.revision, test_?.openRun !== undefined]).toEqual([2, 1, true])
  const rows = await store.resources(test_?.id as string, 'committed')
  expect(rows.map((r) => r.address)).toEqual(['box', 'id', 'password', 'token', 'touch', 'web/page'])
  expect(rows.find((r) => r.address === 'web/page')?.meta).toMatchObject({ tags: { tier: 'front' }, deps: ['password'] })
  expect((await store.docs(rows)).every((d) => d !== undefined && JSON.parse(d.inputs) && JSON.parse(d.outputs))).toBe(true)
  expect((await store.resources(test_?.id as string, 'current')).filter((r) => r.since === 3).map((r) => [r.address, r.status])).toEqual([['box', 'ready'], ['touch', 'ready'], ['web/page', 'deleting'], ['web/page', 'ready']])
  const left = (await store.txs({ unresolved: true })).map((t) => `${t.address} ${t.status}`)
  expect(left).toEqual(expect.arrayContaining(['dies sent', 'lost unknown']))
  expect((await store.runs(test_?.id as string, 9)).map((r) => r.status)).toEqual(['running', 'incomplete', 'committed', 'committed'])
  expect((await store.leases()).map((l) => [l.scope, l.mode, l.holder.host])).toEqual([['golden/test', 'X', 'golden']])
  expect((await store.trash(test_?.id as string)).map((t) => t.address)).toEqual(['data'])
  expect((await store.secrets(test_?.id as string)).map((s) => s.name)).toEqual(['TOKEN'])
  expect((await store.claimsOf(test_?.id as string)).length).toBeGreaterThan(1)
  expect(Object.keys(JSON.parse((await store.outputs(test_?.id as string, 9))?.doc as string) as object).sort()).toEqual(['id', 'password', 'path', 'v'])
  expect((await store.plans(test_?.id as string, 9)).some((p) => p.usedBy === undefined)).toBe(true)
  expect((await store.events(test_?.id as string, { seq: 0 }, 1000)).length).toBeGreaterThan(30)
}

/** What `changesOfItsOwn` of `make.mjs` does, read back. */
async function lonesReadAsMade(store: Store): Promise<void> {
  const env = (await store.env('/', 'seed'))?.id as string
  const txs = await store.txs({ env })
  expect(txs.map((t) => [t.address, t.status])).toEqual([['db/done', 'completed'], ['db/failed', 'failed'], ['db/open', 'sent']])
  const runs = await store.runs(env, 9)
  expect(runs.map((r) => [r.kind, r.status, r.holder.host])).toEqual([['change', 'running', 'golden'], ['change', 'incomplete', 'golden'], ['change', 'committed', 'golden']])
  for (const [i, tx] of txs.entries()) {
    expect((await store.run(tx.run))?.status).toBe(runs[2 - i]?.status)
    expect((await store.txs({ run: tx.run })).map((t) => t.token)).toEqual([tx.token])
    expect((await store.tasks(tx.run)).map((t) => [t.id, t.state])).toEqual([[tx.address, ['success', 'failure', 'running'][i]]])
  }
}

describe('state files of released schemas', () => {
  test('there is one of each that is older than this one', () => {
    expect(schemas).toContain(1)
    expect(Math.max(...schemas)).toBeLessThanOrEqual(schemaVersion)
  })

  for (const schema of schemas) {
    test(`schema ${schema} is brought up to date and reads as it was made; the file as it was is kept beside it`, async () => {
      const path = join(folder, String(schema), 'state.db')
      mkdirSync(dirname(path), { mode: 0o700 })
      copyFileSync(join(here, `schema-${schema}.db`), path)
      const copies: [string, number][] = []
      const store = await openSqliteStore({ path, onCopy: (copy, from) => copies.push([copy, from]) })
      expect((await store.meta()).schema).toBe(schemaVersion)
      expect((await store.doctor()).filter((c) => !c.ok)).toEqual([])
      await readsAsMade(store)
      if (schema >= 4) await lonesReadAsMade(store)
      const env = (await store.env('golden', 'test'))?.id as string
      await store.commit([event('after')], { env })
      expect((await store.doctor()).filter((c) => !c.ok)).toEqual([])
      await store.close()
      if (schema === schemaVersion) return expect(copies).toEqual([])
      expect(copies).toEqual([[`${path}.schema-${schema}.bak`, schema]])
      expect((statSync(copies[0]?.[0] as string).mode & 0o777).toString(8)).toBe('600')
      const old = await openSqliteStore({ path: copies[0]?.[0] as string })
      await readsAsMade(old)
      expect((await old.events(env, { seq: 0 }, 1000)).some((e) => e.kind === 'after')).toBe(false)
      await old.close()
    })

    test(`schema ${schema}: no secret of it stands in clear`, () => {
      expect(readFileSync(join(here, `schema-${schema}.db`)).includes('golden-token-value')).toBe(false)
    })
  }
})
