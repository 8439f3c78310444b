// The public workflow engine: a step of a durable flow is one commit, and steps that are ready together share one.
import { gather, measure, median, round } from './lib/measure.mjs'
import { withProgram } from './lib/program.mjs'
import { atMost } from './lib/targets.mjs'

/** Most of its time is waiting for the disk. */
export const syncs = true
export const n = 1_000
const GRAPH = 5_000

export async function run({ repeat }) {
  const linear = await flow('linear', n, repeat)
  const unordered = await flow('unordered', n, repeat)
  const revert = await flow('revert', n, repeat)
  const graph = await flow('graph', GRAPH, repeat)
  return {
    main: linear.cost, measures: { unordered: unordered.cost, revert: revert.cost, graph5000: graph.cost },
    targets: [
      atMost('linear 1,000, durable', linear.seconds, 1, 's'),
      atMost('linear 1,000, durable, written', linear.cost.writtenMb, 5, 'MB'),
      atMost('unordered 1,000, durable', unordered.seconds, 0.3, 's'),
      atMost('linear 1,000 and all of it taken back', revert.seconds, 2, 's'),
      atMost('graph of 5,000, compiled and run in memory', graph.seconds, 0.3, 's'),
    ],
  }
}

/** Runs the flow in a process of its own; the seconds are those of the flow, the cost is that of the process. */
async function flow(kind, count, repeat) {
  const runs = []
  for (let i = 0; i < repeat; i++) await withProgram('flow', async (folder) => { runs.push(await measure([process.execPath, 'flow.mjs', kind, String(count)], { cwd: folder, env: { HOLDFAST_TEST: '0' } })) })
  return { cost: gather(runs), seconds: round(median(runs.map((r) => JSON.parse(r.stdout).ms)) / 1_000, 3) }
}
