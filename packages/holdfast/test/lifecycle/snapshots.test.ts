import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { listResources, makePlan, readStatus } from '../../src/engine/index.ts'
import { buildGraph, str } from '../../src/program/index.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import { how, type Lab, makeLab, never } from '../support/world.ts'

/** Pending operations and the snapshot manager: spec/engine.md 3.8. There is no snapshot file: rows and transactions of one journal are the state. */
const envOf = async (lab: Lab) => (await lab.store.env('lab', 'default')) as NonNullable<Awaited<ReturnType<Lab['store']['env']>>>
const openTxs = async (lab: Lab) => (await lab.store.txs({ env: (await envOf(lab)).id, unresolved: true })).map((t) => `${t.op} ${t.address} ${t.status}`)
const settledTxs = async (lab: Lab) => (await lab.store.txs({ env: (await envOf(lab)).id })).map((t) => `${t.op} ${t.status}`)
const rowsOf = async (lab: Lab) => [...(await listResources(lab.cx)).map((r) => `${r.address} ${r.status}`), ...(await readStatus(lab.cx)).pendingDeletes.map((a) => `${a} deleting`)]

/** A lab with an open change of `a` that only a person can settle. */
async function unsettled(op: 'create' | 'update'): Promise<Lab> {
  const lab = makeLab({ class: 'D', more: { read: undefined as never, capability: { create: 'none', update: 'patch', maxCallMs: 0 } } })
  if (op === 'update') await lab.apply(() => void lab.Box('a', { name: 'a' }))
  lab.cloud.fault(`${op} a`, 'lost')
  expect(await lab.apply(() => void lab.Box('a', { name: 'a', size: 2 }))).toMatchObject({ outcome: 'incomplete' })
  return lab
}

describe('changes that are not settled', () => {
  test('E3#73 a plan can be made, and says what waits', async () => {
    const lab = await unsettled('create')
    const plan = await makePlan(lab.cx, { graph: buildGraph(lab.app(() => {
      lab.Box('a', { name: 'a', size: 2 })
      lab.Box('b', { name: 'b' })
    }), {}) })
    expect(plan.document.changes).toMatchObject([{ address: 'a', reasons: [expect.stringMatching(/^waits for t-\S+ to be settled$/)] }, { address: 'b', action: 'create' }])
    expect(plan.document.openRun).toMatch(/^r-/)
  })

  // Peers warn and go on as if nothing had happened. Here the rest is done, and the run says that it is not whole.
  test('E3#74 an apply does what does not depend on them, and names them', async () => {
    const lab = await unsettled('create')
    const doc = await lab.apply(() => {
      const a = lab.Box('a', { name: 'a', size: 2 })
      lab.Box('b', { name: 'b' })
      lab.Box('c', { name: str`c-${a.id}` })
    })
    expect(doc).toMatchObject({ outcome: 'incomplete', error: { code: 'HF3103', address: 'a' } })
    expect(lab.cloud.content).toEqual(['b=1'])
    expect(await readStatus(lab.cx)).toMatchObject({ open: [{ address: 'a', op: 'create', status: 'unknown' }] })
  })

  // Nothing is dropped by kind: a refresh waits until the run with the open change is finished, and one beside it leaves the change alone.
  test('E3#75 a refresh drops none of them, of whichever kind', async () => {
    for (const op of ['create', 'update'] as const) {
      const lab = await unsettled(op)
      const before = await openTxs(lab)
      expect(before).toEqual([`${op} a unknown`])
      const session = await lab.session()
      await expect(session.refresh({}, { stop: never })).rejects.toMatchObject({ code: 'HF4101' })
      await session.end()
      expect(await openTxs(lab)).toEqual(before)
    }
  })
})

describe('what is recorded when', () => {
  for (const op of ['create', 'update', 'delete', 'read'] as const) {
    for (const ends of ['well', 'badly'] as const) {
      test(`E3#76 while the provider works on a ${op} there is one open transaction of it; when that ended ${ends} there is none`, async () => {
        const lab = makeLab()
        lab.cloud.make('there', 3, '')
        if (op === 'update' || op === 'delete') await lab.apply(() => void lab.Box('a', { name: 'a' }))
        const during: string[][] = []
        const run = lab.cloud.run.bind(lab.cloud)
        let watch = false
        lab.cloud.run = async (call, signal, act, partial) => {
          if (watch && call === `${op} ${op === 'read' ? 'there' : 'a'}`) {
            during.push(await openTxs(lab))
            if (ends === 'badly' && during.length === 1) lab.cloud.fault(call, 'reject')
          }
          return run(call, signal, act, partial)
        }
        const session = await lab.session()
        // `read` is how an object is taken over.
        const graph = buildGraph(lab.app(() => {
          if (op === 'read') lab.Box('a', { name: 'there', size: 3 }, { adopt: 'o1' })
          else if (op !== 'delete') lab.Box('a', { name: 'a', size: 5 })
        }), {})
        const planned = await session.plan({ graph })
        watch = true
        const doc = await session.apply(planned, how)
        await session.end()
        expect(during[0]).toEqual([`${op} a sent`])
        expect(await openTxs(lab)).toEqual([])
        expect((await settledTxs(lab)).at(-1)).toBe(ends === 'well' ? `${op} completed` : `${op} failed`)
        expect(doc.outcome).toBe(ends === 'well' || op === 'delete' ? 'applied' : 'reverted')
        const stands = { create: { well: ['a ready'], badly: [] }, update: { well: ['a ready'], badly: ['a ready'] }, delete: { well: [], badly: ['a deleting'] }, read: { well: ['a ready'], badly: [] } }
        expect(await rowsOf(lab)).toEqual(stands[op][ends])
      })
    }
  }

  // Rows have no order that could be wrong: what is checked is that each dependency that is named stands.
  test('E3#78 after any interleaving of creates, replacements, deletes and nothing, every dependency that a row names stands', async () => {
    const lab = makeLab()
    const programs = [
      (z: string) => { const a = lab.Box('a', { name: 'a', zone: z }); const b = lab.Box('b', { name: str`b-${a.id}` }); lab.Box('c', { name: 'c' }, { dependsOn: [a, b] }) },
      (z: string) => { const c = lab.Box('c', { name: 'c' }); const a = lab.Box('a', { name: str`a-${c.id}`, zone: z }); lab.Box('d', { name: 'd' }, { dependsOn: [a] }) },
      (z: string) => { const d = lab.Box('d', { name: 'd', zone: z }); lab.Box('b', { name: str`b-${d.id}` }) },
    ]
    for (let i = 0; i < 9; i++) {
      lab.cloud.fault('delete a', ...(i % 2 ? ['reject' as const] : []))
      await lab.apply(() => programs[i % 3]?.(i % 4 < 2 ? 'a' : 'z'), { onFailure: i % 3 === 0 ? 'keep' : 'revert' })
      const rows = await listResources(lab.cx)
      const live = new Set(rows.filter((r) => r.status !== 'deleting').map((r) => r.address))
      for (const r of rows) if (r.status !== 'deleting') for (const d of r.dependsOn) expect(live, `${i}: ${r.address} needs ${d}`).toContain(d)
      expect((await lab.store.doctor()).filter((c) => !c.ok)).toEqual([])
    }
  })

  test('E3#79 a deletion that fails keeps the record, on the list of what is to go; one that succeeds drops it', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'a' }))
    lab.cloud.fault('delete a', 'reject')
    expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: ['a'] })
    expect(await rowsOf(lab)).toEqual(['a deleting'])
    expect(await lab.apply(() => undefined)).toMatchObject({ outcome: 'applied', pending: [] })
    expect(await rowsOf(lab)).toEqual([])
  })

  test('E3#80 outputs of the app are written only when they change', async () => {
    const lab = makeLab()
    const build = (size: number, out: string) => () => {
      lab.Box('a', { name: 'a', size })
      return { out }
    }
    const since = async () => (await lab.store.outputs((await envOf(lab)).id, (await envOf(lab)).revision))?.since
    await lab.apply(build(1, 'x'))
    expect(await since()).toBe(1)
    await lab.apply(build(2, 'x'))
    expect([(await envOf(lab)).revision, await since()]).toEqual([2, 1])
    await lab.apply(build(2, 'y'))
    expect(await since()).toBe(3)
  })

  test('E3#81 what does not change is no step: when another one fails its row is not touched', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'a' }))
    const before = (await lab.store.resources((await envOf(lab)).id, 'committed'))[0]
    const doc = await lab.apply(() => {
      lab.Box('a', { name: 'a' })
      lab.Box('b', { name: 'b', fail: true })
    })
    expect(doc).toMatchObject({ outcome: 'reverted', tasks: [{ address: 'b', outcome: 'failed' }] })
    expect((await lab.store.resources((await envOf(lab)).id, 'committed'))).toEqual([before])
  })

  // Peers write a state that contradicts itself and mark it. Here such a commit is refused as a whole.
  test('E3#82 what would make the state contradict itself is not written at all', async () => {
    const lab = makeLab()
    await lab.apply(() => void lab.Box('a', { name: 'a' }))
    const env = await envOf(lab)
    const [row] = await lab.store.resources(env.id, 'committed')
    const bad = lab.store.commit([{ t: 'event', at: 0, kind: 'x', data: '{}' }, { t: 'resource.put', row: { ...(row as NonNullable<typeof row>), since: 2 } }], { env: env.id })
    await expect(bad).rejects.toThrow()
    expect(await envOf(lab)).toEqual(env)
    expect((await lab.store.doctor()).filter((c) => !c.ok)).toEqual([])
    expect(await lab.apply(() => void lab.Box('a', { name: 'a', size: 2 }))).toMatchObject({ outcome: 'applied' })
  })
})

// Peers send their journal to a server. Here a thread writes it: what is asked for while one transaction is written goes into the next, together.
test('E3#84 the writer groups what waits, refuses one without taking others along, ends with everything written, and says so to who comes later', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-writer-'))
  try {
    const store = await openSqliteStore({ path: join(folder, 'state.db') })
    if (!store) throw new Error('no store')
    const env = { id: 'e-1', app: 'writer', name: 'default', revision: 0, partial: false, seq: 0, openRun: undefined }
    await store.commit([{ t: 'env.create', row: env }], { env: env.id })
    const big = 'x'.repeat(200_000)
    const commits = Array.from({ length: 300 }, (_, i) => store.commit([{ t: 'event', at: i, kind: 'n', data: JSON.stringify({ i, ...(i % 50 === 0 ? { big } : {}) }) }], { env: env.id }))
    const bad = store.commit([{ t: 'resource.drop', uid: 'u', since: 1 }, { t: 'tx.move', token: 't-none', to: 'completed', set: {} }], { env: env.id })
    bad.catch(() => undefined)
    const closed = store.close()
    await expect(bad).rejects.toThrow()
    const seqs = (await Promise.all(commits)).map((c) => c.seq)
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b))
    expect(new Set(seqs).size).toBe(300)
    await closed
    await store.close() // again: nothing
    await expect(store.commit([{ t: 'event', at: 0, kind: 'late', data: '{}' }], { env: env.id })).rejects.toThrow()
    const again = await openSqliteStore({ path: join(folder, 'state.db') })
    expect((await again?.env('writer', 'default'))?.seq).toBe(301)
    expect((await again?.events(env.id, { seq: 0 }, 1000))?.length).toBe(300)
    await again?.close()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
