// The ledger: ids of everything the founding contracts ask for, by contract and area (packages/holdfast/test/ledger.json).
// A row is done when the name of a test holds its id: a test of ours, or a case of an exported suite (`*-suite.ts`, `*-cases.ts`).
//
// The scenarios of the state backend (packages/holdfast/test/scenarios.json) are counted in the same way, by `B8.9#148`.
//
//   npm run ledger            rows and scenarios without a test, per area
//   npm run ledger -- --json  { rows, missing: [id...], scenarios: { rows, missing: [id...] } }
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

const scenarios = Object.entries(JSON.parse(readFileSync(join(holdfast, 'test/scenarios.json'), 'utf8'))).flatMap(([section, numbers]) => numbers.map((n) => `${section}#${n}`))
const knownScenarios = new Set(scenarios)

const tested = new Set()
const foreign = []
const folder = resolve(flags.tests ?? join(root, 'packages'))
for (const file of filesBelow(folder, (name) => /\.test\.ts$|-suite\.ts$|-cases\.ts$/.test(name))) {
  for (const name of testNames(readFileSync(file, 'utf8'))) {
    for (const [id] of name.matchAll(/\bS\d{3}-\d+[a-z]?\b/g)) (known.has(id) ? tested.add(id) : foreign.push(`${file}: ${id} is not in the ledger`))
    for (const [id] of name.matchAll(/\bB8\.\d#\d+\b/g)) (knownScenarios.has(id) ? tested.add(id) : foreign.push(`${file}: there is no scenario ${id}`))
  }
}
const missing = rows.filter((row) => !tested.has(row.id))
const open = scenarios.filter((id) => !tested.has(id))

const say = (what, all, without) => console.log(`${what.padEnd(14)} ${all - without.length} of ${all} tested${without.length > 0 ? `; without a test: ${without.join(' ')}` : ''}`)

if (flags.json) console.log(JSON.stringify({ rows: rows.length, missing: missing.map((row) => row.id), scenarios: { rows: scenarios.length, missing: open } }))
else {
  for (const area of new Set(rows.map((row) => row.area))) {
    say(area, rows.filter((row) => row.area === area).length, missing.filter((row) => row.area === area).map((row) => row.id))
  }
  say('scenarios', scenarios.length, open)
  console.log(`ledger: ${rows.length - missing.length} of ${rows.length} rows have a test`)
}
if (foreign.length > 0) { console.error(foreign.join('\n')); process.exit(1) }
