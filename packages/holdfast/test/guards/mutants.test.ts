import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mutant, mutants } from '../../src/base/index.ts'
import { repository, script } from './tree.ts'

const found = JSON.parse(readFileSync(join(repository, 'packages/holdfast/test/sim/found.json'), 'utf8')) as Record<string, { readonly seed: number; readonly invariant: string }>

test('every planted bug has its place in the source, and stands in docs/internals/simulation.md as it is (npm run docs writes it)', () => {
  const { code, stdout } = script('scripts/mutants-doc.mjs', '--print')
  expect(code).toBe(0)
  expect(readFileSync(join(repository, 'docs/internals/simulation.md'), 'utf8')).toBe(stdout)
})

test('every planted bug is on record with the seed that finds it, one of the first 5,000 (scripts/verify-sim.mjs mutants --write)', () => {
  expect(Object.keys(found).sort()).toEqual(Object.keys(mutants).sort())
  expect(Object.entries(found).filter(([, f]) => f.seed < 1 || f.seed > 5000)).toEqual([])
})

test('none is planted unless the simulator says so', () => {
  expect((Object.keys(mutants) as (keyof typeof mutants)[]).filter((name) => mutant(name))).toEqual([])
})
