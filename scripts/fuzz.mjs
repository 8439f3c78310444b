// npm run fuzz: the engine on drawn programs, states, faults and targets, one or few operations a case; every rule of the life cycle is checked after each.
//
//   npm run fuzz -- --seeds 50000 --from 1 --json   { cases, ops, calls, commits, codes, digest, failures }
//   npm run fuzz -- --seed 42 --trace               what happened in one case
//   npm run fuzz -- --seeds 100 --small FOLDER      writes every failing case down as a test, as small as it gets
//   npm run fuzz -- --mutant NAME --seeds 5000      plants a named bug; exit 1 with the seed that found it
//   npm run fuzz -- --mutants                       the names
//
// The same seeds give the same digest, whatever --jobs says. Exit 1 when a rule did not hold.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { loadTs } from './lib/load-ts.mjs'
import { holdfast } from './lib/paths.mjs'

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string' }, seed: { type: 'string' }, from: { type: 'string', default: '1' }, jobs: { type: 'string' }, small: { type: 'string' }, prof: { type: 'string' },
    json: { type: 'boolean', default: false }, trace: { type: 'boolean', default: false }, mutant: { type: 'string' }, mutants: { type: 'boolean', default: false },
  },
})
const number = (name) => {
  const n = Number(flags[name])
  if (Number.isInteger(n) && n >= 0) return n
  console.error(`npm run fuzz: --${name} ${flags[name]} is not a number`)
  process.exit(2)
}

const { fuzzMutants } = await loadTs(join(holdfast, 'test/fuzz/mutants.ts'))
if (flags.mutants) {
  if (flags.json) console.log(JSON.stringify(Object.entries(fuzzMutants).map(([name, what]) => ({ name, what }))))
  else for (const [name, what] of Object.entries(fuzzMutants)) console.log(`${name.padEnd(28)} ${what}`)
  process.exit(0)
}
if (flags.mutant !== undefined && !(flags.mutant in fuzzMutants)) {
  console.error(`npm run fuzz: there is no mutant ${flags.mutant}; there are ${Object.keys(fuzzMutants).join(', ')}`)
  process.exit(2)
}

const from = flags.seed === undefined ? number('from') : number('seed')
const count = flags.seed !== undefined ? 1 : flags.seeds !== undefined ? number('seeds') : flags.mutant ? 5000 : 1000
const jobs = Math.min(flags.jobs === undefined ? Math.min(2, availableParallelism()) : Math.max(1, number('jobs')), Math.max(1, count))

const folder = mkdtempSync(join(tmpdir(), 'holdfast-fuzz-'))
try {
  const file = join(folder, 'fuzz.mjs')
  await build({ entryPoints: [join(holdfast, 'test/fuzz/main.ts')], outfile: file, bundle: true, format: 'esm', platform: 'node', target: 'node20', define: { HOLDFAST_VERSION: '"fuzz"' }, logLevel: 'warning', sourcemap: 'inline',
    banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" }, external: ['@photostructure/sqlite'] })
  process.exitCode = await main(file)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function main(file) {
  const startedAt = performance.now()
  const parts = toFirstFinding(await inChunks(file))
  const sum = (key) => parts.reduce((n, p) => n + p[key], 0)
  const failures = parts.flatMap((p) => p.failures).sort((a, b) => a.seed - b.seed)
  const codes = {}
  for (const p of parts) for (const [k, n] of Object.entries(p.codes)) codes[k] = (codes[k] ?? 0) + n
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

/** With a mutant only the first finding counts, so that the answer does not depend on what else was running. */
function toFirstFinding(parts) {
  const at = flags.mutant === undefined ? -1 : parts.findIndex((p) => p.failures.length > 0)
  return at < 0 ? parts : parts.slice(0, at + 1)
}

/** Runs the cases in order, in chunks handed to `jobs` processes. With a mutant, no further chunk starts after the first finding. */
async function inChunks(file) {
  const size = Math.max(1, Math.min(flags.mutant === undefined ? 2500 : 100, Math.ceil(count / jobs)))
  const chunks = []
  for (let at = 0; at < count; at += size) chunks.push({ from: from + at, count: Math.min(size, count - at) })
  const parts = new Array(chunks.length)
  let next = 0
  let found = false
  const worker = async () => {
    while (next < chunks.length && !found) {
      const i = next++
      parts[i] = await runChunk(file, chunks[i])
      if (flags.mutant !== undefined && parts[i].failures.length > 0) found = true
    }
  }
  await Promise.all(Array.from({ length: jobs }, worker))
  return parts.filter((p) => p !== undefined)
}

function runChunk(file, chunk) {
  const request = { ...chunk, trace: flags.trace, ...(flags.small === undefined ? {} : { small: resolve(flags.small) }), ...(flags.mutant === undefined ? {} : { mutant: flags.mutant, stopAtFirst: true }) }
  return new Promise((done, reject) => {
    const child = spawn(process.execPath, [...(flags.prof ? ['--cpu-prof', `--cpu-prof-dir=${flags.prof}`] : []), '--enable-source-maps', file, JSON.stringify(request)], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', (text) => { out += text })
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) done(JSON.parse(out))
      else reject(new Error(`the fuzzer ended with ${code} in cases ${chunk.from} to ${chunk.from + chunk.count - 1}`))
    })
  })
}
