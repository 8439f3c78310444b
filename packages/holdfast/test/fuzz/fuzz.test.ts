import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { plantMutant, systemClock } from '../../src/base/index.ts'
import { fold } from '../../src/journal/index.ts'
import { Stream } from '../sim/random.ts'
import type { FuzzCase } from './case.ts'
import { drawCase } from './draw.ts'
import { StateFile } from './file.ts'
import { Lab, runCase } from './run.ts'
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

  test('a person settles in a restricted session what lies in its part, and leaves the rest to one that holds it', async () => {
    const programs: FuzzCase['programs'] = ['a', 'b'].map((zone) => [{ address: 'a', kind: 'R', name: 'x', size: 1, zone }, { address: 'b', kind: 'A', name: 'y', size: 1, zone: 'a' }])
    const faults = Array.from({ length: 6 }, () => ({ call: 'delete', name: 'x', what: 'lost' }) as const)
    const settled = async (targets: readonly string[]) => {
      const { violation, trace } = await runCase({
        ...small, programs, last: 1, destroyed: false,
        ops: [{ kind: 'apply', program: 0, onFailure: 'revert' }, { kind: 'apply', program: 1, onFailure: 'revert', faults }, { kind: 'destroy', onFailure: 'revert', person: true, targets }],
      }, true)
      expect(violation).toBeUndefined()
      return trace?.filter((line) => /^(settles|--- h-)/.test(line)).map((line) => line.split(' ', 2).join(' '))
    }
    expect(await settled(['a'])).toEqual(['--- h-1', '--- h-2', '--- h-3', 'settles delete', '--- h-4', '--- h-5'])
    expect(await settled(['b'])).toEqual(['--- h-1', '--- h-2', '--- h-3', '--- h-4', 'settles delete', '--- h-5'])
  })

  test('a case on a file does the same twice, and is one of few', async () => {
    const fuzz: FuzzCase = { ...drawCase(4), store: 'sqlite' }
    const [one, two] = [await runCase(fuzz, true), await runCase(JSON.parse(JSON.stringify(fuzz)) as FuzzCase, true)]
    expect(one.violation).toBeUndefined()
    expect(one.trace?.filter((line) => line.startsWith('commit')).length).toBeGreaterThan(10)
    expect(two.trace).toEqual(one.trace)
    expect(testOf(fuzz, { rule: 's', message: 'x' })).toContain("store: 'sqlite'")
    expect(Array.from({ length: 400 }, (_, i) => drawCase(i + 1)).filter((c) => c.store === 'sqlite').length).toBeGreaterThan(3)
  })

  test('a file that is not what stands in memory is found', async () => {
    const { tables } = new Lab(small, false)
    const file = await StateFile.make(tables, systemClock, new Stream(1, 'file'))
    expect(await file.differsFrom(tables)).toBeUndefined()
    expect(existsSync(file.path)).toBe(true)
    const row = { id: 'e-fuzz', app: 'fuzz', name: 'default', revision: 0, partial: false, seq: 0, openRun: undefined }
    const entries = [{ t: 'env.create' as const, row }]
    fold(tables, entries, { env: row.id })
    expect(await file.differsFrom(tables)).toContain('"name":"default"')
    await file.commit({ entries, options: { env: row.id } })
    await file.reopen()
    expect(await file.differsFrom(tables)).toBeUndefined()
    await file.remove()
    expect(existsSync(file.path)).toBe(false)
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
