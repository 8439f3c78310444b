// What the tools that run seeds have in common (npm run sim, npm run fuzz): flags, one bundle of their TypeScript, and seeds handed to processes in chunks.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { root } from './paths.mjs'

const shared = {
  seeds: { type: 'string' }, seed: { type: 'string' }, from: { type: 'string', default: '1' }, jobs: { type: 'string' },
  json: { type: 'boolean', default: false }, trace: { type: 'boolean', default: false }, mutant: { type: 'string' }, mutants: { type: 'boolean', default: false },
}

/** The flags of the command line; `more` are the tool's own. */
export const seedFlags = (more) => parseArgs({ options: { ...shared, ...more } }).values

/**
 * Runs the seeds that the flags ask for, and sets the exit code to what `report` gives.
 *
 * `tool` is its name (`npm run TOOL`), `entry` the TypeScript of one process: it takes `{ from, count, trace, mutant?, stopAtFirst?, ...request }` as JSON in
 * argv[2] and prints one JSON document with `failures`. `chunk` is how many seeds a process is given at a time, with and without a planted bug.
 * `report(parts, runChunk)` is given the documents in the order of the seeds, and a way to ask for more.
 */
export async function runSeeds({ tool, entry, mutants, flags, chunk, request = {}, nodeFlags = [] }, report) {
  const number = (name) => {
    const n = Number(flags[name])
    if (Number.isInteger(n) && n >= 0) return n
    console.error(`npm run ${tool}: --${name} ${flags[name]} is not a number`)
    process.exit(2)
  }
  if (flags.mutants) {
    if (flags.json) console.log(JSON.stringify(Object.entries(mutants).map(([name, what]) => ({ name, what }))))
    else for (const [name, what] of Object.entries(mutants)) console.log(`${name.padEnd(28)} ${what}`)
    return
  }
  if (flags.mutant !== undefined && !(flags.mutant in mutants)) {
    console.error(`npm run ${tool}: there is no mutant ${flags.mutant}; there are ${Object.keys(mutants).join(', ')}`)
    process.exit(2)
  }
  const planted = flags.mutant !== undefined
  const from = flags.seed === undefined ? number('from') : number('seed')
  const count = flags.seed !== undefined ? 1 : flags.seeds !== undefined ? number('seeds') : planted ? 5000 : 1000
  const jobs = Math.min(flags.jobs === undefined ? Math.min(2, availableParallelism()) : Math.max(1, number('jobs')), Math.max(1, count))

  const folder = mkdtempSync(join(tmpdir(), `holdfast-${tool}-`))
  try {
    const file = join(folder, `${tool}.mjs`)
    await build({
      entryPoints: [entry], outfile: file, bundle: true, format: 'esm', platform: 'node', target: 'node20', define: { HOLDFAST_VERSION: JSON.stringify(tool) }, logLevel: 'warning', sourcemap: 'inline',
      banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" }, external: ['@photostructure/sqlite'],
    })
    const runChunk = (asked) => inProcess([...nodeFlags, '--enable-source-maps', file], { ...asked, trace: flags.trace, ...request, ...(planted ? { mutant: flags.mutant, stopAtFirst: true } : {}) }, tool)
    const size = Math.max(1, Math.min(planted ? chunk.planted : chunk.plain, Math.ceil(count / jobs)))
    process.exitCode = await report(await inChunks({ from, count, size, jobs, planted }, runChunk), runChunk)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * The seeds in order, in chunks. With a planted bug no further chunk starts after the first finding, and only what comes up to it counts, so that the
 * answer does not depend on what else was running.
 */
async function inChunks({ from, count, size, jobs, planted }, runChunk) {
  const chunks = []
  for (let at = 0; at < count; at += size) chunks.push({ from: from + at, count: Math.min(size, count - at) })
  const parts = new Array(chunks.length)
  let next = 0
  let found = false
  const worker = async () => {
    while (next < chunks.length && !found) {
      const i = next++
      parts[i] = await runChunk(chunks[i])
      if (planted && parts[i].failures.length > 0) found = true
    }
  }
  await Promise.all(Array.from({ length: jobs }, worker))
  const done = parts.filter((p) => p !== undefined)
  const first = planted ? done.findIndex((p) => p.failures.length > 0) : -1
  return first < 0 ? done : done.slice(0, first + 1)
}

// The bundle lies far from the packages that it does not hold.
function inProcess(argv, request, tool) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...argv, JSON.stringify(request)], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_PATH: join(root, 'node_modules') } })
    let out = ''
    child.stdout.on('data', (text) => { out += text })
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(out))
      else reject(new Error(`npm run ${tool}: a process ended with ${code} in seeds ${request.from} to ${request.from + request.count - 1}`))
    })
  })
}

/** Sum of a number over all parts. */
export const sumOf = (parts, key) => parts.reduce((n, p) => n + p[key], 0)
/** All failures, in the order of their seeds. */
export const failuresOf = (parts) => parts.flatMap((p) => p.failures).sort((a, b) => a.seed - b.seed)
/** Counts by name, added up over all parts. */
export function countsOf(parts, key) {
  const counts = {}
  for (const p of parts) for (const [what, n] of Object.entries(p[key])) counts[what] = (counts[what] ?? 0) + n
  return counts
}
