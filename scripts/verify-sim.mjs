// The simulation as suites of `npm run verify`; the last line is `N passed, N failed`.
//
//   node scripts/verify-sim.mjs seeds FROM COUNT   no rule may be broken; each broken seed is a failure. The control run of the mutants
//   node scripts/verify-sim.mjs mutants            each planted bug must be found within 5,000 seeds
import { run } from './lib/run.mjs'

const sim = (...args) => run(process.execPath, ['scripts/sim.mjs', '--json', ...args], { quiet: true })
const [what, from, count] = process.argv.slice(2)
let passed = 0
let failed = 0

if (what === 'seeds') {
  const { code, out } = await sim('--from', from, '--seeds', count)
  const result = read(out)
  for (const failure of result?.failures ?? []) console.log(`seed ${failure.seed}: ${failure.invariant}: ${failure.message}`)
  if (result) console.log(`${result.seeds} seeds, ${result.events} events, ${result.crashes} crashes, digest ${result.digest}`)
  failed = result ? result.failures.length : 1
  if (failed === 0 && (code !== 0 || result.seeds !== Number(count))) failed = 1
  passed = Math.max(0, (result?.seeds ?? 0) - failed)
} else if (what === 'mutants') {
  for (const { name, what: bug } of read((await sim('--mutants')).out) ?? []) {
    const begun = Date.now()
    const { code, out } = await sim('--mutant', name, '--seeds', '5000')
    const found = read(out)?.failures[0]
    if (code === 1 && found) passed++
    else failed++
    console.log(`${found ? 'found ' : 'MISSED'}  ${name.padEnd(28)} ${((Date.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${found ? `seed ${found.seed}: ${found.invariant}` : bug}`)
  }
  if (passed + failed === 0) failed = 1
} else {
  console.error('node scripts/verify-sim.mjs seeds FROM COUNT | mutants')
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
