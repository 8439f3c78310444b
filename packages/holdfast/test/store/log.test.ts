import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSqliteStore } from '../../src/store/index.ts'
import { createEnv, ENV, event } from '../../src/testing/store-fixtures.ts'
import { tempFolder } from './child.ts'

const folder = tempFolder()
afterAll(() => folder.remove())
const COMMITS = 12
const HEADER = 32
let main: string
let log: Buffer
let frame: number

beforeAll(async () => {
  const path = join(folder.path, 'sound', 'state.db')
  const store = await openSqliteStore({ path })
  await store.commit([createEnv()], { env: ENV })
  for (let i = 1; i < COMMITS; i++) await store.commit([event(`number-${i}`)], { env: ENV })
  main = join(folder.path, 'main.db')
  copyFileSync(path, main)
  log = readFileSync(`${path}-wal`)
  frame = 24 + log.readUInt32BE(8)
  await store.close()
})

let n = 0
/** How a file with that log beside it opens: the commits that are there, or the code of the refusal. */
async function opened(bytes: Buffer): Promise<number | string> {
  const path = join(folder.path, `copy-${n++}.db`)
  copyFileSync(main, path)
  writeFileSync(`${path}-wal`, bytes)
  const store = await openSqliteStore({ path }).catch((e: unknown) => e as { code: string })
  if ('code' in store) return store.code
  const seq = (await store.envById(ENV))?.seq ?? 0
  await store.close()
  return seq
}
const flipped = (at: number) => {
  const copy = Buffer.from(log)
  copy.writeUInt8(copy.readUInt8(at) ^ 0x10, at)
  return copy
}
/** Where the frames of each commit begin, and where the last one ends. */
const commitEnds = () => {
  const ends: number[] = []
  for (let at = HEADER; at + frame <= log.length; at += frame) if (log.readUInt32BE(at + 4) !== 0) ends.push(at + frame)
  return ends
}

test('a byte of the log that changed on the disk is told from a log that was cut off, wherever it stands', async () => {
  expect(await opened(log)).toBe(COMMITS)
  const ends = commitEnds()
  const provable = ends.at(-3) as number // two commits follow
  const seed = Math.floor(Math.random() * 1e9)
  const at = (i: number) => HEADER + ((seed + i * 104_729) % (provable - HEADER))
  const places = [...Array.from({ length: 10 }, (_, i) => at(i)), HEADER, HEADER + 4, HEADER + 8, HEADER + 16, HEADER + 20, provable - 1, 12, 24]
  for (const place of places) expect({ seed, place, found: await opened(flipped(place)) }).toEqual({ seed, place, found: 'HF4001' })
})

test('a log that was cut off anywhere opens with what was whole, and so does one whose last commit was half written', async () => {
  const ends = commitEnds()
  for (const cut of [0, 10, HEADER, HEADER + 1, ...ends.slice(-4).flatMap((end) => [end - frame - 3, end - 1, end])]) {
    expect({ cut, found: typeof await opened(log.subarray(0, cut)) }).toEqual({ cut, found: 'number' })
  }
  expect(await opened(flipped((ends.at(-2) as number) + 30))).toBe(COMMITS - 1)
  // Leftovers of a log that was begun anew belong to another one.
  const anew = Buffer.from(log)
  for (let at = ends.at(4) as number; at + frame <= anew.length; at += frame) anew.writeUInt32BE(anew.readUInt32BE(at + 8) - 1, at + 8)
  expect(typeof await opened(anew)).toBe('number')
})
