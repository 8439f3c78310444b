// The ledger: ids of everything the founding contracts ask for, by contract and area (packages/holdfast/test/ledger.json).
// A row is done when the name of a test holds its id: a test of ours, or a case of an exported suite (`*-suite.ts`, `*-cases.ts`).
//
//   npm run ledger            rows without a test, per area
//   npm run ledger -- --json  { rows, missing: [id...] }
//   --tests FOLDER            where to look for tests (the guard's own test uses it)
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { filesBelow, holdfast, root } from './lib/paths.mjs'
import { testNames } from './lib/test-names.mjs'

const { values: flags } = parseArgs({ options: { json: { type: 'boolean' }, tests: { type: 'string' } } })
const ledger = JSON.parse(readFileSync(join(holdfast, 'test/ledger.json'), 'utf8'))

const rows = Object.values(ledger).flatMap((areas) => Object.entries(areas).flatMap(([area, ids]) => ids.map((id) => ({ id, area }))))
const known = new Set(rows.map((row) => row.id))
if (known.size !== rows.length) throw new Error('ledger: an id stands twice')

const tested = new Set()
const foreign = []
const folder = resolve(flags.tests ?? join(root, 'packages'))
for (const file of filesBelow(folder, (name) => /\.test\.ts$|-suite\.ts$|-cases\.ts$/.test(name))) {
  for (const name of testNames(readFileSync(file, 'utf8'))) {
    for (const [id] of name.matchAll(/\bS\d{3}-\d+[a-z]?\b/g)) (known.has(id) ? tested.add(id) : foreign.push(`${file}: ${id} is not in the ledger`))
  }
}
const missing = rows.filter((row) => !tested.has(row.id))

if (flags.json) console.log(JSON.stringify({ rows: rows.length, missing: missing.map((row) => row.id) }))
else {
  for (const area of new Set(rows.map((row) => row.area))) {
    const open = missing.filter((row) => row.area === area).map((row) => row.id)
    const all = rows.filter((row) => row.area === area).length
    console.log(`${area.padEnd(14)} ${all - open.length} of ${all} tested${open.length > 0 ? `; without a test: ${open.join(' ')}` : ''}`)
  }
  console.log(`ledger: ${rows.length - missing.length} of ${rows.length} rows have a test`)
}
if (foreign.length > 0) { console.error(foreign.join('\n')); process.exit(1) }
