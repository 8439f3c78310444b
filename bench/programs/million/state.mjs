// An export of a state with so many resources, in components of 1,000, on stdout: what `holdfast state import -` reads.
import { createHash } from 'node:crypto'
import { once } from 'node:events'

const n = Number(process.argv[2])
const ENV = 'e-01JMILLION0000000000000000'
const sum = createHash('sha256')
let lines = 0
let piece = ''
const write = async (table, row) => {
  const text = `${JSON.stringify({ table, row })}\n`
  if (table !== 'end') {
    sum.update(text)
    lines++
  }
  piece += text
  if (piece.length < 262_144 && table !== 'end') return
  if (!process.stdout.write(piece)) await once(process.stdout, 'drain')
  piece = ''
}

const meta = { typeVersion: 1, provider: 'holdfast/backend', deps: [], claims: [], protect: false, retain: false }
await write('export', { fenceSeq: 0, format: 1, schema: 3, storeId: 'st-01JMILLION000000000000000' })
await write('meta', { createdAt: 1_800_000_000_000, schema: 3, storeId: 'st-01JMILLION000000000000000' })
await write('envs', { id: ENV, app: '/', name: 'bench', revision: 1, partial: false, seq: 1 })
for (let i = 0; i < n; i++) {
  const hash = createHash('sha256').update(String(i)).digest('hex')
  await write('resources', {
    env: ENV, uid: `u-${String(i).padStart(26, '0')}`, address: `part-${Math.floor(i / 1_000)}/queue-${i}`, type: 'bench::simple::queue', since: 1, status: 'ready', ordinal: 1, fingerprint: hash, shape: hash, seq: 1,
    meta: { ...meta, tags: { group: `g${Math.floor(i / 10)}` } },
    docs: { inputs: JSON.stringify({ size: i, tags: { group: `g${Math.floor(i / 10)}` } }), outputs: JSON.stringify({ arn: `arn:bench:${i}`, url: `https://queue-${i}.example` }) },
  })
}
await write('end', { lines, sha256: sum.digest('hex') })
