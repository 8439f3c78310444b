import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { plantMutant } from '../../src/base/index.ts'
import type { FuzzCase } from './case.ts'
import { drawCase } from './draw.ts'
import { runCase } from './run.ts'
import { shrink } from './shrink.ts'
import { testOf } from './write.ts'

const CASES = 300
/** The same cases every time; FUZZ_FROM=n runs those from n on. The many are in `npm run verify`. */
const from = Number(process.env.FUZZ_FROM ?? 1)

const small: FuzzCase = {
  seed: 1, parallelism: 1, store: 'memory', turnsMax: 0, last: 0, destroyed: true,
  programs: [[{ address: 'a', kind: 'A', name: 'x', size: 1, zone: 'a' }, { address: 'b', kind: 'P', name: 'y', size: 1, zone: 'a', refs: ['a'], tag: 'x' }]],
  ops: [{ kind: 'apply', program: 0, onFailure: 'revert' }],
}

describe('the fuzzer of the life cycle', () => {
  test(`finds no broken rule in ${CASES} cases from ${from}`, async () => {
    console.log(`FUZZ_FROM=${from}`)
    for (let seed = from; seed < from + CASES; seed++) {
      const { violation } = await runCase(drawCase(seed))
      expect(violation, `npm run fuzz -- --seed ${seed}`).toBeUndefined()
    }
  }, 120_000)

  test('the same case does the same twice, and is the same again when it was written down', async () => {
    const [one, two] = [await runCase(drawCase(7), true), await runCase(JSON.parse(JSON.stringify(drawCase(7))) as FuzzCase, true)]
    expect(one.trace?.length).toBeGreaterThan(10)
    expect(two.trace).toEqual(one.trace)
  })

  test('a case that breaks a rule is made smaller, and becomes a test', async () => {
    plantMutant('intent-after-call')
    try {
      const { violation } = await runCase(small)
      expect(violation).toMatchObject({ rule: 'h' })
      const { fuzz } = await shrink(small, violation as NonNullable<typeof violation>)
      expect(fuzz.programs[0]).toEqual([{ address: 'a', kind: 'A', name: 'x', size: 1, zone: 'a' }])
      const text = testOf(fuzz, violation as NonNullable<typeof violation>)
      expect(text).toContain("{ address: 'a', kind: 'A', name: 'x', size: 1, zone: 'a' },")
      expect(text).toContain('expect(violation).toBeUndefined()')
    } finally {
      plantMutant(undefined)
    }
    expect((await runCase(small)).violation).toBeUndefined()
  })

  test('as a command it gives a document, says what it found, and refuses a bug that it does not know', () => {
    const script = fileURLToPath(new URL('../../../../scripts/fuzz.mjs', import.meta.url))
    const run = (...args: string[]) => spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
    const found = run('--mutant', 'intent-after-call', '--seeds', '20', '--json')
    expect(found.status, found.stderr).toBe(1)
    expect(JSON.parse(found.stdout)).toMatchObject({ failures: [{ seed: 1, rule: 'h' }] })
    expect(run('--mutant', 'no-such-bug').status).toBe(2)
  }, 60_000)
})
