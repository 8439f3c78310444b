import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { makeFolders } from './folders.ts'

function corner(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-folders-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('what is missing is made, with its mode, and the topmost of it is told', () => {
  const root = corner()
  chmodSync(root, 0o755)
  expect(makeFolders(join(root, 'a/b/c'), 0o700)).toBe(join(root, 'a'))
  expect(['', 'a', 'a/b', 'a/b/c'].map((p) => statSync(join(root, p)).mode & 0o777)).toEqual([0o755, 0o700, 0o700, 0o700])
  expect(makeFolders(join(root, 'a/b/c'), 0o700)).toBeUndefined()
  expect(makeFolders(join(root, 'a/b/d'))).toBe(join(root, 'a/b/d'))
  symlinkSync(join(root, 'a'), join(root, 'link'))
  expect(makeFolders(join(root, 'link/e'))).toBe(join(root, 'link/e'))
  expect(makeFolders('.')).toBeUndefined()
  expect(makeFolders('/')).toBeUndefined()
})

test('where something else stands, or nothing can be made, the system says why', () => {
  const root = corner()
  writeFileSync(join(root, 'file'), '')
  symlinkSync(join(root, 'nowhere'), join(root, 'dangling'))
  expect(() => makeFolders(join(root, 'file'))).toThrow(expect.objectContaining({ code: 'EEXIST' }))
  expect(() => makeFolders(join(root, 'file/a'))).toThrow(expect.objectContaining({ code: 'ENOTDIR' }))
  expect(() => makeFolders(join(root, 'dangling'))).toThrow(expect.objectContaining({ code: 'EEXIST' }))
  if (process.platform === 'linux') expect(() => makeFolders('/proc/holdfast/deep')).toThrow(expect.objectContaining({ code: 'ENOENT' }))
})
