import { chmodSync, existsSync, linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { callOf, corner, type Corner } from '../../../test/support/corner.ts'
import { isNotOurs } from '../../provider/index.ts'
import { traceOf } from './disk.ts'
import { fileSpec } from './file.ts'

let c: Corner
beforeEach(() => {
  c = corner()
})
afterEach(() => c.dispose())
const input = (i: Record<string, unknown>) => fileSpec.inputs.parse(i)
const make = (i: Record<string, unknown>, token?: string) => fileSpec.create({ ...callOf(c.host, 'u-1', token), inputs: input(i) })
const remove = (i: Record<string, unknown>, outputs: object) => fileSpec.delete({ ...callOf(c.host), inputs: input(i), outputs })
const at = (path: string) => join(c.root, path)

describe('File', () => {
  test('is written with its content and its mode, whatever the umask', async () => {
    const before = process.umask(0o077)
    try {
      const out = await make({ path: 'a/b.txt', content: 'x', mode: 0o664 })
      expect(out).toMatchObject({ path: 'a/b.txt', size: 1, mode: 0o664, file: { path: 'a/b.txt', digest: 'sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881' } })
      expect(statSync(at('a/b.txt')).mode & 0o777).toBe(0o664)
    } finally {
      process.umask(before)
    }
  })
  test('takes bytes, an empty text, and owner by number', async () => {
    await make({ path: 'bytes', content: new Uint8Array([0, 255]) })
    expect([...readFileSync(at('bytes'))]).toEqual([0, 255])
    await make({ path: 'empty', content: '' })
    expect(statSync(at('empty')).size).toBe(0)
    if (process.getuid?.() === 0) {
      expect(await make({ path: 'given', content: '', owner: '65534:65534', mode: 0o4755 })).toMatchObject({ uid: 65534, gid: 65534, mode: 0o4755 })
    }
  })
  test('needs content or source, and not both', () => {
    expect(fileSpec.inputs.safeParse({ path: 'a' }).success).toBe(false)
    expect(fileSpec.inputs.safeParse({ path: 'a', content: '', source: { path: 'b', digest: 'd' } }).success).toBe(false)
  })
  test('a file that stood there before is refused, also with equal content', async () => {
    writeFileSync(at('a'), 'same')
    await expect(make({ path: 'a', content: 'same' }, 'k')).rejects.toMatchObject({ code: 'HF3104' })
    // And a lost create does not take it for its own.
    const seen = await fileSpec.read?.({ ...callOf(c.host, 'u-1', 'k'), inputs: input({ path: 'a', content: 'same' }) })
    expect(seen?.owner).toBe('other')
    expect(readdirSync(c.root)).toEqual(['.holdfast', 'a'])
  })
  test('a call that died between giving the name and dropping the other is known by both names', async () => {
    const { temporary } = traceOf(at('a'), 'k')
    await make({ path: 'a', content: 'x' }, 'k')
    linkSync(at('a'), temporary)
    utimesSync(at('a'), 1, 1)
    const seen = await fileSpec.read?.({ ...callOf(c.host, 'u-1', 'k'), inputs: input({ path: 'a', content: 'x' }) })
    expect(seen?.owner).toBe('mine')
    expect(existsSync(temporary)).toBe(false)
  })
  test('what an editor replaced is drift, and a copy with the same content is still ours to delete', async () => {
    const i = { path: 'a', content: 'x' }
    const out = await make(i)
    writeFileSync(at('b'), 'edited')
    renameSync(at('b'), at('a'))
    const seen = await fileSpec.read?.({ ...callOf(c.host), inputs: input(i), outputs: out })
    expect(seen?.file.digest).not.toBe(out.file.digest)
    await expect(remove(i, out)).rejects.toSatisfy(isNotOurs)
    expect(readFileSync(at('a'), 'utf8')).toBe('edited')
    writeFileSync(at('b'), 'x')
    renameSync(at('b'), at('a'))
    await remove(i, out)
    expect(existsSync(at('a'))).toBe(false)
  })
  test('a file that was edited in place is ours, and goes', async () => {
    const out = await make({ path: 'a', content: 'x' })
    writeFileSync(at('a'), 'edited')
    await remove({ path: 'a', content: 'x' }, out)
    expect(existsSync(at('a'))).toBe(false)
  })
  test('an inode that was given again to another file is not taken for ours', async () => {
    const out = await make({ path: 'a', content: 'x' })
    unlinkSync(at('a'))
    writeFileSync(at('a'), 'another')
    const sameNumber = lstatSync(at('a')).ino === out.inode
    await expect(remove({ path: 'a', content: 'x' }, { ...out, inode: lstatSync(at('a')).ino, bornMs: out.bornMs - 1 })).rejects.toSatisfy(isNotOurs)
    expect(typeof sameNumber).toBe('boolean')
  })
  test('a change of the mode alone keeps the object; a change of the content replaces it in one step', async () => {
    const i = { path: 'a', content: 'x' }
    const out = await make(i)
    const update = (to: Record<string, unknown>) => fileSpec.update!({ ...callOf(c.host), inputs: input(to), outputs: out, prior: { inputs: input(i), outputs: out }, partial: async () => {} })
    expect(await update({ ...i, mode: 0o600 })).toMatchObject({ inode: out.inode, mode: 0o600 })
    const reader = readFileSync(at('a'), 'utf8')
    expect((await update({ path: 'a', content: 'y' })).inode).not.toBe(out.inode)
    expect([reader, readFileSync(at('a'), 'utf8')]).toEqual(['x', 'y'])
  })
  test('folders that had to be made go with the last file in them, whichever that is', async () => {
    mkdirSync(at('theirs'))
    const one = await make({ path: 'theirs/new/deep/1', content: '1' })
    const two = await make({ path: 'theirs/new/2', content: '2' })
    await remove({ path: 'theirs/new/deep/1', content: '1' }, one)
    expect(existsSync(at('theirs/new/deep'))).toBe(false)
    expect(existsSync(at('theirs/new'))).toBe(true)
    await remove({ path: 'theirs/new/2', content: '2' }, two)
    expect(readdirSync(at('theirs'))).toEqual([])
    expect(readdirSync(c.home)).toEqual([])
  })
  test('a made folder in which somebody put something stays', async () => {
    const out = await make({ path: 'new/1', content: '1' })
    writeFileSync(at('new/theirs'), '')
    await remove({ path: 'new/1', content: '1' }, out)
    expect(readdirSync(at('new'))).toEqual(['theirs'])
  })
  test('many files at once, made and removed in one folder, leave what was there', async () => {
    const all = await Promise.all(Array.from({ length: 200 }, async (_, i) => [i, await make({ path: `d/e/${i}`, content: `${i}` })] as const))
    await Promise.all(all.map(async ([i, out]) => {
      await remove({ path: `d/e/${i}`, content: `${i}` }, out)
      if (i % 10 === 0) await remove({ path: `d/e/n${i}`, content: 'n' }, await make({ path: `d/e/n${i}`, content: 'n' }))
    }))
    expect(await c.world()).toEqual([])
  })
  test('a folder that may not be written is said in plain words', async () => {
    mkdirSync(at('locked'))
    chmodSync(at('locked'), 0o500)
    chmodSync(c.root, 0o755)
    const root = process.geteuid?.() === 0
    if (root) process.seteuid?.(65534) // nobody
    try {
      await expect(make({ path: 'locked/a', content: '' })).rejects.toMatchObject({ code: 'HF3109', message: 'locked/a cannot be written: permission denied (EACCES).' })
    } finally {
      if (root) process.seteuid?.(0)
    }
  })
  test('a path through a file is said in plain words', async () => {
    writeFileSync(at('file'), '')
    await expect(make({ path: 'file/a', content: '' })).rejects.toMatchObject({ code: 'HF3109', message: 'file/a cannot be written: a part of the path is not a folder (ENOTDIR).' })
  })
  test('an asset that changed since the plan is refused', async () => {
    writeFileSync(at('src'), 'new')
    await expect(make({ path: 'a', source: { path: 'src', digest: `sha256:${'0'.repeat(64)}` } })).rejects.toMatchObject({ code: 'HF1207' })
    expect(existsSync(at('a'))).toBe(false)
  })
  test('a long name leaves room for the temporary one', async () => {
    await make({ path: 'é'.repeat(120), content: 'x' })
    expect(readdirSync(c.root)).toContain('é'.repeat(120))
  })
})
