// The simulation as suites of `npm run verify`; the last line is `N passed, N failed`.
//
//   node scripts/verify-sim.mjs seeds FROM COUNT   no rule may be broken; each broken seed is a failure. The control run of the mutants
//   node scripts/verify-sim.mjs mutants [--write]  each planted bug must be found within 5,000 seeds; --write notes which one finds it, for the next time
//   node scripts/verify-sim.mjs same               200 seeds in one process and in two: one digest; a found bug is written as a test, which vitest sees
//                                                  fail with the bug and pass without
//
// One seed costs about 7 ms of CPU on two shared cores (Node 20.20); each suite of seeds is one process at a time, so two of them use both cores.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { holdfast } from './lib/paths.mjs'
import { run } from './lib/run.mjs'

const sim = (...args) => run(process.execPath, ['scripts/sim.mjs', '--json', ...args], { quiet: true })
const [what, from, count] = process.argv.slice(2)
const SEEDS = 5000
const foundFile = join(holdfast, 'test/sim/found.json')
const reached = [
  'call late', 'call late, silent', 'call requestLost, silent', 'call replyLost', 'call reject', 'call partial', 'commit slow', 'commit refused, disk full', 'pause of a holder', 'rival', 'cancelled',
  'crash before a commit', 'crash after a commit', 'crash before a call', 'crash after a call', 'crash before a look', 'crash after a look', 'crash at some moment',
  'lease taken over', 'lease lost', 'lease held by another', 'key known', 'event tx.recovered', 'event tx.resent', 'event tx.unknown', 'event tx.spooled', 'event tx.byHand', 'event task.partial',
  'ended applied', 'ended reverted HF3101', 'ended kept HF3101', 'ended incomplete HF3103', 'ended incomplete HF4203', 'life long', 'watched',
]
let passed = 0
let failed = 0

if (what === 'seeds') {
  const { code, out } = await sim('--from', from, '--seeds', count, '--jobs', '1')
  const result = read(out)
  for (const failure of result?.failures ?? []) console.log(`seed ${failure.seed}: ${failure.invariant}: ${failure.message}`)
  if (result) {
    console.log(`${result.seeds} seeds, ${result.events} events, ${result.crashes} crashes, ${result.cpuMsPerSeed} ms of CPU each, digest ${result.digest}`)
    for (const [what, n] of Object.entries(result.counts)) console.log(`  ${what.padEnd(40)} ${n}`)
  }
  failed = result ? result.failures.length : 1
  if (failed === 0 && (code !== 0 || result.seeds !== Number(count))) failed = 1
  passed = Math.max(0, (result?.seeds ?? 0) - failed)
  // Seeds that reach too little prove too little: each of these occurs at least once in a thousand seeds.
  for (const what of reached) {
    if ((result?.counts[what] ?? 0) >= Number(count) / 1000) continue
    console.log(`hardly reached: ${what} ${result?.counts[what] ?? 0}`)
    failed++
  }
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
} else if (what === 'same') {
  const verdict = (ok, name) => {
    if (ok) passed++
    else failed++
    console.log(`${ok ? 'ok  ' : 'FAIL'}  ${name}`)
  }
  const one = read((await sim('--from', '200001', '--seeds', '200', '--jobs', '1')).out)
  const two = read((await sim('--from', '200001', '--seeds', '200', '--jobs', '2')).out)
  verdict(one?.seeds === 200 && one.digest === two?.digest, `200 seeds, one process and two: ${one?.digest} ${two?.digest}`)
  verdict(one !== undefined && JSON.stringify(one.counts) === JSON.stringify(two?.counts), 'the same counts')
  await foundIsWritten(verdict)
} else {
  console.error('node scripts/verify-sim.mjs seeds FROM COUNT | mutants [--write] | same')
  process.exit(2)
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 ? 1 : 0)

async function find(name, from, count) {
  const { code, out } = await sim('--mutant', name, '--from', String(from), '--seeds', String(count))
  return code === 1 ? read(out)?.failures[0] : undefined
}

/** A bug that was found stands as a test in the tests' own folder: vitest runs it there, with the bug and without. */
async function foundIsWritten(verdict) {
  const folder = join(holdfast, 'test/found-by-verify')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  try {
    for (const mutant of ['no-quarantine', 'no-fence-check', 'wrong-delete-order']) {
      await sim('--mutant', mutant, '--seeds', '5000', '--write', folder)
      const [name] = readdirSync(folder)
      const file = join(folder, name ?? 'nothing')
      const vitest = (env) => run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', '--maxWorkers=1', file], { quiet: true, env: { ...process.env, HOLDFAST_VERIFY: '', ...env } })
      verdict(name !== undefined && (await vitest({ HOLDFAST_MUTANT: mutant })).code === 1, `${mutant}: ${name} fails with the bug`)
      verdict(name !== undefined && (await vitest({})).code === 0, `${mutant}: ${name} passes without`)
      if (name) rmSync(file)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function read(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
