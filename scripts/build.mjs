// Builds packages/holdfast into its dist folder: JavaScript bundled by esbuild, types emitted by the TypeScript compiler.
//
//   node scripts/build.mjs              both; fails on a type error
//   node scripts/build.mjs --no-types   JavaScript only, half a second; the types stay as they were
//
// The entries share their code as chunks in the same folder, so that `new URL('./store-writer.js', import.meta.url)`
// means the same from an entry and from a chunk. The loader's hook is one file of its own: the program waits while its thread reads it.
import { build } from 'esbuild'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { filesBelow, holdfast, root } from './lib/paths.mjs'
import { run } from './lib/run.mjs'

const { values: flags } = parseArgs({ options: { 'no-types': { type: 'boolean' } } })
const manifest = JSON.parse(readFileSync(join(holdfast, 'package.json'), 'utf8'))
const dist = join(holdfast, 'dist')

/** Name in dist -> file in src. What a user imports, and the files that Holdfast starts as processes, threads and hooks of its own. */
const entries = {
  bin: 'cli/bin.ts',
  root: 'root.ts',
  local: 'builtin/local/index.ts',
  random: 'builtin/random/index.ts',
  tls: 'builtin/tls/index.ts',
  http: 'builtin/http/index.ts',
  backend: 'backend/index.ts',
  flow: 'flow/workflow/index.ts',
  engine: 'embed/index.ts',
  testing: 'testing/index.ts',
  'store-writer': 'store/sqlite/writer.ts',
  supervisor: 'builtin/local/supervisor/main.ts',
}
const alone = { 'loader-hooks': 'project/loader-hooks.ts' }

const external = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)]

const bundle = (files, splitting) => build({
  entryPoints: Object.entries(files).map(([out, file]) => ({ in: join(holdfast, 'src', file), out })),
  outdir: dist, absWorkingDir: root,
  bundle: true, splitting, format: 'esm', platform: 'node', target: 'node20',
  chunkNames: '[name]-[hash]', external, loader: { '.sql': 'text' },
  // A bundled CommonJS package may ask for a built-in module by require().
  banner: { js: "import { createRequire as __createRequire } from 'node:module'\nconst require = __createRequire(import.meta.url)" },
  define: { HOLDFAST_VERSION: JSON.stringify(manifest.version) },
  minifySyntax: true, legalComments: 'none', metafile: true, logLevel: 'warning', write: false,
}).catch(() => process.exit(1)) // esbuild has said why
const [{ metafile, outputFiles: shared }, { outputFiles: single }] = await Promise.all([bundle(entries, true), bundle(alone, false)])
const outputFiles = [...shared, ...single]

// A build that failed leaves the last one alone, and a command that runs meanwhile finds every file that it asks for: new files come before old ones go.
mkdirSync(dist, { recursive: true })
for (const { path, contents } of outputFiles) {
  writeFileSync(`${path}.next`, contents)
  renameSync(`${path}.next`, path)
}
const fresh = new Set(outputFiles.map(({ path }) => basename(path)))
for (const name of readdirSync(dist)) if (!fresh.has(name) && name !== 'types') rmSync(join(dist, name), { recursive: true })

const bin = join(dist, 'bin.js')
if (existsSync(bin)) {
  const text = readFileSync(bin, 'utf8')
  if (!text.startsWith('#!')) writeFileSync(bin, `#!/usr/bin/env node\n${text}`)
  chmodSync(bin, 0o755)
  // npm links the commands of workspaces when it installs, before there was anything to link to.
  const link = join(root, 'node_modules/.bin/holdfast')
  rmSync(link, { force: true })
  symlinkSync('../holdfast/dist/bin.js', link)
}

// The licences of what was bundled travel with it.
const bundled = new Set(Object.keys(metafile.inputs).flatMap((input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []))
const notices = [...bundled].sort().map((name) => {
  const folder = join(root, 'node_modules', name)
  const file = ['LICENSE', 'LICENSE.md', 'LICENSE.txt', 'license'].map((f) => join(folder, f)).find((f) => existsSync(f))
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  if (!file) throw new Error(`build: ${name} is bundled and has no licence file`)
  return `${name} ${version}\n\n${readFileSync(file, 'utf8').trim()}\n`
})
if (notices.length > 0) writeFileSync(join(dist, 'THIRD-PARTY-LICENSES.txt'), notices.join(`\n${'-'.repeat(72)}\n\n`))

for (const name of ['README.md', 'LICENSE']) if (existsSync(join(root, name))) copyFileSync(join(root, name), join(holdfast, name))

if (!flags['no-types']) {
  rmSync(join(dist, 'types'), { recursive: true, force: true })
  const { code } = await run(join(root, 'node_modules/.bin/tsc'), ['-p', join(holdfast, 'tsconfig.build.json')])
  if (code !== 0) process.exit(code)
  // Declarations keep the `.ts` of the sources; in a package they must name what is there. What is imported for its effect alone declares nothing, and is bundled.
  for (const file of filesBelowDist(join(dist, 'types'))) {
    const text = readFileSync(file, 'utf8')
    const fixed = text.replace(/(from\s+['"]|import\(['"]|import\s+['"])(\.{1,2}\/[^'"]+)\.ts(['"])/g, '$1$2.js$3').replace(/^import ['"][^'"]+['"];?.*\n/gm, '')
    if (fixed !== text) writeFileSync(file, fixed)
  }
}

const bytes = filesBelowDist(dist).reduce((sum, file) => sum + statSync(file).size, 0)
console.log(`built ${relative(root, dist)}: ${Object.keys({ ...entries, ...alone }).length} entries, ${Math.round(bytes / 1024)} KB`)

function filesBelowDist(folder) {
  return existsSync(folder) ? filesBelow(folder) : []
}
