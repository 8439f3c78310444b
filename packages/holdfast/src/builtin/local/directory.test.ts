import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { callOf, corner, type Corner } from '../../../test/support/corner.ts'
import { isNotOurs } from '../../provider/index.ts'
import { directorySpec } from './directory.ts'
import { fileSpec } from './file.ts'
import { completedIn, isCompleted, markCompleted, noteHolder } from './holders.ts'
import { emptyTrash, listTrash, restoreTrash, trashSize } from './trash.ts'

let c: Corner
beforeEach(() => {
  c = corner()
})
afterEach(() => c.dispose())
const at = (path: string) => join(c.root, path)
const make = (i: Record<string, unknown>, uid = 'u-1', host = c.host) => directorySpec.create({ ...callOf(host, uid), inputs: directorySpec.inputs.parse(i) })
const remove = (i: Record<string, unknown>, outputs: object, uid = 'u-1', host = c.host) => directorySpec.delete({ ...callOf(host, uid), inputs: directorySpec.inputs.parse(i), outputs })

describe('Directory', () => {
  test('one that was made by the way is taken over, and its note goes', async () => {
    await fileSpec.create({ ...callOf(c.host), inputs: fileSpec.inputs.parse({ path: 'd/f', content: '' }) })
    const out = await make({ path: 'd', mode: 0o711 })
    expect(statSync(at('d')).mode & 0o777).toBe(0o711)
    expect(readdirSync(c.home)).toEqual([])
    // Declared side by side, the folder may go before the file: then the file takes it along.
    await expect(remove({ path: 'd' }, out)).rejects.toSatisfy(isNotOurs)
    await fileSpec.delete({ ...callOf(c.host), inputs: fileSpec.inputs.parse({ path: 'd/f', content: '' }), outputs: {} })
    expect(await c.world()).toEqual([])
  })
  test('an empty one that stood there before is not ours', async () => {
    mkdirSync(at('d'))
    await expect(make({ path: 'd' })).rejects.toMatchObject({ code: 'HF3104' })
    await expect(make({ path: 'd', data: true })).rejects.toMatchObject({ code: 'HF3104' })
    expect(readdirSync(c.home)).toEqual([])
  })
  test('one that is not empty is left alone', async () => {
    const out = await make({ path: 'd' })
    writeFileSync(at('d/theirs'), '')
    await expect(remove({ path: 'd' }, out)).rejects.toSatisfy(isNotOurs)
    expect(existsSync(at('d/theirs'))).toBe(true)
  })
})

describe('a Directory that holds data', () => {
  const data = { path: 'data', data: true }
  test('goes to the trash with its content, and the next create takes back the very same folder', async () => {
    const out = await make(data)
    writeFileSync(at('data/row'), '1')
    markCompleted(c.home, at('data'), at('data'))
    await remove(data, out)
    expect(existsSync(at('data'))).toBe(false)
    expect(statSync(join(c.home, 'trash/u-1')).mode & 0o777).toBe(0o700)
    expect(statSync(join(c.home, 'trash/u-1/meta.json')).mode & 0o777).toBe(0o600)
    expect(completedIn(c.home, at('data'))).toEqual([])
    const again = await make(data, 'u-2')
    expect(again.inode).toBe(out.inode)
    expect(readFileSync(at('data/row'), 'utf8')).toBe('1')
    expect(isCompleted(c.home, at('data'), at('data'))).toBe(true)
    expect(existsSync(join(c.home, 'trash'))).toBe(false)
  })
  test('an empty one goes there too: a promise without exceptions', async () => {
    await remove(data, await make(data))
    expect(listTrash(c.home).map((e) => e.id)).toEqual(['u-1'])
  })
  test('data of another environment is not taken', async () => {
    await remove(data, await make(data))
    const other = { ...c.host, env: { ...c.host.env, id: 'e-2', name: 'prod' } }
    await make(data, 'u-2', other)
    expect(listTrash(c.home)).toHaveLength(1)
  })
  test('the newest of several is taken, the others stay', async () => {
    for (const uid of ['u-1', 'u-2']) {
      const out = await make(data, uid)
      writeFileSync(at('data/row'), uid)
      await remove(data, out, uid)
      if (uid === 'u-1') await restoreTrash(c.home, 'u-1', at('elsewhere'))
    }
    await make(data, 'u-3')
    expect(readFileSync(at('data/row'), 'utf8')).toBe('u-2')
    expect(readFileSync(at('elsewhere/row'), 'utf8')).toBe('u-1')
  })
  test('the same uid twice gives two entries', async () => {
    const first = await make(data)
    writeFileSync(at('data/row'), '1')
    await remove(data, first)
    const other = { ...c.host, env: { ...c.host.env, id: 'e-2' } }
    const second = await make(data, 'u-1', other)
    await remove(data, second, 'u-1', other)
    expect(listTrash(c.home).map((e) => e.id).sort()).toEqual(['u-1', 'u-1.2'])
  })
  test('replaced by somebody else, it is left alone', async () => {
    const out = await make(data)
    rmSync(at('data'), { recursive: true })
    mkdirSync(at('data'))
    await expect(remove(data, { ...out, bornMs: out.bornMs - 1 })).rejects.toSatisfy(isNotOurs)
    expect(existsSync(at('data'))).toBe(true)
  })

  test('between two file systems it is copied, proven and removed, in both directions', async () => {
    const shm = mkdtempSync('/dev/shm/holdfast-')
    try {
      expect(lstatSync(shm).dev).not.toBe(lstatSync(c.home).dev)
      const far = { path: join(shm, 'data'), data: true }
      const out = await make(far)
      mkdirSync(join(shm, 'data/sub'), { mode: 0o750 })
      writeFileSync(join(shm, 'data/sub/row'), '1', { mode: 0o640 })
      symlinkSync('sub/row', join(shm, 'data/link'))
      await remove(far, out)
      expect(readdirSync(shm)).toEqual([])
      const again = await make(far, 'u-2')
      expect(again).toMatchObject({ mode: 0o755 })
      expect(readFileSync(join(shm, 'data/link'), 'utf8')).toBe('1')
      expect(statSync(join(shm, 'data/sub')).mode & 0o777).toBe(0o750)
      expect(statSync(join(shm, 'data/sub/row')).mode & 0o777).toBe(0o640)
      expect(readdirSync(c.home)).toEqual(['holders'])
      await remove(far, again, 'u-2')
    } finally {
      rmSync(shm, { recursive: true, force: true })
    }
  })
})

describe('the trash', () => {
  const data = { path: 'data', data: true }
  const fill = async (): Promise<void> => {
    const out = await make({ path: 'data', data: true })
    writeFileSync(at('data/row'), '12345')
    await remove({ path: 'data', data: true }, out)
  }
  test('is listed with what it holds', async () => {
    await fill()
    const [entry] = listTrash(c.home)
    expect(entry).toMatchObject({ id: 'u-1', path: at('data'), env: { app: 'suite', name: 'default' } })
    expect(trashSize(entry!)).toEqual({ bytes: 5, files: 1 })
    expect(listTrash(join(c.root, 'nowhere'))).toEqual([])
  })
  test('restores to where it was or to another place, never over something', async () => {
    await fill()
    mkdirSync(at('data'))
    await expect(restoreTrash(c.home, 'u-1')).rejects.toMatchObject({ code: 'HF3104' })
    expect(await restoreTrash(c.home, 'u-1', at('new/place'))).toBe(at('new/place'))
    expect(readFileSync(at('new/place/row'), 'utf8')).toBe('12345')
    await expect(restoreTrash(c.home, 'u-1')).rejects.toMatchObject({ code: 'HF6006' })
  })
  test('restored to where it was, it is taken over by the next create, with what was completed in it', async () => {
    const out = await make(data)
    markCompleted(c.home, at('data'), at('data'))
    await remove(data, out)
    await restoreTrash(c.home, 'u-1')
    await expect(make({ path: 'data' }, 'u-2')).rejects.toMatchObject({ code: 'HF3104' })
    expect((await make(data, 'u-2')).inode).toBe(out.inode)
    await expect(make(data, 'u-3')).rejects.toMatchObject({ code: 'HF3104' })
    expect(isCompleted(c.home, at('data'), at('data'))).toBe(true)
  })
  test('nothing is completed in a new folder, also when a restore to its place was cut short', async () => {
    noteHolder(c.home, at('data'), [''])
    await make(data, 'u-2')
    expect(completedIn(c.home, at('data'))).toEqual([])
  })
  test('is emptied by id or as a whole', async () => {
    await fill()
    expect(() => emptyTrash(c.home, 'u-9')).toThrow(expect.objectContaining({ code: 'HF6006' }))
    expect(emptyTrash(c.home, 'u-1').map((e) => e.id)).toEqual(['u-1'])
    await fill()
    emptyTrash(c.home)
    expect(readdirSync(c.home)).toEqual([])
  })
  test('what else lies in an entry stays for who put it there', async () => {
    await fill()
    writeFileSync(join(listTrash(c.home)[0]!.folder, 'bound'), 'sealed')
    await make({ path: 'data', data: true }, 'u-2')
    expect(readFileSync(join(c.home, 'trash/u-1/bound'), 'utf8')).toBe('sealed')
    expect(listTrash(c.home)).toEqual([])
  })
})
