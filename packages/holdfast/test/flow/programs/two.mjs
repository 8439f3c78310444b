// A linear flow of two tasks, durable: what a process that is killed at any commit must not do twice.
//   node two.mjs FOLDER
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { openFlowJournal, TaskFlowEngine } from 'holdfast/flow'

const [folder] = process.argv.slice(2)
const did = (what) => appendFileSync(join(folder, 'did.txt'), `${what}\n`)
const engine = new TaskFlowEngine()
const flow = engine.buildFlow('two', 'linear')
engine.addTasks(flow,
  engine.createTask((ctx) => { did(`a ${ctx.attempt} ${ctx.key}`); return 7 }, { name: 'a', provides: 'x' }),
  engine.createTask((ctx, { x }) => { did(`b ${ctx.attempt} ${ctx.key}`); return x + 1 }, { name: 'b', requires: ['x'], provides: 'y' }))
const journal = await openFlowJournal({ path: join(folder, 'flows.db') })
const running = engine.getEngine(flow, { journal, id: 'nightly' })
const report = await engine.runEngine(running)
console.log(JSON.stringify({ state: report.state, trace: report.trace, y: engine.output(running, 'y') }))
await journal.close()
