// A plan with 1 % of its nodes changed, of a chain and of a fan; ten times as many must cost about ten times as much.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gather, median, round } from './lib/measure.mjs'
import { holdfast, withProgram } from './lib/program.mjs'
import { atMost } from './lib/targets.mjs'

export const n = 10_000
const LARGE = 100_000
/** A chain cannot be made in parallel: its state is built in memory, where there is such a place. Reading it is what is measured. */
const MEMORY = '/dev/shm'

/** Creates `count` nodes, then plans `times` times with every hundredth changed. */
function plans(shape, count, times) {
  return withProgram('lifecycle', async (folder) => {
    const place = existsSync(MEMORY) ? mkdtempSync(join(MEMORY, 'holdfast-bench-')) : folder
    try {
      writeFileSync(join(folder, 'holdfast.config.ts'), `import { defineProject, sqlite } from 'holdfast'\nexport default defineProject({ defaults: { state: sqlite(${JSON.stringify(join(place, 'state.db'))}) } })\n`)
      const set = ['--set', `n=${count}`, '--set', `shape=${shape}`]
      await holdfast(folder, 'apply', '--yes', '--json', ...set)
      const runs = []
      for (let i = 0; i < times; i++) {
        const run = await holdfast(folder, 'plan', '--json', ...set, '--set', 'edition=2')
        const { summary } = JSON.parse(run.stdout)
        if (summary.update !== count / 100 || summary.unchanged !== count - count / 100) throw new Error(`lifecycle: ${JSON.stringify(summary)} of ${count}`)
        runs.push(run)
      }
      return gather(runs)
    } finally {
      if (place !== folder) rmSync(place, { recursive: true, force: true })
    }
  })
}

/** A gate leaves the large ones out: to build them takes minutes. */
export async function run({ repeat, gate }) {
  const times = Math.max(repeat, 3)
  const chain = await plans('chain', n, times)
  const fan = await plans('fan', n, times)
  const targets = [
    atMost('chain, 1 % changed', median(chain.wallMs), 1_000, 'ms'),
    atMost('fan, 1 % changed', median(fan.wallMs), 1_000, 'ms'),
  ]
  if (gate) return { main: chain, measures: { fan }, targets }
  const chain100000 = await plans('chain', LARGE, times)
  const fan100000 = await plans('fan', LARGE, times)
  const times10 = (large, small) => round(median(large.wallMs) / median(small.wallMs), 2)
  targets.push(atMost('chain, 100,000 to 10,000', times10(chain100000, chain), 12, 'x'), atMost('fan, 100,000 to 10,000', times10(fan100000, fan), 12, 'x'))
  return { main: chain, measures: { fan, chain100000, fan100000 }, targets }
}
