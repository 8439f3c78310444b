// Runs the flow of a seed, or goes on with it, and says on standard output what begins; whoever listens kills it at any moment.
//   node killed.mjs FOLDER SEED run|worker [PLANTED BUG]
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FlowWorker, openFlowJournal, postFlow, TaskFlowEngine } from 'holdfast/flow'
import { planted } from './planted.mjs'
import { build } from './shapes.mjs'

const [folder, seed, how, bug] = process.argv.slice(2)
const line = (...words) => writeSync(1, `${words.join(' ')}\n`)
let begun = false
const say = (...words) => {
  if (!begun) line('first', Math.round(performance.now()), Math.round(performance.now() - opening))
  begun = true
  line(...words)
}
globalThis.sayOfFlows = say
const args = { seed: Number(seed), folder }
const opening = performance.now()
const journal = planted(bug, await openFlowJournal({ path: join(folder, 'flows.db') }))
const stored = await journal.load('flow')
line('open', stored?.flow.state ?? 'NONE', ...(stored?.tasks ?? []).filter((t) => t.kind === 'task' && t.state === 'SUCCESS').map((t) => t.name))
// What is over is not begun anew: a flow that was taken back would run again.
if (stored?.flow.state !== 'SUCCESS' && stored?.flow.state !== 'REVERTED') {
  const engine = new TaskFlowEngine()
  if (how === 'worker') {
    await postFlow(journal, { id: 'flow', factory: { module: fileURLToPath(new URL('./shapes.mjs', import.meta.url)), export: 'build', args } })
    await new FlowWorker({ journal, engine, options: { parallelism: 8 } }).runOnce()
  } else await engine.runEngine(engine.getEngine(build(engine, args, say), { journal, id: 'flow', parallelism: 8 })).catch(() => undefined)
}
const { flow, tasks } = await journal.load('flow')
line('end', flow.state, JSON.stringify(Object.fromEntries(tasks.filter((t) => t.kind === 'task' && t.state === 'SUCCESS').map((t) => [t.name, JSON.parse(t.result ?? 'null')]))))
await journal.close()
