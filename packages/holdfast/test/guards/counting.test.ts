import { describe, expect, test } from 'vitest'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { repository, tree } from './tree.ts'

const lib = (name: string) => import(pathToFileURL(join(repository, 'scripts/lib', name)).href)
const report = (tests: object, results: object[] = []) => JSON.stringify({ numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: results, ...tests })

describe('the count of npm test', () => {
  test('passed and failed tests are counted as vitest reports them', async () => {
    const { countReport } = await lib('vitest.mjs')
    expect(countReport(report({ numPassedTests: 3 }), 0)).toEqual({ passed: 3, failed: 0 })
    expect(countReport(report({ numPassedTests: 3, numFailedTests: 2 }), 1)).toMatchObject({ passed: 3, failed: 2 })
  })

  test('red: a skipped test, a file that cannot be run, an empty run, and an exit code without a failed test', async () => {
    const { countReport } = await lib('vitest.mjs')
    expect(countReport(report({ numPassedTests: 3, numPendingTests: 1 }), 0)).toMatchObject({ failed: 1, note: '1 skipped, which counts as failed' })
    expect(countReport(report({ numPassedTests: 3 }, [{ status: 'failed', assertionResults: [] }]), 1)).toMatchObject({ failed: 1 })
    expect(countReport(report({}), 0)).toMatchObject({ passed: 0, failed: 1 })
    expect(countReport(report({ numPassedTests: 3 }), 1)).toMatchObject({ passed: 3, failed: 1 })
  })

  const scripts: Record<string, [string, object]> = {
    'its last line counts': ["console.log('5 passed, 0 failed')", { passed: 5, failed: 0 }],
    'red: a failed test of a script': ["console.log('5 passed, 1 failed'); process.exitCode = 1", { passed: 5, failed: 1 }],
    'red: no count at all': ["console.log('fine')", { passed: 0, failed: 1 }],
    'red: a count that its exit code contradicts': ["console.log('5 passed, 0 failed'); process.exitCode = 3", { passed: 5, failed: 1 }],
    'red: nothing was counted': ["console.log('0 passed, 0 failed')", { passed: 0, failed: 1 }],
    'red: a script that hangs': ["console.log('5 passed, 0 failed'); setInterval(() => {}, 1000)", { passed: 0, failed: 1 }],
  }
  for (const [what, [text, counts]] of Object.entries(scripts)) {
    test(`a suite that is a script: ${what}`, async () => {
      const { runScript } = await lib('run.mjs')
      expect(await runScript(['node', join(tree({ 'suite.mjs': text }), 'suite.mjs')], { timeoutMs: 5_000 })).toMatchObject(counts)
    })
  }
})
