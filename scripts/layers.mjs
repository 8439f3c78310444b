// Checks who imports whom in packages/holdfast/src against src/layers.ts.
//
//   npm run layers                  violations, one a line; exit 1 when there are any
//   npm run layers -- --json        folders in order, with what each imports
//   npm run layers -- --src FOLDER  another source tree (the guard's own test uses it)
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { filesBelow, holdfast } from './lib/paths.mjs'
import { importsOf } from './lib/imports.mjs'
import { loadTs } from './lib/load-ts.mjs'

const { values: flags } = parseArgs({ options: { json: { type: 'boolean' }, src: { type: 'string' } } })
const src = resolve(flags.src ?? join(holdfast, 'src'))
const { layers, rootFiles } = await loadTs(join(holdfast, 'src/layers.ts'))

const violations = []
const imported = new Map(layers.map((layer) => [layer.name, new Set()]))
const report = (file, line, text) => violations.push(`${relative(src, file)}:${line}: ${text}`)

// The list itself: each line may only name lines above it.
layers.forEach((layer, i) => {
  if (layer.mayImport === 'anything') return
  const above = new Set(layers.slice(0, i).map((l) => l.name))
  for (const name of layer.mayImport) if (!above.has(name)) violations.push(`layers.ts: ${layer.name} may import ${name}, which does not stand above it`)
})
for (const entry of readdirSync(src, { withFileTypes: true })) {
  const known = entry.isDirectory() ? imported.has(entry.name) : entry.name in rootFiles || !entry.name.endsWith('.ts')
  if (!known) violations.push(`${entry.name}: not named in layers.ts`)
}

for (const file of filesBelow(src, (name) => name.endsWith('.ts'))) {
  const isTest = file.endsWith('.test.ts')
  if (isTest) continue // a test may look at anything
  const [from, ...below] = relative(src, file).split('/')
  const layer = layers.find((l) => l.name === from)
  const allowed = layer ? layer.mayImport : below.length === 0 ? rootFiles[from] : undefined
  if (allowed === undefined) continue // reported above
  for (const { specifier, line } of importsOf(readFileSync(file, 'utf8'))) {
    if (!specifier.startsWith('.')) continue
    const target = relative(src, resolve(dirname(file), specifier))
    if (target.startsWith('..')) { report(file, line, `imports ${specifier}, outside src`); continue }
    if (!existsSync(join(src, target))) { report(file, line, `imports ${specifier}, which does not exist`); continue }
    const [to, ...rest] = target.split('/')
    if (to === from) continue
    if (rest.length === 0) { report(file, line, `imports ${specifier}, a file that belongs to no folder`); continue }
    imported.get(from)?.add(to)
    if (allowed !== 'anything' && !allowed.includes(to)) report(file, line, `${from} may not import ${to}`)
    const inner = layers.find((l) => l.name === to)?.doors ?? []
    const throughDoor = rest.join('/') === 'index.ts' || inner.some((name) => rest.join('/') === `${name}/index.ts`)
    if (!throughDoor && allowed !== 'anything') report(file, line, `imports ${specifier} past the door of ${to}`)
  }
}

if (flags.json) {
  const order = layers.map((l) => l.name)
  console.log(JSON.stringify({ v: 1, ok: violations.length === 0, folders: layers.map((l) => ({ name: l.name, imports: [...imported.get(l.name)].sort((a, b) => order.indexOf(a) - order.indexOf(b)) })), violations }, null, 2))
} else if (violations.length > 0) console.error(violations.join('\n'))
else console.log(`layers: ${layers.length} folders, no violation`)
process.exit(violations.length > 0 ? 1 : 0)
