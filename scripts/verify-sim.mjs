// The simulation as suites of `npm run verify`; the last line is `N passed, N failed`.
//
//   node scripts/verify-sim.mjs seeds FROM COUNT   no rule may be broken; each broken seed is a failure. The control run of the mutants
//   node scripts/verify-sim.mjs mutants [--write]  each planted bug must be found within 5,000 seeds; --write notes which one finds it, for the next time
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { holdfast } from './lib/paths.mjs'
import { run } from './lib/run.mjs'

const sim = (...args) => run(process.execPath, ['scripts/sim.mjs', '--json', ...args], { quiet: true })
const [what, from, count] = process.argv.slice(2)
const SEEDS = 5000
const foundFile = join(holdfast, 'test/sim/found.json')
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
  const bugs = read((await sim('--mutants')).out) ?? []
  const hints = read(readFileSync(foundFile, 'utf8')) ?? {}
  const seen = {}
  for (const { name, what: bug } of bugs) {
    const begun = Date.now()
    const hint = hints[name]?.seed
    // The seed that found it last time, when it is one of the 5,000; then all of them in order.
    let found = hint >= 1 && hint <= SEEDS ? await find(name, hint, 1) : undefined
    found ??= await find(name, 1, SEEDS)
    if (found) passed++
    else failed++
    if (found) seen[name] = { seed: found.seed, invariant: found.invariant }
    console.log(`${found ? 'found ' : 'MISSED'}  ${name.padEnd(30)} ${((Date.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${found ? `seed ${found.seed}: ${found.invariant}` : bug}`)
  }
  if (passed + failed === 0) failed = 1
  if (process.argv.includes('--write')) writeFileSync(foundFile, `{\n${Object.entries(seen).map(([name, f]) => `  "${name}": { "seed": ${f.seed}, "invariant": "${f.invariant}" }`).join(',\n')}\n}\n`)
} else {
  console.error('node scripts/verify-sim.mjs seeds FROM COUNT | mutants [--write]')
  process.exit(2)
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 ? 1 : 0)

async function find(name, from, count) {
  const { code, out } = await sim('--mutant', name, '--from', String(from), '--seeds', String(count))
  return code === 1 ? read(out)?.failures[0] : undefined
}

function read(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
