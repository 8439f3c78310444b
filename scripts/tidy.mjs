// House rules, read from the source. Each rule has a case in packages/holdfast/test/guards that turns it red.
//
//   node scripts/tidy.mjs               violations, one a line; exit 1 when there are any
//   node scripts/tidy.mjs --src FOLDER  another source tree
import { readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { blank, importsOf } from './lib/imports.mjs'
import { loadTs } from './lib/load-ts.mjs'
import { filesBelow, holdfast } from './lib/paths.mjs'

const { values: flags } = parseArgs({ options: { src: { type: 'string' } } })
const src = resolve(flags.src ?? join(holdfast, 'src'))
const { layers } = await loadTs(join(holdfast, 'src/layers.ts'))

const LINES_MAX = 420

/** Where the outside world may be touched. Everything else decides on values, so that a simulator can stand in for the outside. */
const touchesTheWorld = ['builtin/', 'project/', 'cli/', 'testing/', 'store/sqlite/', 'base/time.ts', 'base/random.ts']
/** One file each, with its reason. */
const exceptions = {
  'base/folders.ts': 'makes folders, for everybody who may',
  'secret/key-file.ts': 'reads and creates the key file; nothing else in secret/ does',
  'store/holder.ts': 'asks the operating system whether the process of a lease is alive',
  'store/doctor.ts': 'looks at the modes of files',
  'store/spool.ts': 'keeps outcomes in files beside the state',
  'model/url.ts': 'isIP() of node:net, a pure function',
}
const worldModules = /^node:(fs|fs\/promises|child_process|worker_threads|net|http|https|dgram|tls|cluster|sqlite)$/
const worldCalls = [
  [/\bDate\.now\b/g, 'Date.now'], [/\bnew Date\(\s*\)/g, 'new Date()'], [/\bMath\.random\b/g, 'Math.random'],
  [/(?<![.\w])set(?:Timeout|Interval|Immediate)\b/g, 'a timer'], [/(?<![.\w])performance\s*\./g, 'performance'],
  [/\bcrypto\.(?:randomUUID|getRandomValues|randomBytes)\b/g, 'system randomness'], [/(?<![.\w])random(?:UUID|Bytes|Fill\w*|Int)\s*\(/g, 'system randomness'],
]

const violations = []
for (const file of filesBelow(src, (name) => name.endsWith('.ts'))) {
  const path = relative(src, file)
  const text = readFileSync(file, 'utf8')
  const report = (index, what) => violations.push(`${path}:${text.slice(0, index).split('\n').length}: ${what}`)
  const lines = text.split('\n').length
  if (lines > LINES_MAX) violations.push(`${path}: ${lines} lines, at most ${LINES_MAX}`)
  for (const m of text.matchAll(/\b(?:TODO|FIXME|XXX)\b|[Nn]ot (?:yet )?implemented/g)) report(m.index, `"${m[0]}" belongs into an issue`)
  const isTest = path.endsWith('.test.ts') || path.endsWith('.fixture.ts')
  if (isTest) continue
  const code = blank(text, { strings: true })
  // It never returns where a system says of an existing folder that it is not there; base/folders.ts has the way to do it.
  for (const m of code.matchAll(/\bmkdir(?:Sync)?\s*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*?\brecursive\s*:/g)) report(m.index, 'mkdir with recursive: makeFolders of base')
  if (!path.startsWith('cli/')) for (const m of code.matchAll(/\bconsole\s*\./g)) report(m.index, 'console outside of cli')
  if (!touchesTheWorld.some((p) => path.startsWith(p)) && !(path in exceptions)) {
    for (const { specifier, line } of importsOf(text)) if (worldModules.test(specifier)) violations.push(`${path}:${line}: ${specifier} on the side of the engine`)
    for (const [pattern, what] of worldCalls) for (const m of code.matchAll(pattern)) report(m.index, `${what} on the side of the engine`)
  }
}
for (const { name } of layers) {
  const door = filesBelow(src, (n) => n === 'index.ts').find((f) => relative(src, f) === `${name}/index.ts`)
  if (!door) continue
  if (!/^\/\*\*[\s\S]*?\*\//.test(readFileSync(door, 'utf8'))) violations.push(`${name}/index.ts:1: a door begins with the comment that says what is always true inside`)
}

if (violations.length > 0) console.error(violations.join('\n'))
else console.log('tidy: no violation')
process.exit(violations.length > 0 ? 1 : 0)
