// The benchmarks. Figures in the documentation come from here.
//
//   npm run bench                    all but those that are run by name (million), with targets beside the figures
//   npm run bench -- many            one
//   npm run bench -- many --json     { name, n, wallMs: [], cpuMs: [], rssMb, writtenMb, node, peer?: { program, parts: { [part]: {} } }, note?, measures, targets, machine }
//   --repeat N    runs of each measure (default 3)
//   --no-peer     without OpenTofu, Terraform and TaskFlow
//   --write       also writes the figures, with machine and versions, into README.md
//   --gate        only those that are not about how fast the disk syncs; exit 1 when a figure is above its target times --factor (default 1.5: a busy machine is no regression);
//                 the last line is `N passed, N failed`
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { median, round } from './lib/measure.mjs'
import { kept, line } from './lib/targets.mjs'

const folder = dirname(fileURLToPath(import.meta.url))
const order = ['cold', 'many', 'files', 'chain', 'durable', 'watch', 'recovery', 'backend', 'million', 'flow', 'growth']
const names = readdirSync(folder).filter((f) => f.endsWith('.bench.mjs')).map((f) => f.slice(0, -'.bench.mjs'.length)).sort((a, b) => order.indexOf(a) - order.indexOf(b))

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, gate: { type: 'boolean' }, write: { type: 'boolean' }, 'no-peer': { type: 'boolean' }, repeat: { type: 'string' }, factor: { type: 'string' } },
})
const repeat = Number(flags.repeat ?? (flags.gate ? 1 : 3))
const factor = flags.gate ? Number(flags.factor ?? 1.5) : 1
const unknown = positionals.filter((name) => !names.includes(name))
if (unknown.length > 0 || !(repeat >= 1) || !(factor > 0)) {
  console.error(`npm run bench -- [${names.join(' | ')}] [--json] [--repeat N] [--no-peer] [--gate [--factor X]]`)
  process.exit(2)
}
if (process.platform !== 'linux') {
  console.error('The benchmarks read /proc and run on Linux only.')
  process.exit(2)
}

const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, memoryGb: round(totalmem() / 2 ** 30, 0), kernel: release(), holdfast: JSON.parse(readFileSync(join(folder, '../packages/holdfast/package.json'), 'utf8')).version }
const measured = (what, m) => `      ${what.padEnd(30)} wall ${String(median(m.wallMs)).padStart(9)} ms   cpu ${String(median(m.cpuMs)).padStart(8)} ms   memory ${String(m.rssMb).padStart(7)} MB   written ${String(m.writtenMb).padStart(8)} MB`
const say = (text) => { if (!flags.json) console.log(text) }
say(`Node ${process.version}, ${machine.cores} x ${machine.cpu}, ${machine.memoryGb} GB, Linux ${machine.kernel}, Holdfast ${machine.holdfast}; medians of ${repeat}\n`)

const documents = []
const counts = { passed: 0, failed: 0 }
for (const name of positionals.length > 0 ? positionals : names) {
  const bench = await import(pathToFileURL(join(folder, `${name}.bench.mjs`)).href)
  if (bench.byName && positionals.length === 0) continue
  // A disk that is slow today is no regression: what waits for one sync after the other is shown, and not judged.
  if (flags.gate && bench.syncs && positionals.length === 0) continue
  try {
    // A gate judges Holdfast alone: how fast a peer is on this machine says nothing about a change of ours.
    const { main, measures = {}, peer, note, targets } = await bench.run({ repeat, peer: !flags['no-peer'] && !flags.gate, gate: flags.gate === true })
    documents.push({
      name, n: bench.n, ...main, node: process.version, ...(peer ? { peer } : {}), ...(note ? { note } : {}), measures,
      targets: targets.map((target) => ({ ...target, ok: kept(target, factor) })), machine,
    })
    for (const target of targets) counts[kept(target, factor) ? 'passed' : 'failed']++
    say(`${name} (n = ${bench.n})`)
    for (const [what, m] of Object.entries({ [name]: main, ...measures })) say(measured(what, m))
    if (peer) {
      say(`    ${peer.program}, the same work`)
      for (const [what, m] of Object.entries(peer.parts)) say(measured(what, m))
    }
    if (note) say(`      ${note}`)
    for (const target of targets) say(`  ${line(target, factor)}`)
    say('')
  } catch (error) {
    counts.failed++
    process.exitCode = 1
    console.error(`${name}: ${error.message}`)
  }
}

if (flags.write) {
  const rows = documents.flatMap(({ name, targets, peer }) => [
    ...targets.map((t) => `| ${name} | ${t.what} | ${t.value.toLocaleString('en')} ${t.unit} | ${t.compare} ${t.limit.toLocaleString('en')} ${t.unit} |`),
    ...(peer ? [`| ${name} | ${peer.program}, the same work: ${Object.keys(peer.parts).join('; ')} | ${Object.values(peer.parts).map((m) => (m.seconds === undefined ? `${median(m.wallMs).toLocaleString('en')} ms` : `${m.seconds.toLocaleString('en')} s, ${m.rssMb} MB`)).join('; ')} | |`] : []),
  ])
  const text = `Medians of ${repeat} on ${machine.cores} cores (${machine.cpu}), ${machine.memoryGb} GB, Linux ${machine.kernel}, Node ${process.version}, Holdfast ${machine.holdfast}; written by \`npm run bench -- --write\`.\n\n| benchmark | what | measured | target |\n|---|---|---|---|\n${rows.join('\n')}`
  const readme = join(folder, '../README.md')
  writeFileSync(readme, readFileSync(readme, 'utf8').replace(/(<!-- figures -->)[\s\S]*?(<!-- \/figures -->)/, (_all, open, close) => `${open}\n${text}\n${close}`))
}
if (flags.json) console.log(JSON.stringify(documents.length === 1 ? documents[0] : documents, null, 2))
else if (flags.gate) console.log(`${counts.passed} passed, ${counts.failed} failed`)
if (flags.gate && counts.failed > 0) process.exitCode = 1
