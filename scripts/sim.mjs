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
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { loadTs } from './lib/load-ts.mjs'
import { holdfast } from './lib/paths.mjs'
import { countsOf, failuresOf, runSeeds, seedFlags, sumOf } from './lib/seeds.mjs'

const startedAt = performance.now()
const flags = seedFlags({ counts: { type: 'boolean', default: false }, write: { type: 'string' } })
const { mutants } = await loadTs(join(holdfast, 'src/base/mutant.ts'))
await runSeeds({ tool: 'sim', entry: join(holdfast, 'test/sim/main.ts'), mutants, flags, chunk: { plain: 10_000, planted: 250 } }, report)

async function report(parts, runChunk) {
  const digests = parts.flatMap((p) => p.digests)
  const failures = failuresOf(parts)
  const result = { seeds: digests.length, events: sumOf(parts, 'events'), crashes: sumOf(parts, 'crashes'), digest: createHash('sha256').update(digests.join('\n')).digest('hex'), failures }
  result.counts = Object.fromEntries(Object.entries(countsOf(parts, 'counts')).sort(([a], [b]) => (a < b ? -1 : 1)))
  result.cpuMsPerSeed = Math.round((10 * sumOf(parts, 'cpuMs')) / Math.max(1, digests.length)) / 10
  const written = flags.mutant === undefined || flags.write !== undefined ? await writeTraces(runChunk, failures) : []
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
async function writeTraces(runChunk, failures) {
  const folder = resolve(flags.write ?? join(holdfast, 'test/found'))
  const traceFrom = relative(folder, join(holdfast, 'test/sim')).split('\\').join('/')
  const paths = []
  for (const { seed } of failures.slice(0, 3)) {
    const { text } = await runChunk({ from: seed, count: 1, traceFrom: traceFrom.startsWith('.') ? traceFrom : `./${traceFrom}` })
    if (text === undefined) continue
    mkdirSync(folder, { recursive: true })
    const path = join(folder, `seed-${seed}.test.ts`)
    writeFileSync(path, text)
    paths.push(path)
  }
  return paths
}
