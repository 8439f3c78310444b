// A durable flow with everything in it: tasks side by side, a controller that tries twice, a nested flow, and a last task that fails in the end,
// so that all of it is taken back. Effects are files: one for each key, made by the task, removed by its undo.
//   node many.mjs FOLDER
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openFlowJournal, TaskFlowEngine, times } from 'holdfast/flow'

const [folder] = process.argv.slice(2)
const effects = join(folder, 'effects')
mkdirSync(effects, { recursive: true })
const engine = new TaskFlowEngine()
const task = (name, { fails = () => false, ...more } = {}) => engine.createTask((ctx) => {
  appendFileSync(join(folder, 'did.txt'), `${name} ${ctx.attempt} ${ctx.key}\n`)
  writeFileSync(join(effects, `${name}-${ctx.key}`), '')
  if (fails(ctx)) throw new Error(`${name} failed`)
  return name
}, { name, ...more, undo: (ctx) => { rmSync(join(effects, `${name}-${ctx.executeKey}`), { force: true }) } })
const flow = (kind, nodes, options) => {
  const made = engine.buildFlow(`${kind}-${nodes.map((n) => n.name).join('-')}`, kind, options)
  engine.addTasks(made, ...nodes)
  return made
}

// Fails under its first key, whichever process calls it.
const first = ({ key }) => {
  const mark = join(folder, 'first')
  if (!existsSync(mark)) writeFileSync(mark, key)
  return readFileSync(mark, 'utf8') === key
}

const root = flow('linear', [
  flow('unordered', [task('a'), task('b'), task('c')]),
  flow('linear', [task('d'), task('e', { fails: first })], { retry: times(2) }),
  task('last', { fails: () => true }),
])
const journal = await openFlowJournal({ path: join(folder, 'flows.db') })
const running = engine.getEngine(root, { journal, id: 'all', parallelism: 2 })
const state = await engine.runEngine(running).then((r) => r.state, () => running.report.state)
console.log(JSON.stringify({ state, trace: running.report.trace, standing: readdirSync(effects) }))
await journal.close()
