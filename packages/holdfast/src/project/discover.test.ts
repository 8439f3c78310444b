import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findProject } from './discover.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hf-discover-'))
  mkdirSync(join(root, 'repo/.git'), { recursive: true })
  mkdirSync(join(root, 'repo/a/b'), { recursive: true })
})
afterEach(() => { rmSync(root, { recursive: true, force: true }) })

test('the project file is found upwards', () => {
  writeFileSync(join(root, 'repo/holdfast.config.ts'), '')
  expect(findProject(join(root, 'repo/a/b'))).toMatchObject({ configFile: join(root, 'repo/holdfast.config.ts'), base: join(root, 'repo') })
})

test('the search ends at the first .git', () => {
  writeFileSync(join(root, 'holdfast.config.ts'), '')
  expect(() => findProject(join(root, 'repo/a/b'))).toThrow(expect.objectContaining({ code: 'HF1002' }))
})

test('without a project file the program is in the current folder, and only there', () => {
  writeFileSync(join(root, 'repo/a/app.ts'), '')
  expect(findProject(join(root, 'repo/a'))).toEqual({ configFile: undefined, programFile: join(root, 'repo/a/app.ts'), base: join(root, 'repo/a') })
  expect(() => findProject(join(root, 'repo/a/b'))).toThrow(expect.objectContaining({ code: 'HF1002' }))
})

test.each(['app.ts', 'app.mts', 'app.js', 'app.mjs'])('%s is a program', (name) => {
  writeFileSync(join(root, 'repo/a', name), '')
  expect(findProject(join(root, 'repo/a')).programFile).toBe(join(root, 'repo/a', name))
})

test('a named project file is taken as it is', () => {
  writeFileSync(join(root, 'repo/other.ts'), '')
  expect(findProject(join(root, 'repo/a'), '../other.ts')).toMatchObject({ configFile: join(root, 'repo/other.ts'), base: join(root, 'repo') })
  expect(() => findProject(root, 'nope.ts')).toThrow(expect.objectContaining({ code: 'HF1002' }))
})
