// Measures the SQLite store: `node scripts/measure-store.mjs [changes] [in flight]`. One change = two commits, as the engine makes them.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'

const changes = Number(process.argv[2] ?? 10_000)
const inFlight = Number(process.argv[3] ?? 64)
const root = new URL('..', import.meta.url).pathname
const cache = join(root, 'node_modules/.cache/holdfast-measure')
mkdirSync(cache, { recursive: true })
const out = mkdtempSync(join(cache, 'run-'))
buildSync({
  stdin: { contents: `export * from '${root}packages/holdfast/src/store/index.ts'; export * from '${root}packages/holdfast/src/base/index.ts'`, resolveDir: root, loader: 'ts' },
  bundle: true, platform: 'node', format: 'esm', target: 'node20', packages: 'external', outfile: join(out, 'store.js'),
})
buildSync({ entryPoints: [join(root, 'packages/holdfast/src/store/sqlite/writer.ts')], bundle: true, platform: 'node', format: 'esm', target: 'node20', packages: 'external', outfile: join(out, 'store-writer.js') })
const { openSqliteStore, currentHolder, makeIds, systemClock, systemRandom } = await import(join(out, 'store.js'))

const ids = makeIds(systemClock, systemRandom)
const written = () => Number(/^write_bytes: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1] ?? 0)
const text = (n) => 'x'.repeat(n)
const path = join(out, 'p', 'state.db')
const store = await openSqliteStore({ path })
const env = 'e-1'
await store.commit([{ t: 'env.create', row: { id: env, app: 'a', name: 'default', revision: 0, partial: false, seq: 0, openRun: undefined } }], { env })
const holder = currentHolder()
const { granted } = await store.lease.acquire('env:1', holder, 30_000)
store.lease.keep(granted, 10_000, (why) => console.error('lost', why))
const fence = { scope: 'env:1', fence: granted.fence }
const run = ids.next('r')
const fp = `f1:${'ab'.repeat(32)}`
const now = Date.now()
await store.commit([{ t: 'run.put', row: { id: run, env, kind: 'apply', plan: 'p-1', status: 'running', phase: 'expand', from: 0, to: undefined, holder, startedAt: now, endedAt: undefined, result: undefined } }, { t: 'env.open', env, run }], { env })

async function change(i) {
  const uid = ids.next('u')
  const token = ids.next('t')
  const address = `comp/part-${i % 100}/node-${String(i).padStart(6, '0')}`
  const task = { run, id: `create:${address}`, address, kind: 'create', intention: 'execute', attempt: 1, tx: token, failure: undefined, startedAt: now, note: undefined }
  const row = { env, uid, address, type: 'cloud.Bucket', since: 1, until: undefined, status: 'ready', ordinal: 1, fingerprint: fp, shape: fp, meta: { typeVersion: 1, provider: 'holdfast@0.1.0#Bucket', deps: [`comp/part-${i % 100}/other`], claims: [], protect: false, retain: false, tags: {} } }
  const inputs = JSON.stringify({ name: address, body: text(170) })
  await store.commit([
    { t: 'tx.open', row: { token, env, run, task: task.id, uid, address, type: row.type, op: 'create', status: 'sent', applied: undefined, undo: false, ordinal: 1, epoch: 0, attempts: 1, payloadDigest: 'cd'.repeat(32), capability: { create: { name: true }, update: 'patch', settleMs: 0, maxCallMs: 0 }, fence: 1, openedAt: now, firstSentAt: now, lastSentAt: now, endedAt: undefined, evidence: undefined, target: { row, inputs } } },
    { t: 'task.put', row: { ...task, state: 'running', endedAt: undefined } },
    { t: 'event', at: now, kind: 'task.started', data: JSON.stringify({ node: address, op: 'create' }) },
  ], { env, fence })
  await store.commit([
    { t: 'tx.move', token, to: 'completed', set: { endedAt: now } },
    { t: 'resource.put', row, docs: { inputs, outputs: JSON.stringify({ id: address, more: text(150) }) } },
    { t: 'task.put', row: { ...task, state: 'success', endedAt: now } },
    { t: 'event', at: now, kind: 'task.succeeded', data: JSON.stringify({ node: address, op: 'create', ms: 5 }) },
  ], { env, fence })
}

const order = Array.from({ length: changes }, (_, i) => i)
if (process.argv[4] === 'scattered') for (let i = changes - 1; i > 0; i--) { const j = Math.floor(Math.random() * (i + 1)); [order[i], order[j]] = [order[j], order[i]] }
const before = written()
const cpu = process.cpuUsage()
const elu = performance.eventLoopUtilization()
const start = performance.now()
let next = 0
await Promise.all(Array.from({ length: inFlight }, async () => { while (next < changes) await change(order[next++]) }))
const wallMs = performance.now() - start
const used = process.cpuUsage(cpu)
const loop = performance.eventLoopUtilization(elu)
const sizeMb = (statSync(path).size / 2 ** 20).toFixed(1)

const read = []
const readCpu = []
for (let i = 0; i < 5; i++) {
  const t = performance.now()
  const c = process.cpuUsage()
  const rows = await store.resources(env, 'current')
  read.push(Math.round(performance.now() - t))
  const spent = process.cpuUsage(c)
  readCpu.push(Math.round((spent.user + spent.system) / 1000))
  if (rows.length !== changes) throw new Error(`${rows.length} rows`)
}
const t0 = performance.now()
const rows = await store.resources(env, 'current')
for (const r of rows) r.meta.deps
const withMeta = Math.round(performance.now() - t0)
const t1 = performance.now()
await store.docs(rows.slice(0, 10_000))
const docsMs = Math.round(performance.now() - t1)
await store.lease.release(granted)
await store.close()
console.log(JSON.stringify({
  changes, inFlight, wallMs: Math.round(wallMs), cpuMs: Math.round((used.user + used.system) / 1000), mainLoop: loop.utilization.toFixed(2),
  bytesPerChange: Math.round((written() - before) / changes), dbMb: sizeMb, readMs: read, readCpuMs: readCpu, readWithMetaMs: withMeta, docs10kMs: docsMs, left: readdirSync(join(out, 'p')),
}))
rmSync(out, { recursive: true, force: true })
