// Writes the list of planted bugs in docs/internals/simulation.md: name, what, the place in the source, and the rule that sees it. `npm run docs` runs
// it; a test compares the file with what it would write. Which seed finds a bug, and by which rule: `node scripts/verify-sim.mjs mutants --write`.
//
//   node scripts/mutants-doc.mjs           writes
//   node scripts/mutants-doc.mjs --print   prints instead
import { readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { loadTs } from './lib/load-ts.mjs'
import { filesBelow, holdfast, root } from './lib/paths.mjs'

const { mutants, fuzzedMutants, partMutants } = await loadTs(join(holdfast, 'src/base/mutant.ts'))
const found = JSON.parse(readFileSync(join(holdfast, 'test/sim/found.json'), 'utf8'))
const page = join(root, 'docs/internals/simulation.md')
const [BEGIN, END] = ['<!-- begin: planted bugs -->', '<!-- end: planted bugs -->']

const places = new Map(Object.keys(mutants).map((name) => [name, new Set()]))
for (const file of filesBelow(join(holdfast, 'src'), (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))) {
  const text = readFileSync(file, 'utf8')
  for (const m of text.matchAll(/\bmutant\('([a-z-]+)'\)/g)) {
    const known = places.get(m[1])
    if (!known && (m[1] in fuzzedMutants || m[1] in partMutants)) continue
    if (!known) throw new Error(`mutants-doc: ${relative(root, file)} asks for ${m[1]}, which is no planted bug`)
    known.add(`${relative(join(holdfast, 'src'), file)} \`${enclosing(text, m.index)}\``)
  }
}

/** The function, method or arrow of the top of a file that a place in its text lies in. */
function enclosing(text, index) {
  const line = text.indexOf('\n', index)
  const heads = text.slice(0, line).matchAll(/^(?:export )?(?:async )?function (\w+)|^(?:export )?const (\w+) = [^\n]*=>|^ {2}(?:private |static |async )*(#?\w+)(?:<[^\n]*>)?\([^\n]*\{$/gm)
  return [...heads].map((m) => m[1] ?? m[2] ?? m[3]).filter((name) => !['if', 'for', 'while', 'switch'].includes(name)).at(-1) ?? '?'
}

const rows = Object.entries(mutants).map(([name, what]) => {
  const at = [...places.get(name)].sort()
  if (at.length === 0) throw new Error(`mutants-doc: ${name} is planted nowhere`)
  return `| ${name} | ${what} | ${at.join('; ')} | ${found[name] ? found[name].invariant : 'nothing'} |`
})
const list = `${BEGIN}\n| name | what | place | seen by |\n|---|---|---|---|\n${rows.join('\n')}\n${END}`
const before = readFileSync(page, 'utf8')
const [start, end] = [before.indexOf(BEGIN), before.indexOf(END)]
if (start < 0 || end < start) throw new Error(`mutants-doc: ${relative(root, page)} has no place for the list`)
const text = before.slice(0, start) + list + before.slice(end + END.length)

if (process.argv.includes('--print')) process.stdout.write(text)
else writeFileSync(page, text)
