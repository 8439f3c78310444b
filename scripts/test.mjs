// npm test: everything that must be true before a change is handed in, in at most 8 minutes on two cores.
//
//   npm test                 all steps
//   npm test -- unit layers  some of them
//
// A step that fails does not hide the others. The last line is `N passed, N failed`; exit 1 when anything failed.
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { filesBelow, holdfast, root } from './lib/paths.mjs'
import { run } from './lib/run.mjs'
import { runVitest } from './lib/vitest.mjs'

const BUDGET_MS = 480_000
const bin = (name) => join(root, 'node_modules/.bin', name)
const command = (...argv) => async (timeoutMs) => {
  const { code, timedOut } = await run(argv[0], argv.slice(1), { timeoutMs })
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, note: timedOut ? 'took too long' : code === 0 ? undefined : `exit ${code}` }
}

const steps = {
  build: async (timeoutMs) => (distIsFresh() ? { passed: 1, failed: 0, note: 'fresh' } : command(process.execPath, 'scripts/build.mjs')(timeoutMs)),
  types: command(bin('tsc'), '-p', 'tsconfig.json', '--noEmit'),
  lint: command(bin('biome'), 'lint', '.'),
  layers: command(process.execPath, 'scripts/layers.mjs'),
  tidy: command(process.execPath, 'scripts/tidy.mjs'),
  tests: (timeoutMs) => runVitest([], { timeoutMs }),
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in steps))
if (unknown.length > 0) {
  console.error(`npm test: no step ${unknown.join(', ')}; there are ${Object.keys(steps).join(', ')}`)
  process.exit(2)
}

const startedAt = Date.now()
const total = { passed: 0, failed: 0 }
const report = []
for (const [name, step] of Object.entries(steps)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const begun = Date.now()
  const { passed, failed, note } = await step(Math.max(1, BUDGET_MS - (begun - startedAt)))
  total.passed += passed
  total.failed += failed
  report.push(`${failed > 0 ? 'FAIL' : 'ok  '}  ${name.padEnd(8)} ${((Date.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${passed} passed, ${failed} failed${note ? `  (${note})` : ''}`)
}
console.log(`\n${report.join('\n')}\n`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exit(total.failed > 0 ? 1 : 0)

/** Whether the built package is newer than everything it is made of. */
function distIsFresh() {
  const built = join(holdfast, 'dist/types/root.d.ts')
  if (!existsSync(built) || !existsSync(join(holdfast, 'dist/bin.js'))) return false
  const at = statSync(join(holdfast, 'dist/bin.js')).mtimeMs
  const sources = [...filesBelow(join(holdfast, 'src'), (name) => !name.endsWith('.test.ts')), join(holdfast, 'package.json'), join(root, 'scripts/build.mjs')]
  return sources.every((file) => statSync(file).mtimeMs <= at)
}
