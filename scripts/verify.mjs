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
  { name: 'quickstart-secrets', what: 'a provider, a command and a process that say their secrets aloud, in pieces too: no file and no stream holds one' },
  { name: 'crash-first', what: 'SIGKILL before and after every commit of the first apply of the quickstart' },
  { name: 'crash-update', what: 'the same for an apply of new code and configuration' },
  { name: 'crash-failing', what: 'the same for an apply that fails and is taken back' },
  { name: 'crash-destroy', what: 'the same for a destroy' },
  { name: 'parts', what: 'several commands on parts of one environment at the same time, with faults and deaths; planted bugs are found; SEED=n begins there' },
  { name: 'parts-kill', what: 'real commands on parts of one environment at the same time, killed at random moments; SEED=n draws others' },
  { name: 'kill-1', what: 'SIGKILL at random moments of runs of 500 resources with update, replace and delete; SEED=n runs one seed' },
  { name: 'kill-2', what: 'more random moments, other seeds' },
  { name: 'kill-3', what: 'more random moments, other seeds' },
  { name: 'kill-4', what: 'more random moments, other seeds' },
  { name: 'kill-5', what: 'more random moments, other seeds' },
  { name: 'kill-6', what: 'more random moments, other seeds' },
  { name: 'builtin-kill', what: 'every built-in type, killed at every step of every call' },
  { name: 'postgres', what: 'password, initdb, a failing third step, taken back, applied again, on a real PostgreSQL' },
  { name: 'postgres-kill', what: 'the same, killed in the middle of initdb and at its commits: first apply, destroy, taking back' },
  { name: 'bad-state', what: 'state files that are damaged, locked, read-only or gone, and keys that are wrong or missing' },
  { name: 'disk-full', what: 'the disk fills up at every 64 KiB of what a run writes' },
  { name: 'tarball', what: 'the packed package in an empty folder, scripts blocked, on Node 20 and on the newest Node' },
  { name: 'types', what: 'the types of the packed package under TypeScript 5.9, 6 and 7, with the lowest and the newest zod 4' },
  { name: 'cli-runs', what: 'the command line in trouble: lost answers settled by hand, Ctrl-C, two at once, resume and revert' },
  { name: 'cli-plans', what: 'the command line and stored plans: applied once, stale, approved, protected, targeted; trash and assets' },
  { name: 'cli-bad-provider', what: 'the command line with providers that throw, hang, lie or are gone' },
  { name: 'process-crash', what: 'a managed process and its supervisor, killed at every step of starting, stopping and replacing' },
  { name: 'flow-kill', what: 'durable workflows, killed at each of their commits by real processes; bugs planted in their journal are found' },
  { name: 'flow-hunt', what: '600 kills of durable workflows at random moments: nothing doubled, nothing lost; SEED=n runs one flow' },
  { name: 'recovery-model', what: 'every crash of every change of every class, with a crash during recovery, with two holders, with requests turned away; planted bugs are found' },
  { name: 'recovery-pairs', what: 'two holders, and the second dies at each of its steps while it recovers' },
  { name: 'embed-kill', what: 'the engine over providers of targets and snapshots: real processes killed at every write of a begin and an end, dead at every moment in memory, twice; SEED=n runs one seed' },
  { name: 'simulation-1', what: 'the engine in a simulated world, seeds 1 to 25,000', script: ['node', 'scripts/verify-sim.mjs', 'seeds', '1', '25000'] },
  { name: 'simulation-2', what: 'seeds 25,001 to 50,000', script: ['node', 'scripts/verify-sim.mjs', 'seeds', '25001', '25000'] },
  { name: 'simulation-3', what: 'seeds 50,001 to 75,000', script: ['node', 'scripts/verify-sim.mjs', 'seeds', '50001', '25000'] },
  { name: 'simulation-4', what: 'seeds 75,001 to 100,000', script: ['node', 'scripts/verify-sim.mjs', 'seeds', '75001', '25000'] },
  { name: 'simulation-same', what: 'the same seeds give the same history in one process and in two, and told by name; a failing seed is written as a test', script: ['node', 'scripts/verify-sim.mjs', 'same'] },
  { name: 'simulation-tool', what: 'npm run sim: one history for one seed, what it prints, planted bugs found, minimised and written as tests' },
  { name: 'mutants', what: 'each planted bug is found by the simulation within 5,000 seeds', script: ['node', 'scripts/verify-sim.mjs', 'mutants'] },
  { name: 'fuzz-1', what: 'the life cycle on drawn programs, states and faults, cases 1 to 12,500', script: ['node', 'scripts/verify-fuzz.mjs', 'seeds', '1', '12500'] },
  { name: 'fuzz-2', what: 'cases 12,501 to 25,000', script: ['node', 'scripts/verify-fuzz.mjs', 'seeds', '12501', '12500'] },
  { name: 'fuzz-3', what: 'cases 25,001 to 37,500', script: ['node', 'scripts/verify-fuzz.mjs', 'seeds', '25001', '12500'] },
  { name: 'fuzz-4', what: 'cases 37,501 to 50,000', script: ['node', 'scripts/verify-fuzz.mjs', 'seeds', '37501', '12500'] },
  { name: 'fuzz-mutants', what: 'each bug planted in the life cycle is found within 10,000 cases, and none without', script: ['node', 'scripts/verify-fuzz.mjs', 'mutants'] },
  { name: 'bench-guard', what: 'the measuring itself, and a target that is missed' },
  { name: 'bench', what: 'the benchmarks against their targets', script: ['node', 'bench/run.mjs', '--gate', '--factor', '3'], alone: true },
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
const chosen = suites.filter(({ name }) => args.length === 0 || args.includes(name))

async function suite({ name, script }) {
  const begun = Date.now()
  const timeoutMs = Math.min(SUITE_MS_MAX, TOTAL_MS_MAX - (begun - startedAt))
  console.log(`\n== ${name}`)
  const { passed, failed, note } = timeoutMs <= 0
    ? { passed: 0, failed: 1, note: 'no time was left' }
    : await (script ? runScript(script, { timeoutMs }) : runVitest([join(holdfast, 'test/verify', `${name}.test.ts`)], { timeoutMs, env: { HOLDFAST_VERIFY: '1' } }))
  total.passed += passed
  total.failed += failed
  report.push(`${failed > 0 ? 'FAIL' : 'ok  '}  ${name.padEnd(18)} ${((Date.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${passed} passed, ${failed} failed${note ? `  (${note})` : ''}`)
}

// Two at a time: a suite is one process with a child at a time, mostly waiting for it. What measures time runs alone, at the end.
const queue = chosen.filter((s) => !s.alone)
const lane = async () => {
  for (let next = queue.shift(); next; next = queue.shift()) await suite(next)
}
await Promise.all([lane(), lane()])
for (const s of chosen.filter((x) => x.alone)) await suite(s)
console.log(`\n${report.join('\n')}\n`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exit(total.failed > 0 ? 1 : 0)
