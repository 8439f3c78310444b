import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { mutants } from '../../src/base/index.ts'
import { drawScenario } from '../sim/draw.ts'
import { relive } from '../sim/relive.ts'
import { runScenario } from '../sim/seed.ts'

const script = fileURLToPath(new URL('../../../../scripts/sim.mjs', import.meta.url))
function sim(...args: string[]): { readonly code: number | null; readonly out: string; readonly err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
  return { code: status, out: stdout, err: stderr }
}
interface Result { readonly seeds: number; readonly events: number; readonly crashes: number; readonly digest: string; readonly counts: Readonly<Record<string, number>>; readonly cpuMsPerSeed: number; readonly failures: readonly { readonly seed: number; readonly invariant: string; readonly message: string }[] }
const result = (out: string) => JSON.parse(out) as Result

describe('npm run sim', () => {
  test('the same seeds give the same digest, in one process or in two, and break no rule', () => {
    const one = sim('--seeds', '200', '--from', '1', '--json', '--jobs', '1')
    const two = sim('--seeds', '200', '--from', '1', '--json', '--jobs', '2')
    expect(result(one.out).failures).toEqual([])
    expect(one.code).toBe(0)
    expect(result(one.out)).toMatchObject({ seeds: 200 })
    expect(result(one.out).crashes).toBeGreaterThan(20)
    const { cpuMsPerSeed: _one, ...first } = result(one.out)
    const { cpuMsPerSeed: _two, ...second } = result(two.out)
    expect(second).toEqual(first)
    // What the seeds reached is counted.
    expect(first.counts['call late']).toBeGreaterThan(5)
  }, 120_000)

  test('a planted bug ends with 1 and the seed that found it, the same one every time', () => {
    const first = sim('--mutant', 'intent-after-call', '--seeds', '200', '--json')
    expect(first.code).toBe(1)
    expect(result(first.out).failures).toHaveLength(1)
    expect(result(first.out).failures[0]).toMatchObject({ seed: 1, invariant: 'I-INTENT' })
    expect(result(sim('--mutant', 'intent-after-call', '--seeds', '200', '--json', '--jobs', '1').out).digest).toBe(result(first.out).digest)
  }, 60_000)

  test('names its mutants, and refuses one that there is not', () => {
    expect((JSON.parse(sim('--mutants', '--json').out) as { name: string }[]).map((m) => m.name)).toEqual(Object.keys(mutants))
    expect(sim('--mutant', 'no-such-bug').code).toBe(2)
  })

  test('shows the history of one seed', () => {
    const { code, err } = sim('--seed', '7', '--trace')
    expect(code).toBe(0)
    expect(err).toMatch(/\d+ \w+\.1 begins apply/)
  })
})

/** In a macrotask of its own, as the simulation needs it. */
const apart = <T>(act: () => T): Promise<T> => new Promise((resolve, reject) => setImmediate(() => {
  try {
    resolve(act())
  } catch (e) {
    reject(e)
  }
}))

describe('a failing seed as a test', () => {
  test('a life told with its faults by name is the life that was drawn', async () => {
    let faults = 0
    for (let seed = 1; seed <= 25; seed++) {
      const drawn = drawScenario(seed)
      const first = await apart(() => runScenario(drawn, false))
      const again = await apart(() => runScenario({ ...drawn, rates: undefined, faults: first.faults }, false))
      expect([seed, again.digest, again.missed]).toEqual([seed, first.digest, []])
      faults += first.faults.length
    }
    expect(faults).toBeGreaterThan(10)
  })

  test('is written as one that fails with the bug, telling the steps, the faults and the rule, and passes without it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-found-'))
    try {
      const { code } = sim('--mutant', 'no-quarantine', '--seeds', '1000', '--write', folder, '--json')
      expect(code).toBe(1)
      const [name] = readdirSync(folder)
      const text = readFileSync(join(folder, name as string), 'utf8')
      const title = /^test\('(seed \d+: I-[A-Z]+)', \(\) => relive\(\{$/m.exec(text)?.[1]
      expect(title).toBeDefined()
      expect(text.split('\n').length).toBeLessThan(60)
      // The file itself, with what it imports handed in.
      const tests = new Map<string, () => Promise<void>>()
      new Function('test', 'relive', text.replace(/^import .*$/gm, ''))((n: string, f: () => Promise<void>) => tests.set(n, f), relive)
      const run = tests.get(title as string) as () => Promise<void>
      await run()
      process.env.HOLDFAST_MUTANT = 'no-quarantine'
      await expect(run()).rejects.toThrow(/^I-[A-Z]+: [\s\S]*begins apply[\s\S]*call create sim:\w n\d+ (late|replyLost|requestLost)/)
    } finally {
      delete process.env.HOLDFAST_MUTANT
      rmSync(folder, { recursive: true, force: true })
    }
  }, 120_000)
})
