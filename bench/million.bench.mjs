// Look-ups among a million resources, through the founding contract, each at random: by name, by hash, by tag, and one value of the outputs. The state
// comes in as an export does, so what an import of a million rows takes is measured, too. Another size: HOLDFAST_BENCH_N.
import { spawn } from 'node:child_process'
import { mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gather, measure, round } from './lib/measure.mjs'
import { holdfastBin, withProgram } from './lib/program.mjs'
import { atMost } from './lib/targets.mjs'

/** It takes minutes: run only when it is named. */
export const byName = true
export const n = Number(process.env.HOLDFAST_BENCH_N ?? 1_000_000)
const LOOKS = 5_000
const programs = join(dirname(fileURLToPath(import.meta.url)), 'programs/million')

export async function run() {
  return withProgram('million', async (folder) => {
    mkdirSync(join(folder, 'looks'))
    const began = performance.now()
    await importInto(folder)
    const importMs = round(performance.now() - began)
    const path = join(folder, '.holdfast/state.db')
    const ran = await measure([process.execPath, join(programs, 'looks.mjs'), path, String(n), String(LOOKS)], { cwd: join(folder, 'looks') })
    const took = JSON.parse(ran.stdout)
    const at = (list, part) => round(list[Math.floor(list.length * part)], 3)
    return {
      main: gather([ran]),
      measures: {
        'its import': { wallMs: [importMs], cpuMs: [0], rssMb: 0, writtenMb: round(statSync(path).size / 1e6) },
        ...Object.fromEntries(Object.entries(took).map(([kind, list]) => [`median by ${said(kind)}`, { wallMs: [at(list, 0.5)], cpuMs: [0], rssMb: 0, writtenMb: 0 }])),
      },
      targets: Object.entries(took).map(([kind, list]) => atMost(`a look-up by ${said(kind)}, p99`, at(list, 0.99), 2, 'ms')),
    }
  })
}

const said = (kind) => (kind === 'value' ? 'name, of one value' : kind)

function importInto(folder) {
  const from = spawn(process.execPath, [join(programs, 'state.mjs'), String(n)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const into = spawn(process.execPath, [holdfastBin, 'state', 'import', '-'], { cwd: folder, stdio: [from.stdout, 'ignore', 'inherit'] })
  return new Promise((resolve, reject) => into.on('error', reject).on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`state import ended with ${code}`)))))
}
