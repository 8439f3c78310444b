// Durable changes a second, with 1, 10 and 100 at a time: each is two synced commits, before and after the call. What every command pays is taken off by
// measuring two sizes.
import { gather, median, round } from './lib/measure.mjs'
import { holdfast, withProgram } from './lib/program.mjs'
import { atLeast } from './lib/targets.mjs'

/** Most of its time is waiting for the disk. */
export const syncs = true
export const n = 4_000
const sizes = { 1: [100, 700], 10: [200, 2_200], 100: [200, 4_200] }

async function create(count, inFlight) {
  return withProgram('many', async (folder) => {
    const run = await holdfast(folder, 'apply', '--yes', '--json', '--concurrency', String(inFlight), '--set', `n=${count}`)
    const { outcome, summary } = JSON.parse(run.stdout)
    if (outcome !== 'applied' || summary.create !== count) throw new Error(`${outcome}, ${JSON.stringify(summary)} instead of ${count}`)
    return run
  })
}

export async function run({ repeat }) {
  const measures = {}
  const targets = []
  for (const [inFlight, [few, many]] of Object.entries(sizes)) {
    const small = []
    const large = []
    for (let i = 0; i < repeat; i++) {
      small.push(await create(few, inFlight))
      large.push(await create(many, inFlight))
    }
    measures[`${inFlight} in flight`] = gather(large)
    const ms = median(large.map((r) => r.wallMs)) - median(small.map((r) => r.wallMs))
    targets.push(atLeast(`changes a second, ${inFlight} in flight`, round(((many - few) * 1000) / ms, 0), { 1: 100, 10: 500, 100: 1_000 }[inFlight], '/s'))
  }
  const { '100 in flight': main, ...rest } = measures
  return { main, measures: rest, targets }
}
