import assert from 'node:assert/strict'
import { isFailure, systemClock } from '../base/index.ts'
import { MemoryStore, type Store } from '../store/index.ts'
import { ALREADY, type Case, dump, NO_DOCTOR, refused } from './store-case.ts'
import { createEnv, ENV, event, holder } from './store-fixtures.ts'
import { firstCommits, randomCommit, seeded } from './store-fuzz.ts'

const outcome = async (act: Promise<unknown>): Promise<unknown> => {
  try {
    return await act
  } catch (e) {
    return isFailure(e) ? [e.code, e.message] : (e as Error).message
  }
}

/** A store with a random past, and the dice to go on with. */
export async function randomPast(seed: number, commits = 120): Promise<{ readonly store: MemoryStore; readonly dice: ReturnType<typeof seeded> }> {
  const dice = seeded(seed)
  const store = new MemoryStore({ clock: { ...systemClock, now: () => 1_000_000 }, random: dice })
  for (const c of firstCommits) await store.commit(c.entries, c.options)
  for (const scope of ['s1', 'shop/default:db', 's1']) await store.lease.acquire(scope, holder(), 60_000, { ticket: 'new' })
  await store.lease.acquire('shop/default:web', holder({ id: 'h-2' }), 60_000, { mode: 'S' })
  for (let i = 0; i < commits; i++) await goOn([store], dice)
  return { store, dice }
}

async function goOn(stores: readonly Store[], dice: ReturnType<typeof seeded>): Promise<unknown[]> {
  const { entries, options } = randomCommit(dice)
  if (dice.int(15) === 0) entries.push({ t: 'events.compact', env: options.env, upTo: dice.int(60) })
  return Promise.all(stores.map((s) => outcome(s.commit(entries, options))))
}

/** Export and import: nothing is lost, nothing is mixed, nothing is there by half. */
export const transferCases: Readonly<Record<string, Case>> = {
  'an export that is read into an empty store comes out again byte for byte, and the store goes on as the other does': async ({ store, reopen }) => {
    const seed = Math.floor(Math.random() * 1e9)
    const past = await randomPast(seed)
    const lines = await dump(past.store)
    await store.import(lines)
    assert.deepEqual(await dump(store), lines, `seed ${seed}`)
    const again = reopen ? await reopen() : store
    assert.deepEqual(await dump(again), lines, `seed ${seed}`)
    for (let i = 0; i < 60; i++) {
      const [a, b] = await goOn([again, past.store], past.dice)
      assert.deepEqual(a, b, `seed ${seed}, commit ${i} after the import`)
    }
    assert.deepEqual(await dump(again), await dump(past.store), `seed ${seed}`)
    assert.deepEqual((await again.doctor()).filter((c) => c.name === 'the history is as it was written'), [{ name: 'the history is as it was written', ok: true }])
    return NO_DOCTOR // what random lists leave behind breaks other rules, which are not what this case is about
  },
  'a store that holds something takes no import, and stays as it is': async ({ store }) => {
    const lines = await dump((await randomPast(1, 20)).store)
    await store.commit([createEnv(), event('mine')], ALREADY)
    const before = await dump(store)
    const e = await refused('HF4008', store.import(lines))
    assert.deepEqual(e.details, { envs: 1 })
    assert.deepEqual(await dump(store), before)
  },
  'an export that was cut off, edited or is none is refused, and the store stays empty': async ({ store }) => {
    const lines = await dump((await randomPast(2, 100)).store)
    const empty = await dump(store)
    const at = lines.findLastIndex((l) => l.includes('"table":"resources"'))
    const bad: Readonly<Record<string, readonly string[]>> = {
      'nothing': [], 'its end is missing': lines.slice(0, -1), 'cut in the middle': lines.slice(0, at), 'cut inside of a line': [...lines.slice(0, at), (lines[at] as string).slice(0, 20)],
      'a line is missing': lines.filter((_, i) => i !== at), 'a line is there twice': [...lines.slice(0, at), lines[at] as string, ...lines.slice(at)], 'a word was changed': lines.map((l, i) => (i === at ? l.replace('"address":"app/', '"address":"xpp/') : l)),
      'two lines were swapped': lines.map((l, i) => (i === at ? (lines[at - 1] as string) : i === at - 1 ? (lines[at] as string) : l)), 'another thing': ['{"hello":1}'], 'no JSON': ['hello'],
      'two exports': [...lines, ...lines], 'a table nobody knows': [lines[0] as string, '{"table":"ghosts","row":{}}', ...lines.slice(1)],
    }
    for (const [what, text] of Object.entries(bad)) {
      const e = await refused('HF4009', store.import(text)).catch((x: unknown) => { throw new Error(`${what}: ${String(x)}`) })
      assert.match(e.message, /not a whole export/, what)
      assert.deepEqual(await dump(store), empty, what)
    }
    await refused('HF4002', store.import(lines.map((l, i) => (i === 0 ? l.replace(/"schema":\d+/, '"schema":9999') : l))))
    await refused('HF4002', store.import(lines.map((l, i) => (i === 0 ? l.replace('"format":1', '"format":2') : l))))
    assert.deepEqual(await dump(store), empty)
    await store.import(lines.map((l) => `${l}\n`))
    assert.deepEqual(await dump(store), lines)
    return NO_DOCTOR // as above
  },
  'an export of before there was a header is read': async ({ store }) => {
    const past = await randomPast(3, 40)
    const old = (await dump(past.store)).filter((l) => !/^\{"table":"(export|end|chains|tickets)"/.test(l)).map((l) => l.replace('"mode":"X",', ''))
    const { storeId, rows } = await store.import(old.filter((l) => !l.includes('"mode":"S"')))
    assert.equal(storeId, (await past.store.meta()).storeId)
    assert.equal(rows.envs, 2)
    assert.deepEqual((await store.events(ENV, { seq: 0 }, 1000)).map((e) => e.seq), (await past.store.events(ENV, { seq: 0 }, 1000)).map((e) => e.seq))
    const fences = (await store.leases()).map((l) => l.fence)
    const next = await store.lease.acquire('another', holder(), 60_000)
    assert('granted' in next && next.granted.fence > Math.max(...fences))
    await store.commit([event('goes on')], ALREADY)
    assert.deepEqual((await store.doctor()).filter((c) => c.name === 'the history is as it was written').map((c) => c.ok), [true])
    return NO_DOCTOR // as above
  },
}
