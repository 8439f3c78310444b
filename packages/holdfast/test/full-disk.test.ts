import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fileSpec } from '../src/builtin/local/file.ts'
import { callOf, corner } from './support/corner.ts'

/** A file system of 64 KiB; without the right to mount one, a quota-less machine cannot show this, and the test says so. */
function smallDisk(): { readonly path: string; dispose(): void } {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-disk-'))
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', path], { encoding: 'utf8' })
  if (status !== 0) {
    rmSync(path, { recursive: true })
    throw new Error(`a small disk is needed for this test, and mounting one failed: ${stderr}`)
  }
  return {
    path,
    dispose() {
      spawnSync('umount', [path])
      rmSync(path, { recursive: true, force: true })
    },
  }
}

test.runIf(process.getuid?.() === 0)('a full disk is HF3111; nothing is left of the attempt, and what stood there still does', async () => {
  const c = corner()
  const disk = smallDisk()
  try {
    const inputs = (content: string) => fileSpec.inputs.parse({ path: join(disk.path, 'sub/a'), content })
    const small = inputs('small')
    const big = inputs('x'.repeat(200_000))
    await expect(fileSpec.create({ ...callOf(c.host), inputs: big })).rejects.toMatchObject({ code: 'HF3111', message: expect.stringContaining('no space is left on the disk') })
    expect(readdirSync(disk.path)).toEqual([])
    expect(readdirSync(c.home)).toEqual([])
    const out = await fileSpec.create({ ...callOf(c.host), inputs: small })
    await expect(fileSpec.update!({ ...callOf(c.host), inputs: big, outputs: out, prior: { inputs: small, outputs: out } })).rejects.toMatchObject({ code: 'HF3111' })
    expect(readFileSync(join(disk.path, 'sub/a'), 'utf8')).toBe('small')
    mkdirSync(join(disk.path, 'other'))
    await fileSpec.delete({ ...callOf(c.host), inputs: small, outputs: out })
    expect(readdirSync(disk.path)).toEqual(['other'])
  } finally {
    disk.dispose()
    await c.dispose()
  }
})
