// One flow, run to its end; says what it took, without the start of the process. Of the graph: compiled and run, without the making of its tasks.
//   node flow.mjs linear|unordered|revert|graph N [FOLDER of the journal]
import { join } from 'node:path'
import { openFlowJournal, TaskFlowEngine } from 'holdfast/flow'

const [kind, count, place = '.'] = process.argv.slice(2)
const n = Number(count)
const engine = new TaskFlowEngine()
let undone = 0
const undo = () => { undone++ }
const task = (i, more = {}) => engine.createTask(() => i, { name: `t${i}`, provides: `x${i}`, undo, ...more })

const journal = kind === 'graph' ? undefined : await openFlowJournal({ path: join(place, 'flows.db') })
let [startedAt, cpu] = [performance.now(), process.cpuUsage()]
const flow = engine.buildFlow('bench', kind === 'unordered' || kind === 'graph' ? kind : 'linear')
// In the graph each task needs what one of the twenty before it gives.
const tasks = Array.from({ length: n }, (_, i) => task(i, kind === 'graph' && i > 0 ? { requires: [`x${Math.max(0, i - 1 - ((i * 7) % 20))}`] } : {}))
if (kind === 'revert') tasks.push(engine.createTask(() => { throw new Error('the last task fails') }, { name: 'last' }))
engine.addTasks(flow, ...tasks)
if (kind === 'graph') [startedAt, cpu] = [performance.now(), process.cpuUsage()]
const running = engine.getEngine(flow, { ...(journal ? { journal, id: 'bench' } : {}) })
const state = await engine.runEngine(running).then((r) => r.state, () => running.report?.state)
const ms = performance.now() - startedAt
const { user, system } = process.cpuUsage(cpu)
await journal?.close()
if (kind === 'revert' ? state !== 'REVERTED' || undone !== n : state !== 'SUCCESS' || Object.keys(engine.output(running)).length !== n) throw new Error(`ended ${state}, ${undone} undone`)
console.log(JSON.stringify({ ms, cpuMs: (user + system) / 1_000 }))
