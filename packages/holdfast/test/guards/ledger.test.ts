import { describe, expect, test } from 'vitest'
import { script, tree } from './tree.ts'

const ledger = (...args: string[]) => script('scripts/ledger.mjs', ...args)

describe('ledger', () => {
  test('--json gives the number of rows and the ids without a test', () => {
    const { code, stdout } = ledger('--json')
    const { rows, missing } = JSON.parse(stdout) as { rows: number; missing: string[] }
    expect({ code, rows }).toEqual({ code: 0, rows: 560 })
    expect(new Set(missing).size).toBe(missing.length)
  })

  test('a row counts when the name of a test holds its id, and only then', () => {
    const tests = tree({
      'a.test.ts': "describe('S000-02: the port', () => {})\ntest(`S000-03 a change`, () => {})\n// test('S000-04 not a test')\nconst s = 'S000-05'\ntest.each([1])('S000-06 with each', () => {})\n",
      'b.ts': "test('S000-07 in a file that is no test', () => {})\n",
      'c-cases.ts': "export const all = cases((test) => {\n  test('S000-08 a case of an exported suite', async () => {})\n})\n",
    })
    const { missing } = JSON.parse(ledger('--json', '--tests', tests).stdout) as { missing: string[] }
    expect(missing).toHaveLength(556)
    for (const id of ['S000-02', 'S000-03', 'S000-06', 'S000-08']) expect(missing).not.toContain(id)
    for (const id of ['S000-01', 'S000-04', 'S000-05', 'S000-07', 'S000-1']) expect(missing.includes(id)).toBe(id !== 'S000-1')
  })

  test('every scenario of the state backend is a test', () => {
    expect(JSON.parse(ledger('--json').stdout)).toMatchObject({ scenarios: { rows: 124, missing: [] } })
  })

  test('red: a scenario without a test, and a test of a scenario that there is not', () => {
    const some = JSON.parse(ledger('--json', '--tests', tree({ 'a.test.ts': "test('B8.9#148 the power is lost', () => {})\n" })).stdout) as { scenarios: { missing: string[] } }
    expect(some.scenarios.missing).toHaveLength(123)
    const { code, stderr } = ledger('--tests', tree({ 'a.test.ts': "test('B8.9#999 nothing', () => {})\n" }))
    expect([code, stderr]).toEqual([1, expect.stringMatching(/there is no scenario B8\.9#999/)])
  })

  test('red: a test that names a row which does not exist', () => {
    const { code, stderr } = ledger('--tests', tree({ 'a.test.ts': "test('S009-99 nothing', () => {})\n" }))
    expect(stderr).toMatch(/S009-99 is not in the ledger/)
    expect(code).toBe(1)
  })

  test('without --json the rows stand by area, with a sum at the end', () => {
    expect(ledger().stdout.trimEnd().split('\n').at(-1)).toMatch(/^ledger: \d+ of 560 rows have a test$/)
  })
})
