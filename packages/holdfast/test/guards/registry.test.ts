import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { registry } from '../../src/base/index.ts'
import { repository, script } from './tree.ts'

const package_ = join(repository, 'packages/holdfast')
const codes = Object.keys(registry).sort()
const { blank } = await import(pathToFileURL(join(repository, 'scripts/lib/imports.mjs')).href) as { blank(text: string): string }
const CODE = /\bHF\d{4}\b/g

/** Code -> files that name it. A comment does not count. */
function mentions(folder: string, keep: (path: string) => boolean): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const name of readdirSync(join(package_, folder), { recursive: true, encoding: 'utf8' })) {
    const path = `${folder}/${name}`
    if (!name.endsWith('.ts') || path.endsWith('base/registry.ts') || path.includes('test/guards/') || !keep(path)) continue
    for (const code of new Set(blank(readFileSync(join(package_, path), 'utf8')).match(CODE) ?? [])) found.set(code, [...(found.get(code) ?? []), path])
  }
  return found
}
const isTest = (path: string) => path.endsWith('.test.ts') || path.startsWith('test/')
const raised = mentions('src', (path) => !isTest(path))
const tested = new Map([...mentions('src', isTest), ...mentions('test', isTest)])

describe('every failure', () => {
  test('has a summary that is a sentence, an exit code, a cause and a way out', () => {
    for (const [code, { summary, exit, causes, fixes }] of Object.entries(registry)) {
      expect(summary, code).toMatch(/^\S.*[.?]$/)
      expect([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14], code).toContain(exit)
      expect(causes.length * fixes.length, code).toBeGreaterThan(0)
    }
  })

  test('is documented in docs/errors.md, word for word (npm run docs writes it)', () => {
    const { stdout } = script('scripts/errors-doc.mjs', '--print')
    expect(readFileSync(join(repository, 'docs/errors.md'), 'utf8')).toBe(stdout)
  })

  test('is raised somewhere', () => {
    expect(codes.filter((code) => !raised.has(code))).toEqual([])
  })

  test('is named by a test', () => {
    expect(codes.filter((code) => !tested.has(code))).toEqual([])
  })

  test('stands in the registry when source, tests or documentation name it', () => {
    const documented = ['docs/guide.md', 'docs/flow.md', 'docs/engine.md', 'docs/internals/journal.md', 'README.md', 'CONTRIBUTING.md'].flatMap((file) => readFileSync(join(repository, file), 'utf8').match(CODE) ?? [])
    const unknown = [...new Set([...raised.keys(), ...documented])].filter((code) => !(code in registry))
    expect(unknown).toEqual([])
  })
})
