// 1,000 changes through the founding contract, one after another: each opened, then completed. Then look-ups. Prints what each took.
import { readFileSync, statSync } from 'node:fs'
import { compareComponents, SqliteBackend } from '../../../packages/holdfast/dist/backend.js'

const [path, n] = [process.argv[2], Number(process.argv[3])]
const X = 'bench::simple::queue'
const be = new SqliteBackend({ path })
const state = await be.createResourceState('bench')
await be.updateComponent(state, { actionType: 'CREATE', newName: 'app' })

const written = () => Number(/write_bytes: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))[1])
const cpu = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000 }
const pairs = []
const before = { at: performance.now(), written: written(), cpu: cpu() }
for (let i = 0; i < n; i++) {
  const began = performance.now()
  const diff = { actionType: 'CREATE', componentName: 'app', newResource: { name: `queue-${i}`, ruuid: X, hash: `${i}`.padStart(40, '0'), size: i } }
  const [token] = await be.createResourceChangeTransaction(state, 'app', diff)
  await be.completeResourceChange(state, 'app', diff, token, { arn: `arn:bench:${i}`, url: `https://queue-${i}.example` })
  pairs.push(performance.now() - began)
}
const wallMs = performance.now() - before.at
const result = { wallMs, cpuMs: cpu() - before.cpu, writtenMb: (written() - before.written) / 1e6, pairs }

const looked = async (act) => {
  for (let i = 0; i < n; i += 7) await act(i) // warm
  const began = performance.now()
  for (let i = 0; i < n; i++) await act(i)
  return (performance.now() - began) / n
}
result.lookups = {
  name: await looked((i) => be.getResourceByName(state, 'app', X, `queue-${i}`)),
  hash: await looked((i) => be.getResourceByHash(state, 'app', X, `${i}`.padStart(40, '0'))),
  value: await looked((i) => be.getCloudOutputValueByName(state, 'app', X, `queue-${i}`, 'arn')),
}
// What has to change, when nothing has: the component as it is stored, against itself. The comparison alone, and with reading the state.
const app = await be.getComponent(state, 'app')
const best = async (act) => {
  const took = []
  for (let i = 0; i < 15; i++) {
    const began = performance.now()
    if (await act()) throw new Error('something differs')
    took.push(performance.now() - began)
  }
  return Math.min(...took) // what else the machine does only adds to it
}
result.differences = {
  compared: await best(() => Object.values(compareComponents([app], [app])).some((list) => list.length > 0)),
  read: await best(async () => (await be.createDifferences(state, [app], ['app'])).flat().length > 0),
}
await be.close()
result.fileMb = statSync(path).size / 1e6
console.log(JSON.stringify(result))
