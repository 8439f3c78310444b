import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { callOf, corner, type Corner } from '../../../test/support/corner.ts'
import { directorySpec } from './directory.ts'
import { emptyTrash, listTrash, restoreTrash } from './trash.ts'

let c: Corner
beforeEach(() => {
  c = corner()
})
afterEach(() => c.dispose())

const inputs = directorySpec.inputs.parse({ path: 'data', data: true })
/** A folder with a row in it, moved to the trash. */
async function trashed(uid = 'u-1'): Promise<string> {
  const outputs = await directorySpec.create({ ...callOf(c.host, uid), inputs })
  writeFileSync(join(c.root, 'data/row'), '1')
  await directorySpec.delete({ ...callOf(c.host, uid), inputs, outputs })
  return join(c.home, 'trash', uid)
}

describe('the trash', () => {
  test('names the node that owned the data', async () => {
    await trashed()
    expect(listTrash(c.home)).toMatchObject([{ id: 'u-1', uid: 'u-1', path: join(c.root, 'data') }])
  })

  test.runIf(existsSync('/proc/self'))('what cannot be put where it should is said, and stays in the trash', async () => {
    await trashed()
    await expect(restoreTrash(c.home, 'u-1', '/proc/holdfast/deep/data')).rejects.toMatchObject({ code: 'HF3109', message: expect.stringContaining('/proc/holdfast/deep/data cannot be restored') })
    expect(await restoreTrash(c.home, 'u-1')).toBe(join(c.root, 'data'))
    expect(readdirSync(join(c.root, 'data'))).toEqual(['row'])
  })

  test('an entry whose deletion was cut short is not data any more: it does not come back, and goes with the next one', async () => {
    const folder = await trashed()
    renameSync(join(folder, 'data'), join(folder, 'going')) // the first thing that emptyTrash does
    expect(listTrash(c.home)).toEqual([])
    await directorySpec.create({ ...callOf(c.host, 'u-2'), inputs })
    expect(readdirSync(join(c.root, 'data'))).toEqual([])
    expect(emptyTrash(c.home)).toEqual([])
    expect(existsSync(join(c.home, 'trash'))).toBe(false)
  })

  test.runIf(existsSync('/dev/shm'))('a folder that was copied into it, and whose removal was cut short, is not moved there again', async () => {
    const shm = mkdtempSync('/dev/shm/holdfast-')
    try {
      const far = { path: join(shm, 'data'), data: true, mode: 0o755 }
      const outputs = await directorySpec.create({ ...callOf(c.host, 'u-1'), inputs: far })
      writeFileSync(join(shm, 'data/row'), '1')
      await directorySpec.delete({ ...callOf(c.host, 'u-1'), inputs: far, outputs })
      // What a kill leaves while the original is being removed.
      mkdirSync(join(shm, '.data.holdfast-moved'))
      await directorySpec.delete({ ...callOf(c.host, 'u-1'), inputs: far, outputs })
      expect(readdirSync(shm)).toEqual([])
      expect(listTrash(c.home)).toHaveLength(1)
      await directorySpec.create({ ...callOf(c.host, 'u-2'), inputs: far })
      expect(readdirSync(join(shm, 'data'))).toEqual(['row'])
    } finally {
      rmSync(shm, { recursive: true })
    }
  })
})
