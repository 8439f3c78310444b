import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ignoredBy } from './asset-hash.ts'
import { openAssets, type Asset } from './assets.ts'

let root: string
const home = () => join(root, '.holdfast')
const LONG_AGO = new Date('2020-01-01')
/** Old enough to be believed. */
function put(path: string, text: string, at = LONG_AGO): void {
  mkdirSync(join(root, path, '..'), { recursive: true })
  writeFileSync(join(root, path), text)
  utimesSync(join(root, path), at, at)
}
const take = (path: string, ignore: readonly string[] = []): Asset => openAssets(root, home()).take(path, ignore) as unknown as Asset

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hf-assets-'))
  mkdirSync(home())
})
afterEach(() => { rmSync(root, { recursive: true, force: true }) })

describe('the digest of an asset', () => {
  test('follows content and names, not times, modes or the place of the project', () => {
    put('app/a.mjs', 'a')
    put('app/b/c.mjs', 'c')
    const before = take('./app')
    expect(before).toEqual({ path: 'app', digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) })
    chmodSync(join(root, 'app/a.mjs'), 0o755)
    put('app/b/c.mjs', 'c', new Date('2021-01-01'))
    expect(take('app').digest).toBe(before.digest)
    put('app/b/c.mjs', 'd')
    expect(take('app').digest).not.toBe(before.digest)
    put('app/b/c.mjs', 'c')
    put('app/new', '')
    expect(take('app').digest).not.toBe(before.digest)
  })

  test('does not see our folder, the history, and what is ignored', () => {
    put('app/a.mjs', 'a')
    const before = take('app', ['*.log', 'build/**', 'tmp']).digest
    put('app/.git/HEAD', 'x')
    put('app/.holdfast/state.db', 'x')
    put('app/deep/x.log', 'x')
    put('app/build/out/x.js', 'x')
    put('app/tmp/y', 'x')
    expect(take('app', ['*.log', 'build/**', 'tmp']).digest).toBe(before)
    expect(take('app').digest).not.toBe(before)
  })

  test('of a link is where it points', () => {
    put('app/a', 'a')
    symlinkSync('a', join(root, 'app/l'))
    const before = take('app').digest
    rmSync(join(root, 'app/l'))
    symlinkSync('b', join(root, 'app/l'))
    expect(take('app').digest).not.toBe(before)
  })

  test('of what does not exist fails HF1207', () => {
    expect(() => take('nope')).toThrow(expect.objectContaining({ code: 'HF1207', message: 'The asset nope does not exist.' }))
  })
})

test.each([
  ['*.log', 'a/b.log', true], ['*.log', 'b.log.txt', false], ['build/**', 'build', true], ['build/**', 'a/build', false], ['a/**/z', 'a/b/c/z', true],
  ['a/**/z', 'a/z', true], ['dist', 'x/dist', true], ['/dist', 'x/dist', false], ['/dist', 'dist', true], ['?.js', 'a.js', true], ['?.js', 'ab.js', false], ['a+b', 'a+b', true],
])('the glob %s and the path %s: %s', (glob, path, ignored) => {
  expect(ignoredBy([glob])(path, path.split('/').at(-1) as string)).toBe(ignored)
})

describe('the stat cache', () => {
  test('is believed while the stat is the same, and written 0600', async () => {
    put('a.mjs', 'first')
    await new Promise((resolve) => { setTimeout(resolve, 150) }) // a file this young is read again
    const assets = openAssets(root, home())
    const { digest } = assets.take('a.mjs', []) as unknown as Asset
    assets.save()
    const cacheFile = join(home(), 'cache/assets.json')
    expect(statSync(cacheFile).mode & 0o777).toBe(0o600)
    // A digest that only the cache can have given.
    writeFileSync(cacheFile, readFileSync(cacheFile, 'utf8').replace(digest.slice('sha256:'.length), 'f'.repeat(64)))
    expect(take('a.mjs').digest).toBe(`sha256:${'f'.repeat(64)}`)
    writeFileSync(join(root, 'a.mjs'), 'other')
    utimesSync(join(root, 'a.mjs'), LONG_AGO, LONG_AGO)
    expect(take('a.mjs').digest).not.toBe(`sha256:${'f'.repeat(64)}`)
  })

  test('a file that was written just now is read again', () => {
    put('a.mjs', 'one', new Date())
    const assets = openAssets(root, home())
    const one = (assets.take('a.mjs', []) as unknown as Asset).digest
    assets.save()
    writeFileSync(join(root, 'a.mjs'), 'two')
    expect(take('a.mjs').digest).not.toBe(one)
  })

  test('a damaged cache costs time, not correctness', () => {
    put('a.mjs', 'a')
    const digest = take('a.mjs').digest
    mkdirSync(join(home(), 'cache'), { recursive: true })
    writeFileSync(join(home(), 'cache/assets.json'), '{"format":1,"rows":')
    expect(take('a.mjs').digest).toBe(digest)
  })
})

describe('kept bytes', () => {
  test('serve when the file on disk has another digest', async () => {
    put('app/a.mjs', 'old')
    const assets = openAssets(root, home())
    const old = assets.take('app', []) as unknown as Asset
    expect(assets.pathOf(old)).toBe(join(root, 'app'))
    await assets.keep([old])
    expect(assets.pathOf(old)).toBe(join(root, 'app'))
    put('app/a.mjs', 'new')
    const later = openAssets(root, home())
    const place = later.pathOf(old)
    expect(readFileSync(join(place, 'a.mjs'), 'utf8')).toBe('old')
    rmSync(join(root, 'app'), { recursive: true })
    expect(later.pathOf(old)).toBe(place)
    expect(later.pathOf(old).endsWith('/app')).toBe(true)
  })

  test('are for nobody but the user, and nothing is left over', async () => {
    put('app/b/a.mjs', 'x')
    chmodSync(join(root, 'app/b/a.mjs'), 0o755)
    const assets = openAssets(root, home())
    await assets.keep([assets.take('app', []) as unknown as Asset])
    await assets.keep([assets.take('app', []) as unknown as Asset])
    for (const entry of readdirSync(join(home(), 'assets'), { recursive: true, withFileTypes: true })) {
      const mode = statSync(join(entry.parentPath, entry.name)).mode & 0o777
      expect(mode, entry.name).toBe(entry.isDirectory() || entry.name === 'a.mjs' ? 0o700 : 0o600) // what can be run can still be run
    }
    expect(readdirSync(join(home(), 'assets')).some((n) => n.includes('.new'))).toBe(false)
  })

  test('go when nothing names them any more, but not within a day', async () => {
    put('one.mjs', 'one')
    put('tree/two.mjs', 'two')
    const assets = openAssets(root, home())
    const [one, tree] = [assets.take('one.mjs', []) as unknown as Asset, assets.take('tree', []) as unknown as Asset]
    await assets.keep([one, tree])
    const names = (): string[] => readdirSync(join(home(), 'assets')).sort()
    const all = names()
    expect(all).toHaveLength(3)
    assets.prune(new Set())
    expect(names()).toEqual(all)
    for (const name of all) utimesSync(join(home(), 'assets', name), LONG_AGO, LONG_AGO)
    assets.prune(new Set([tree.digest]))
    expect(names()).toEqual(all.filter((n) => n.startsWith(tree.digest.replace('sha256:', ''))))
    assets.prune(new Set())
    expect(names()).toEqual([])
    // What is asked for again is young again.
    await assets.keep([one])
    for (const name of names()) utimesSync(join(home(), 'assets', name), LONG_AGO, LONG_AGO)
    await assets.keep([one])
    assets.prune(new Set())
    expect(names()).toHaveLength(1)
  })

  test('a file that changed between plan and apply is refused', async () => {
    put('a.mjs', 'one', new Date())
    const planned = take('a.mjs')
    put('a.mjs', 'two', new Date())
    await expect(openAssets(root, home()).keep([planned])).rejects.toMatchObject({ code: 'HF1207' })
  })

  test('the files that changed between two states of a tree are named', async () => {
    put('app/orders.mjs', '1')
    put('app/same.mjs', '1')
    put('app/gone.mjs', '1')
    const before = openAssets(root, home())
    const old = before.take('app', []) as unknown as Asset
    await before.keep([old])
    put('app/orders.mjs', '2')
    put('app/new.mjs', '1')
    rmSync(join(root, 'app/gone.mjs'))
    const after = openAssets(root, home())
    const now = after.take('app', []) as unknown as Asset
    expect(after.changedFiles(old.digest, now.digest)).toEqual({ changed: ['gone.mjs', 'new.mjs', 'orders.mjs'], total: 3 })
    expect(after.changedFiles('sha256:unknown', now.digest)).toBeUndefined()
  })

  test('of a single file that changed, the file is named', async () => {
    put('app/api.mjs', '1')
    const before = openAssets(root, home())
    const old = before.take('app/api.mjs', []) as unknown as Asset
    await before.keep([old])
    put('app/api.mjs', '2')
    const after = openAssets(root, home())
    const now = after.take('app/api.mjs', []) as unknown as Asset
    expect(after.changedFiles(old.digest, now.digest)).toEqual({ changed: ['api.mjs'], total: 1 })
  })
})
