// The fuzzer of the life cycle as suites of `npm run verify`; the last line is `N passed, N failed`.
//
//   node scripts/verify-fuzz.mjs seeds FROM COUNT   no rule may be broken; each case that breaks one is a failure, and is written down as a test
//   node scripts/verify-fuzz.mjs mutants            each planted bug must be found within 10,000 cases; the control run finds nothing
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './lib/run.mjs'

const MUTANT_CASES = 10_000
const CONTROL_CASES = 5_000
const fuzz = (...args) => run(process.execPath, ['scripts/fuzz.mjs', '--json', ...args], { quiet: true })
const [what, from, count] = process.argv.slice(2)
let passed = 0
let failed = 0

async function seeds(first, number) {
  const { code, out } = await fuzz('--from', first, '--seeds', number)
  const result = read(out)
  for (const failure of result?.failures ?? []) console.log(`case ${failure.seed}: (${failure.rule}) ${failure.message}`)
  if (result) console.log(`${result.cases} cases, ${result.ops} operations, ${result.calls} calls, ${result.commits} commits, digest ${result.digest}`)
  const broken = result ? result.failures.length : 1
  if (broken > 0 && result) {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-fuzz-failures-'))
    for (const { seed } of result.failures.slice(0, 3)) await fuzz('--seed', String(seed), '--small', folder)
    console.log(`the first failures as tests: ${folder}`)
  }
  return { broken: broken === 0 && (code !== 0 || result.cases !== Number(number)) ? 1 : broken, cases: result?.cases ?? 0 }
}

if (what === 'seeds') {
  const { broken, cases } = await seeds(from, count)
  failed = broken
  passed = Math.max(0, cases - failed)
} else if (what === 'mutants') {
  for (const { name, what: bug } of read((await fuzz('--mutants')).out) ?? []) {
    const begun = Date.now()
    const { code, out } = await fuzz('--mutant', name, '--seeds', String(MUTANT_CASES))
    const found = read(out)?.failures[0]
    if (code === 1 && found) passed++
    else failed++
    console.log(`${found ? 'found ' : 'MISSED'}  ${name.padEnd(28)} ${((Date.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${found ? `case ${found.seed}: (${found.rule}) ${found.message.split('\n')[0]}` : bug}`)
  }
  if (passed + failed === 0) failed = 1
  const { broken } = await seeds('1', String(CONTROL_CASES))
  console.log(`control: ${broken} of ${CONTROL_CASES} cases break a rule without a planted bug`)
  if (broken > 0) failed++
  else passed++
} else {
  console.error('node scripts/verify-fuzz.mjs seeds FROM COUNT | mutants')
  process.exit(2)
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 ? 1 : 0)

function read(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
