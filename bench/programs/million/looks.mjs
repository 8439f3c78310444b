// Look-ups among many resources, at random, through the founding contract. Prints for each kind how long its looks took, in ms, sorted.
import { createHash } from 'node:crypto'
import { SqliteBackend } from '../../../packages/holdfast/dist/backend.js'

const [path, n, looks] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])]
const [STATE, X] = ['e-01JMILLION0000000000000000', 'bench::simple::queue']
const be = new SqliteBackend({ path })
await be.open()

const part = (i) => `part-${Math.floor(i / 1_000)}`
const kinds = {
  name: async (i) => (await be.getResourceByName(STATE, part(i), X, `queue-${i}`)).size === i,
  hash: async (i) => (await be.getResourceByHash(STATE, part(i), X, createHash('sha256').update(String(i)).digest('hex'))).size === i,
  tag: async (i) => (await be.getResourcesByTag(STATE, part(i), X, `group=g${Math.floor(i / 10)}`)).some((r) => r.size === i),
  value: async (i) => (await be.getCloudOutputValueByName(STATE, part(i), X, `queue-${i}`, 'arn')) === `arn:bench:${i}`,
}
const took = {}
let seed = 42
const next = () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648)
for (const [kind, look] of Object.entries(kinds)) {
  took[kind] = []
  for (let k = 0; k < looks; k++) {
    const i = next() % n
    const began = performance.now()
    const right = await look(i)
    took[kind].push(performance.now() - began)
    if (!right) throw new Error(`${kind} of ${i} gave something else`)
  }
  took[kind].sort((a, b) => a - b)
}
await be.close()
console.log(JSON.stringify(took))
