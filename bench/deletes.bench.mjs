// 600 objects of a wide and uneven graph that take their time to be deleted: a deletion starts when its last dependant is gone, and waits for no other.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gather, median, round } from './lib/measure.mjs'
import { holdfast, withProgram } from './lib/program.mjs'
import { atLeast, atMost } from './lib/targets.mjs'
import { makeGraph, timesOf } from './programs/deletes/graph.mjs'

export const n = 600
// Along a chain each deletion waits for the commits of the one before.
export const syncs = true
const AT_ONCE = 64

export async function run({ repeat }) {
  const { layersMs, pathMs, atOnceMs, layers } = timesOf(makeGraph(n), AT_ONCE)
  const runs = []
  const took = []
  for (let i = 0; i < repeat; i++) {
    await withProgram('deletes', async (folder) => {
      await holdfast(folder, 'apply', '--yes', '--json', '--set', `n=${n}`)
      const run = await holdfast(folder, 'destroy', '--yes', '--json', '--set', `n=${n}`, '--concurrency', String(AT_ONCE), '--events', 'events')
      const document = JSON.parse(run.stdout)
      if (document.outcome !== 'applied' || document.pending.length > 0) throw new Error(`deletes: ${document.outcome}, ${document.pending.length} left`)
      const events = readFileSync(join(folder, 'events'), 'utf8').trim().split('\n').map((l) => JSON.parse(l))
      const at = (type, message) => Date.parse(events.find((e) => e.type === type && (message === undefined || e.message === message))?.t)
      took.push(at('run.finished') - at('run.phase', 'contract'))
      runs.push(run)
    })
  }
  const ours = median(took)
  return {
    main: gather(runs),
    targets: [
      atMost('deletes, one after its dependants', ours, round(Math.max(pathMs, atOnceMs) * 2.5), 'ms'),
      atLeast(`times as fast as ${layers} layers (${round(layersMs)} ms)`, round(layersMs / ours, 2), 1.5, 'x'),
    ],
  }
}
