// A bench program in a folder of its own, on the disk of the repository: a temporary folder in memory would make every write free.
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gather, measure } from './measure.mjs'

const bench = dirname(dirname(fileURLToPath(import.meta.url)))
export const holdfastBin = join(dirname(bench), 'packages/holdfast/dist/bin.js')

/**
 * What was measured is removed when everything is measured: a file system may look at every file removed within the last minutes before it makes a new one
 * (ext4 does; 5,000 files took twice as long to make after 5,000 were removed).
 */
const used = []
process.on('exit', () => { for (const folder of used) rmSync(folder, { recursive: true, force: true }) })

/** Calls `use(folder)` with a fresh copy of the program. */
export async function withProgram(name, use) {
  mkdirSync(join(bench, '.work'), { recursive: true })
  const folder = mkdtempSync(join(bench, '.work', `${name}-`))
  used.push(folder)
  cpSync(join(bench, 'programs', name), folder, { recursive: true })
  return await use(folder)
}

export const holdfast = (folder, ...args) => measure([process.execPath, holdfastBin, ...args], { cwd: folder, env: { HOLDFAST_TEST: '0' } })

/** Creates everything `repeat.create` times, each in a fresh folder; in the last one plans `repeat.plan` times with no change. Both results are checked. */
export async function createAndPlan(name, n, repeat) {
  const creates = []
  const plans = []
  for (let i = 0; i < repeat.create; i++) {
    await withProgram(name, async (folder) => {
      const set = ['--set', `n=${n}`]
      const run = await holdfast(folder, 'apply', '--yes', '--json', ...set)
      const document = JSON.parse(run.stdout)
      if (document.outcome !== 'applied' || document.summary.create !== n) throw new Error(`${name}: ${document.outcome}, ${JSON.stringify(document.summary)} instead of ${n} created`)
      creates.push(run)
      if (i < repeat.create - 1) return
      for (let j = 0; j < repeat.plan; j++) {
        const plan = await holdfast(folder, 'plan', '--json', ...set)
        const { summary, changes } = JSON.parse(plan.stdout)
        if (changes.length !== 0 || summary.unchanged !== n) throw new Error(`${name}: the plan without a change has ${changes.length} changes, ${JSON.stringify(summary)}`)
        plans.push(plan)
      }
    })
  }
  return { create: gather(creates), noop: gather(plans) }
}
