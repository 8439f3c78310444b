import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openSqliteStore } from '../../src/store/index.ts'
import { dump } from '../../src/testing/store-case.ts'
import { randomPast } from '../../src/testing/store-cases-transfer.ts'
import { createEnv, ENV, event, put, resourceRow } from '../../src/testing/store-fixtures.ts'
import { ended, runChild, tempFolder } from './child.ts'

const folder = tempFolder()
afterAll(() => folder.remove())
let files = 0
const fresh = () => join(folder.path, String(files++), 'state.db')

const SEEDS = Number(process.env.HOLDFAST_SEEDS ?? 15)
const first = Number(process.env.HOLDFAST_SEED ?? Math.floor(Math.random() * 1e9))

describe('export and import', () => {
  for (let seed = first; seed < first + SEEDS; seed++) {
    test(`a random history survives export, import, export byte for byte, also from file to file (seed ${seed})`, async () => {
      const lines = await dump((await randomPast(seed, 20 + (seed % 200))).store)
      let from = lines
      for (let hop = 0; hop < 2; hop++) {
        const store = await openSqliteStore({ path: fresh() })
        await store.import(from)
        from = await dump(store)
        expect(from).toEqual(lines)
        expect((await store.doctor()).filter((c) => !c.ok && /intact|as (it was|they were) written/.test(c.name))).toEqual([])
        await store.close()
      }
    })
  }

  const IMPORT = `
    import { createReadStream } from 'node:fs'
    import { createInterface } from 'node:readline'
    const s = await store.openSqliteStore({ path })
    console.log('begins')
    await s.import(createInterface({ input: createReadStream(path + '.ndjson') }))
    console.log('done')
    await s.close()
  `
  async function large(path: string): Promise<string[]> {
    const from = await openSqliteStore({ path: fresh() })
    await from.commit([createEnv()], { env: ENV })
    for (let i = 0; i < 20; i++) await from.commit(Array.from({ length: 500 }, (_, k) => [put(resourceRow(`u${i}-${k}`)), event(`e${i}-${k}`)]).flat(), { env: ENV })
    const lines = await dump(from)
    await from.close()
    await (await openSqliteStore({ path })).close()
    writeFileSync(`${path}.ndjson`, lines.map((l) => `${l}\n`).join(''))
    return lines
  }

  test('an import that is killed leaves the state as empty as it was, and the next one brings everything', async () => {
    const path = fresh()
    const lines = await large(path)
    const killed: number[] = []
    for (const ms of [5, 20, 40, 80, 120, 200]) {
      const child = runChild(path, IMPORT)
      const end = ended(child)
      await new Promise((up) => child.stdout?.once('data', up))
      await new Promise((next) => setTimeout(next, ms))
      child.kill('SIGKILL')
      if ((await end).out.includes('done')) break
      killed.push(ms)
      const store = await openSqliteStore({ path })
      expect(await store.envs()).toEqual([])
      expect((await dump(store)).length).toBe(3)
      await store.close()
    }
    expect(killed.length).toBeGreaterThan(0)
    await ended(runChild(path, IMPORT))
    const store = await openSqliteStore({ path })
    expect(await dump(store)).toEqual(lines)
    await store.close()
  }, 60_000)

  test('killed before its one commit it leaves nothing, after it everything', async () => {
    const path = fresh()
    const lines = await large(path)
    const kill = (when: string) => ended(runChild(path, IMPORT, { env: { ...process.env, HOLDFAST_TEST: '1', HOLDFAST_FAILPOINT: `commit:1:${when}` } }))
    for (const when of ['before', 'after']) {
      expect((await kill(when)).signal).toBe('SIGKILL')
      const store = await openSqliteStore({ path })
      expect((await dump(store)).length).toBe(when === 'before' ? 3 : lines.length)
      if (when === 'after') expect(await dump(store)).toEqual(lines)
      await store.close()
    }
    expect(readdirSync(join(path, '..')).sort()).toEqual(['state.db', 'state.db.ndjson'])
  }, 60_000)
})
