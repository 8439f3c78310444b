// npm run verify: the long suites. Each takes at most 8 minutes, all of them at most 45.
//
//   npm run verify                    all
//   npm run verify -- crash-matrix    some, by name
//   npm run verify -- --list          their names
//
// A suite is one line of the table below: a vitest file packages/holdfast/test/verify/NAME.test.ts, or a script whose last line is `N passed, N failed`.
// The last line is `N passed, N failed` over all; exit 1 when anything failed.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { holdfast } from './lib/paths.mjs'
import { runScript } from './lib/run.mjs'
import { runVitest } from './lib/vitest.mjs'

const SUITE_MS_MAX = 480_000
const TOTAL_MS_MAX = 2_700_000

const suites = [
  { name: 'quickstart', what: 'examples/quickstart over HTTP: up, changed, broken, taken back, destroyed; a client counts failed requests' },
  { name: 'builtin-kill', what: 'every built-in type, killed at every step of every call' },
  { name: 'tarball', what: 'the packed package in an empty folder, scripts blocked, on Node 20 and on the newest Node' },
  { name: 'bench', what: 'the benchmarks against their targets', script: ['node', 'bench/run.mjs', '--gate'] },
]

const args = process.argv.slice(2)
if (args.includes('--list')) {
  for (const { name, what } of suites) console.log(`${name.padEnd(16)} ${what}`)
  process.exit(0)
}
const unknown = args.filter((name) => !suites.some((suite) => suite.name === name))
if (unknown.length > 0) {
  console.error(`npm run verify: no suite ${unknown.join(', ')}; there are ${suites.map((s) => s.name).join(', ')}`)
  process.exit(2)
}
if (!existsSync(join(holdfast, 'dist/bin.js'))) {
  console.error('npm run verify: build first (npm run build)')
  process.exit(2)
}

const startedAt = Date.now()
const total = { passed: 0, failed: 0 }
const report = []
for (const { name, script } of suites) {
  if (args.length > 0 && !args.includes(name)) continue
  const begun = Date.now()
  const timeoutMs = Math.min(SUITE_MS_MAX, TOTAL_MS_MAX - (begun - startedAt))
  console.log(`\n== ${name}`)
  const { passed, failed, note } = timeoutMs <= 0
    ? { passed: 0, failed: 1, note: 'no time was left' }
    : await (script ? runScript(script, { timeoutMs }) : runVitest([join(holdfast, 'test/verify', `${name}.test.ts`)], { timeoutMs, env: { HOLDFAST_VERIFY: '1' } }))
  total.passed += passed
  total.failed += failed
  report.push(`${failed > 0 ? 'FAIL' : 'ok  '}  ${name.padEnd(16)} ${((Date.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${passed} passed, ${failed} failed${note ? `  (${note})` : ''}`)
}
console.log(`\n${report.join('\n')}\n`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exit(total.failed > 0 ? 1 : 0)
