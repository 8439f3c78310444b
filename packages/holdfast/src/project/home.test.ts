import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { systemRandom } from '../base/index.ts'
import { createKeyFile } from '../secret/index.ts'
import { ensureHome, tryWriteWhole } from './home.ts'

test('a home is for nobody but the user, and one that cannot be made says so', () => {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-home-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  ensureHome(join(root, 'a/.holdfast'))
  expect([statSync(join(root, 'a/.holdfast')).mode & 0o777, existsSync(join(root, 'a/.holdfast/.gitignore'))]).toEqual([0o700, true])
  writeFileSync(join(root, 'file'), '')
  expect(() => ensureHome(join(root, 'file/.holdfast'))).toThrow(expect.objectContaining({ code: 'HF4003' }))
})

test.runIf(existsSync('/proc/self'))('where a system takes no folders, that is said at once', () => {
  expect(() => ensureHome('/proc/holdfast/.holdfast')).toThrow(expect.objectContaining({ code: 'HF4003', message: expect.stringContaining('ENOENT') }))
  expect(() => createKeyFile('/proc/holdfast/deep/key', systemRandom)).toThrow(expect.objectContaining({ code: 'HF4301' }))
  expect(tryWriteWhole('/proc/holdfast/deep/cache', 'x')).toBe(false)
})
