import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { mutants } from '../../src/base/index.ts'

const script = fileURLToPath(new URL('../../../../scripts/sim.mjs', import.meta.url))
function sim(...args: string[]): { readonly code: number | null; readonly out: string; readonly err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
  return { code: status, out: stdout, err: stderr }
}
interface Result { readonly seeds: number; readonly events: number; readonly crashes: number; readonly digest: string; readonly failures: readonly { readonly seed: number; readonly invariant: string; readonly message: string }[] }
const result = (out: string) => JSON.parse(out) as Result

describe('npm run sim', () => {
  test('the same seeds give the same digest, in one process or in two, and break no rule', () => {
    const one = sim('--seeds', '80', '--from', '1', '--json', '--jobs', '1')
    const two = sim('--seeds', '80', '--from', '1', '--json', '--jobs', '2')
    expect(result(one.out).failures).toEqual([])
    expect(one.code).toBe(0)
    expect(result(one.out)).toMatchObject({ seeds: 80 })
    expect(result(one.out).crashes).toBeGreaterThan(10)
    expect(result(two.out)).toEqual(result(one.out))
  }, 120_000)

  test('a planted bug ends with 1 and the seed that found it, the same one every time', () => {
    const first = sim('--mutant', 'intent-after-call', '--seeds', '200', '--json')
    expect(first.code).toBe(1)
    expect(result(first.out).failures).toHaveLength(1)
    expect(result(first.out).failures[0]).toMatchObject({ seed: 1, invariant: 'I-INTENT' })
    expect(sim('--mutant', 'intent-after-call', '--seeds', '200', '--json', '--jobs', '1').out).toBe(first.out)
  }, 60_000)

  test('names its mutants, and refuses one that there is not', () => {
    expect((JSON.parse(sim('--mutants', '--json').out) as { name: string }[]).map((m) => m.name)).toEqual(Object.keys(mutants))
    expect(sim('--mutant', 'no-such-bug').code).toBe(2)
  })

  test('shows the history of one seed', () => {
    const { code, err } = sim('--seed', '7', '--trace')
    expect(code).toBe(0)
    expect(err).toMatch(/\d+ p\d+ begins apply/)
  })
})
