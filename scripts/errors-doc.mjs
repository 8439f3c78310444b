// Writes docs/errors.md from the registry of failures. `npm run docs` runs it; a test compares the file with what it would write.
//
//   node scripts/errors-doc.mjs           writes
//   node scripts/errors-doc.mjs --print   prints instead
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadTs } from './lib/load-ts.mjs'
import { holdfast, root } from './lib/paths.mjs'

const { registry } = await loadTs(join(holdfast, 'src/base/registry.ts'))

const ranges = [
  ['HF1', 'The program and the command line'], ['HF2', 'The plan'], ['HF3', 'Steps and providers'], ['HF4', 'State, keys and locks'],
  ['HF5', 'Protection'], ['HF6', 'Not found'], ['HF9', 'Bugs of Holdfast'],
]
const unplaced = Object.keys(registry).filter((code) => !ranges.some(([prefix]) => code.startsWith(prefix)))
if (unplaced.length > 0) throw new Error(`errors-doc: no section for ${unplaced.join(', ')}`)

const sections = ranges.map(([prefix, title]) => {
  const entries = Object.entries(registry).filter(([code]) => code.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1))
  return `## ${title}\n\n${entries.map(([code, { summary, exit, causes, fixes }]) => `### ${code}\n\n${summary} Exit code ${exit}.\n\n${causes.map((c) => `- Why: ${c}`).join('\n')}\n${fixes.map((f) => `- Way out: ${f}`).join('\n')}\n`).join('\n')}`
})
const text = `# Errors

Every failure that Holdfast reports has a code. \`holdfast explain CODE\` prints what stands here, without a network.
Codes are never reused and never change their meaning. Written by \`npm run docs\` from \`packages/holdfast/src/base/registry.ts\`.

${sections.join('\n')}`

if (process.argv.includes('--print')) process.stdout.write(text)
else writeFileSync(join(root, 'docs/errors.md'), text)
