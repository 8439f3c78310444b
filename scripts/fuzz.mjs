// npm run fuzz: the engine on drawn programs, states, faults and targets, one or few operations a case; every rule of the life cycle is checked after each.
//
//   npm run fuzz -- --seeds 50000 --from 1 --json   { cases, ops, calls, commits, codes, digest, failures }
//   npm run fuzz -- --seed 42 --trace               what happened in one case
//   npm run fuzz -- --seeds 100 --small FOLDER      writes every failing case down as a test, as small as it gets
//   npm run fuzz -- --mutant NAME --seeds 5000      plants a named bug; exit 1 with the seed that found it
//   npm run fuzz -- --mutants                       the names
//
// The same seeds give the same digest, whatever --jobs says. Exit 1 when a rule did not hold.
import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { loadTs } from './lib/load-ts.mjs'
import { holdfast } from './lib/paths.mjs'
import { countsOf, failuresOf, runSeeds, seedFlags, sumOf } from './lib/seeds.mjs'

const startedAt = performance.now()
const flags = seedFlags({ small: { type: 'string' }, prof: { type: 'string' } })
const { fuzzMutants } = await loadTs(join(holdfast, 'test/fuzz/mutants.ts'))
await runSeeds({
  tool: 'fuzz', entry: join(holdfast, 'test/fuzz/main.ts'), mutants: fuzzMutants, flags, chunk: { plain: 2500, planted: 100 },
  request: flags.small === undefined ? {} : { small: resolve(flags.small) }, nodeFlags: flags.prof ? ['--cpu-prof', `--cpu-prof-dir=${flags.prof}`] : [],
}, report)

async function report(parts) {
  const sum = (key) => sumOf(parts, key)
  const failures = failuresOf(parts)
  const codes = countsOf(parts, 'codes')
  const digest = createHash('sha256').update(parts.map((p) => p.digests.join('\n')).join('\n')).digest('hex')
  const result = { cases: sum('cases'), ops: sum('ops'), calls: sum('calls'), commits: sum('commits'), codes, digest, failures }
  const seconds = (performance.now() - startedAt) / 1000
  if (flags.json) console.log(JSON.stringify(result))
  else {
    for (const f of failures.slice(0, 20)) console.log(`seed ${f.seed}: (${f.rule}) ${f.message}${f.test ? `\n  ${f.test}` : ''}`)
    console.log(`${result.cases} cases, ${result.ops} operations, ${result.calls} calls, ${result.commits} commits, ${failures.length} failures, ${seconds.toFixed(1)} s (${(sum('cpuMs') / Math.max(1, result.cases)).toFixed(2)} ms of CPU per case), digest ${digest.slice(0, 16)}`)
    console.log(`exit codes: ${Object.entries(codes).map(([k, n]) => `${k}: ${n}`).join(', ')}`)
  }
  return failures.length > 0 ? 1 : 0
}
