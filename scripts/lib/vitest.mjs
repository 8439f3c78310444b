// Runs vitest and reads its own report, so that a count is never guessed from an exit code.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './paths.mjs'
import { run } from './run.mjs'

/** Gives `{ passed, failed, note? }`. A file that cannot be collected, an unhandled error, a skipped test and an empty run are failures. */
export async function runVitest(args, { timeoutMs, env = {} } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-vitest-'))
  const file = join(folder, 'report.json')
  try {
    const { code, timedOut } = await run(join(root, 'node_modules/.bin/vitest'), ['run', ...args, '--reporter=dot', '--reporter=json', `--outputFile.json=${file}`], { timeoutMs, env: { ...process.env, ...env } })
    if (timedOut) return { passed: 0, failed: 1, note: `stopped after ${Math.round(timeoutMs / 1000)} s` }
    return countReport(readFileSync(file, 'utf8'), code)
  } catch (error) {
    return { passed: 0, failed: 1, note: `no report: ${error.message}` }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The counts of a report of vitest that ended with `code`. */
export function countReport(text, code) {
  const report = JSON.parse(text)
  const brokenFiles = report.testResults.filter((file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')).length
  const skipped = report.numPendingTests + report.numTodoTests
  const passed = report.numPassedTests
  let failed = report.numFailedTests + brokenFiles + skipped
  const notes = []
  if (skipped > 0) notes.push(`${skipped} skipped, which counts as failed`)
  if (brokenFiles > 0) notes.push(`${brokenFiles} files could not be run`)
  if (code !== 0 && failed === 0) { failed = 1; notes.push(`vitest ended with ${code}`) }
  if (passed + failed === 0) { failed = 1; notes.push('no test was found') }
  return { passed, failed, ...(notes.length > 0 ? { note: notes.join('; ') } : {}) }
}
