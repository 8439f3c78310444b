// Flows drawn by a seed, whose tasks have effects outside: what a program that is killed again and again must neither do twice nor lose.
// An effect is a file, named by task and key, made once: whoever asks for it again under the same key is given what is there, as a service with
// idempotency tokens would. Its content, an id that nobody could guess, is the result of the task.
import { randomUUID } from 'node:crypto'
import { appendFileSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { times } from 'holdfast/flow'

/** Numbers from 0 to below n, always the same for a seed. */
export function dice(seed) {
  let x = (seed * 2_654_435_761 + 1) >>> 0
  return (n) => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    x >>>= 0
    return x % n
  }
}

export const KINDS = ['linear', 'unordered', 'graph', 'nested', 'retried', 'taken back']

/** What is to be built: tasks with what each waits for, in flows. `fails`: keys under which a task fails, one after the other. */
export function draw(seed) {
  const roll = dice(seed)
  for (let i = 0; i < 8; i++) roll(2)
  const kind = KINDS[seed % KINDS.length]
  const tasks = []
  const task = (requires, fails = 0) => {
    const name = `t${tasks.length}`
    tasks.push({ name, requires, fails })
    return name
  }
  const some = (type, n, before, options = {}) => {
    const own = []
    for (let i = 0; i < n; i++) {
      const from = [...before, ...(type === 'unordered' ? [] : own)]
      const requires = type === 'linear' && own.length > 0 ? [own.at(-1)] : from.length > 0 ? [from[roll(from.length)]] : []
      own.push(task(requires, i === options.failsAt ? options.fails : 0))
    }
    return { type, nodes: own, retry: options.retry }
  }
  const n = 24 + roll(17)
  switch (kind) {
    case 'nested': {
      const a = some('unordered', 8, [])
      const b = some('graph', n - 16, a.nodes)
      return { kind, tasks, root: { type: 'linear', nodes: [a, b, some('unordered', 8, b.nodes)] } }
    }
    case 'retried': {
      const a = some('unordered', 6, [])
      const b = some('linear', 8, a.nodes, { failsAt: 5, fails: 2, retry: 4 })
      return { kind, tasks, root: { type: 'linear', nodes: [a, b, some('graph', n - 14, b.nodes)] } }
    }
    case 'taken back': {
      const a = some('unordered', 6, [])
      const b = some('graph', n - 6, a.nodes)
      return { kind, tasks, root: { type: 'linear', nodes: [a, b, task([b.nodes.at(-1)], Number.POSITIVE_INFINITY)] } }
    }
    default: return { kind, tasks, root: some(kind, n, []) }
  }
}

/** Builds the flow of a seed. `say` hears of each body that begins. */
export function build(engine, { seed, folder }, say = globalThis.sayOfFlows) {
  const drawn = draw(seed)
  const effects = join(folder, 'effects')
  mkdirSync(effects, { recursive: true })
  const made = new Map(drawn.tasks.map(({ name, requires, fails }) => [name, engine.createTask(async (ctx) => {
    say('call', name, ctx.attempt, ctx.key)
    if (fails > 0) {
      const seen = keysSeen(join(folder, `keys-${name}`), ctx.key)
      effect(join(effects, `${name}@${ctx.key}`))
      if (seen.indexOf(ctx.key) < fails) throw new Error(`${name} failed`)
    }
    if (ctx.key.charCodeAt(5) % 3 === 0) await sleep(1)
    return effect(join(effects, `${name}@${ctx.key}`))
  }, {
    name, provides: `id-${name}`, requires: requires.map((r) => `id-${r}`),
    undo: (ctx) => {
      say('undo', name, ctx.attempt, ctx.executeKey)
      rmSync(join(effects, `${name}@${ctx.executeKey}`), { force: true })
    },
  })]))
  let flows = 0
  const flow = ({ type, nodes, retry }) => {
    const f = engine.buildFlow(`f${flows++}`, type, retry ? { retry: times(retry) } : {})
    engine.addTasks(f, ...nodes.map((node) => (typeof node === 'string' ? made.get(node) : flow(node))))
    return f
  }
  return flow(drawn.root)
}

/** A link is made once, with its whole content: a file that is written in place could be found empty. */
function effect(path) {
  writeFileSync(`${path}.new`, randomUUID())
  try {
    linkSync(`${path}.new`, path)
  } catch (e) {
    if (e.code !== 'EEXIST') throw e
  } finally {
    rmSync(`${path}.new`, { force: true })
  }
  return readFileSync(path, 'utf8')
}

function keysSeen(path, key) {
  let seen = []
  try {
    seen = readFileSync(path, 'utf8').split('\n').filter(Boolean)
  } catch { /* the first */ }
  if (!seen.includes(key)) {
    appendFileSync(path, `${key}\n`)
    seen.push(key)
  }
  return seen
}
