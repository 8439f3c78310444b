// The public workflow engine: a step of a durable flow is one commit, and steps that are ready together share one. Beside TaskFlow in the same run.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { gather, measure, median, round } from './lib/measure.mjs'
import { withProgram } from './lib/program.mjs'
import { atLeast, atMost } from './lib/targets.mjs'
import { findTaskFlow, taskFlow } from './lib/taskflow.mjs'

/** Most of its time is waiting for the disk. */
export const syncs = true
export const n = 1_000
const GRAPH = 5_000
const [SMALL, LARGE] = [10_000, 100_000]
/** What a task costs must not grow with their number; where there is such a place the journal lies in memory, because the disk would hide it. */
const MEMORY = '/dev/shm'

export async function run({ repeat, peer: wanted }) {
  const linear = await flow('linear', n, repeat)
  const unordered = await flow('unordered', n, repeat)
  const revert = await flow('revert', n, repeat)
  const graph = await flow('graph', GRAPH, repeat)
  const found = wanted ? findTaskFlow() : {}
  const peer = found.command && await beside(found)
  const growth = { linear: await grown('linear', repeat), revert: await grown('revert', repeat), graph: await grown('graph', repeat) }
  const times = (kind, ours) => (peer?.parts[kind] ? [atLeast(`${kind}, times as fast as TaskFlow`, round(peer.parts[kind].seconds / ours.seconds, 1), 3, 'x')] : [])
  return {
    main: linear.cost, measures: { unordered: unordered.cost, revert: revert.cost, graph5000: graph.cost }, peer, note: found.missing ?? peer?.note,
    targets: [
      atMost('linear 1,000, durable', linear.seconds, 1, 's'),
      ...times('linear 1,000', linear),
      atMost('linear 1,000, durable, written', linear.cost.writtenMb, 5, 'MB'),
      atMost('linear 1,000, durable, memory', linear.cost.rssMb, 130, 'MB'),
      atMost('unordered 1,000, durable', unordered.seconds, 0.3, 's'),
      ...times('unordered 1,000', unordered),
      atMost('linear 1,000 and all of it taken back', revert.seconds, 2, 's'),
      ...times('linear 1,000 and taken back', revert),
      atMost('graph of 5,000, compiled and run in memory', graph.seconds, 0.3, 's'),
      atMost('graph of 5,000, memory', graph.cost.rssMb, 150, 'MB'),
      ...times('graph of 5,000', graph),
      ...Object.entries(growth).map(([kind, x]) => atMost(`${kind}, CPU of a task, ${LARGE.toLocaleString('en')} to ${SMALL.toLocaleString('en')}`, x, 1.2, 'x')),
    ],
  }
}

/** Runs the flow in a process of its own; the seconds are those of the flow, the cost is that of the process. */
async function flow(kind, count, repeat, place) {
  const runs = []
  for (let i = 0; i < repeat; i++) {
    await withProgram('flow', async (folder) => {
      const journals = place ? mkdtempSync(join(place, 'holdfast-bench-')) : '.'
      try {
        runs.push(await measure([process.execPath, 'flow.mjs', kind, String(count), journals], { cwd: folder, env: { HOLDFAST_TEST: '0' } }))
      } finally {
        if (place) rmSync(journals, { recursive: true, force: true })
      }
    })
  }
  const said = runs.map((r) => JSON.parse(r.stdout))
  return { cost: gather(runs), seconds: round(median(said.map((s) => s.ms)) / 1_000, 3), cpuMs: median(said.map((s) => s.cpuMs)) }
}

/** The same flows on TaskFlow. One that it does not end is said, and left out. */
async function beside(found) {
  const parts = {}
  const notes = []
  for (const [what, kind, count] of [['linear 1,000', 'linear', n], ['unordered 1,000', 'unordered', n], ['linear 1,000 and taken back', 'revert', n], ['graph of 5,000', 'graph', GRAPH]]) {
    try {
      parts[what] = await taskFlow(found, kind, count)
    } catch (error) {
      notes.push(`${what} on TaskFlow: ${error.message.split('\n')[0]}`)
    }
  }
  return { program: found.program, parts, ...(notes.length > 0 ? { note: notes.join('; ') } : {}) }
}

/** What one task of many costs, as a multiple of what one of fewer costs. */
async function grown(kind, repeat) {
  const place = existsSync(MEMORY) ? MEMORY : undefined
  const [small, large] = [await flow(kind, SMALL, repeat, place), await flow(kind, LARGE, 1, place)]
  return round(large.cpuMs / LARGE / (small.cpuMs / SMALL), 2)
}
