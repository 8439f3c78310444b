// npm run sim: the engine under simulated time, store and world, one life per seed.
//
//   npm run sim -- --seeds 10000 --from 1 --json    { seeds, events, crashes, digest, failures }
//   npm run sim -- --seed 42 --trace                the history of one seed
//   npm run sim -- --mutant NAME --seeds 5000       plants a named bug; exit 1 with the seed that found it
//   npm run sim -- --mutants                        the names
//   npm run sim -- --counts                         how often each fault, crash, call and outcome occurred, too
//
// A failing seed is written out as a test that lives the smallest life found that still fails: packages/holdfast/test/found/seed-N.test.ts, or the folder
// named by --write (with a mutant only then). Run it with vitest; it shows the history, step by step.
//
// The same seeds give the same digest, whatever --jobs says. Exit 1 when a rule did not hold.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { loadTs } from './lib/load-ts.mjs'
import { holdfast } from './lib/paths.mjs'

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string' }, seed: { type: 'string' }, from: { type: 'string', default: '1' }, jobs: { type: 'string' },
    json: { type: 'boolean', default: false }, trace: { type: 'boolean', default: false }, mutant: { type: 'string' }, mutants: { type: 'boolean', default: false }, counts: { type: 'boolean', default: false }, write: { type: 'string' },
  },
})
const number = (name) => {
  const n = Number(flags[name])
  if (Number.isInteger(n) && n >= 0) return n
  console.error(`npm run sim: --${name} ${flags[name]} is not a number`)
  process.exit(2)
}

const { mutants } = await loadTs(join(holdfast, 'src/base/mutant.ts'))
if (flags.mutants) {
  if (flags.json) console.log(JSON.stringify(Object.entries(mutants).map(([name, what]) => ({ name, what }))))
  else for (const [name, what] of Object.entries(mutants)) console.log(`${name.padEnd(28)} ${what}`)
  process.exit(0)
}
if (flags.mutant !== undefined && !(flags.mutant in mutants)) {
  console.error(`npm run sim: there is no mutant ${flags.mutant}; there are ${Object.keys(mutants).join(', ')}`)
  process.exit(2)
}

const from = flags.seed === undefined ? number('from') : number('seed')
const count = flags.seed !== undefined ? 1 : flags.seeds !== undefined ? number('seeds') : flags.mutant ? 5000 : 1000
const jobs = Math.min(flags.jobs === undefined ? Math.min(2, availableParallelism()) : Math.max(1, number('jobs')), Math.max(1, count))

// The bundle lies beside the sources' dependencies, so that they are found; the folder is removed at the end.
const folder = mkdtempSync(join(tmpdir(), 'holdfast-sim-'))
try {
  const file = join(folder, 'sim.mjs')
  await build({ entryPoints: [join(holdfast, 'test/sim/main.ts')], outfile: file, bundle: true, format: 'esm', platform: 'node', target: 'node20', define: { HOLDFAST_VERSION: '"sim"' }, logLevel: 'warning', sourcemap: 'inline',
    banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" }, external: ['@photostructure/sqlite'] })
  process.exitCode = await main(file)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function main(file) {
  const startedAt = performance.now()
  const parts = toFirstFinding(await inChunks(file))
  const digests = parts.flatMap((p) => p.digests)
  const sum = (key) => parts.reduce((n, p) => n + p[key], 0)
  const failures = parts.flatMap((p) => p.failures).sort((a, b) => a.seed - b.seed)
  const result = { seeds: digests.length, events: sum('events'), crashes: sum('crashes'), digest: createHash('sha256').update(digests.join('\n')).digest('hex'), failures }
  const counts = {}
  for (const p of parts) for (const [what, n] of Object.entries(p.counts)) counts[what] = (counts[what] ?? 0) + n
  result.counts = Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)))
  result.cpuMsPerSeed = Math.round((10 * sum('cpuMs')) / Math.max(1, digests.length)) / 10
  const written = flags.mutant === undefined || flags.write !== undefined ? await writeTraces(file, failures) : []
  const seconds = (performance.now() - startedAt) / 1000
  if (flags.json) {
    for (const path of written) console.error(`written as ${path}`)
    console.log(JSON.stringify(result))
  } else {
    for (const f of failures.slice(0, 20)) console.log(`seed ${f.seed}: ${f.invariant}: ${f.message}`)
    for (const path of written) console.log(`written as ${path}`)
    if (flags.counts) for (const [what, n] of Object.entries(result.counts)) console.log(`${what.padEnd(40)} ${n}`)
    console.log(`${result.seeds} seeds, ${result.events} events, ${result.crashes} crashes, ${failures.length} failures, ${seconds.toFixed(1)} s (${Math.round(result.seeds / seconds)} seeds/s, ${result.cpuMsPerSeed} ms of CPU each), digest ${result.digest.slice(0, 16)}`)
  }
  return failures.length > 0 ? 1 : 0
}

/** Writes failing seeds out as tests, a few: more than that have a cause in common. */
async function writeTraces(file, failures) {
  const folder = resolve(flags.write ?? join(holdfast, 'test/found'))
  const traceFrom = relative(folder, join(holdfast, 'test/sim')).split('\\').join('/')
  const paths = []
  for (const { seed } of failures.slice(0, 3)) {
    const { text } = await runChunk(file, { from: seed, count: 1, traceFrom: traceFrom.startsWith('.') ? traceFrom : `./${traceFrom}` })
    if (text === undefined) continue
    mkdirSync(folder, { recursive: true })
    const path = join(folder, `seed-${seed}.test.ts`)
    writeFileSync(path, text)
    paths.push(path)
  }
  return paths
}

/** With a mutant only the first finding counts, so that the answer does not depend on what else was running. */
function toFirstFinding(parts) {
  const at = flags.mutant === undefined ? -1 : parts.findIndex((p) => p.failures.length > 0)
  return at < 0 ? parts : parts.slice(0, at + 1)
}

/** Runs the seeds in order, in chunks handed to `jobs` processes. With a mutant, no further chunk starts after the first finding. */
async function inChunks(file) {
  const size = Math.max(1, Math.min(flags.mutant === undefined ? 10_000 : 250, Math.ceil(count / jobs)))
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
  const request = { ...chunk, trace: flags.trace, ...(flags.mutant === undefined ? {} : { mutant: flags.mutant, stopAtFirst: true }) }
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--enable-source-maps', file, JSON.stringify(request)], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', (text) => { out += text })
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(out))
      else reject(new Error(`the simulation ended with ${code} in seeds ${chunk.from} to ${chunk.from + chunk.count - 1}`))
    })
  })
}
