import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

const src = fileURLToPath(new URL('../../src/', import.meta.url))
const root = fileURLToPath(new URL('../../../../', import.meta.url))

/** The store as other processes run it: bundled with its writer beside it, as in the package. */
let built: string | undefined
export function storeBundle(): string {
  if (built) return built
  // A child may run as another user, who need not be let into the folder of the repository: what it loads lies outside.
  const folder = mkdtempSync(join(tmpdir(), 'hf-store-bundle-'))
  chmodSync(folder, 0o755)
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['@photostructure/sqlite', 'node-gyp-build', 'zod']) cpSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true, dereference: true })
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  const common = { bundle: true, platform: 'node', format: 'esm', target: 'node20', packages: 'external' } as const
  const contents = ['store/index.ts', 'base/index.ts', 'testing/store-fixtures.ts'].map((f) => `export * from ${JSON.stringify(src + f)}`).join('\n')
  buildSync({ ...common, stdin: { contents, resolveDir: src, loader: 'ts' }, outfile: join(folder, 'store.js') })
  buildSync({ ...common, entryPoints: [join(src, 'store/sqlite/writer.ts')], outfile: join(folder, 'store-writer.js') })
  return (built = folder)
}

let scripts = 0
/** Starts `code` (a module; `store` is the bundle's namespace, `path` the state file) in a process of its own. */
export function runChild(path: string, code: string, options: SpawnOptions = {}): ChildProcess {
  const folder = storeBundle()
  const file = join(folder, `child-${scripts++}.mjs`)
  writeFileSync(file, `import * as store from './store.js'\nconst path = ${JSON.stringify(path)}\n${code}\n`)
  return spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'], ...options })
}

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly out: string
  readonly err: string
}

export function ended(child: ChildProcess): Promise<Ended> {
  let out = ''
  let err = ''
  child.stdout?.on('data', (d) => (out += d))
  child.stderr?.on('data', (d) => (err += d))
  return new Promise((done) => child.once('close', (code, signal) => done({ code, signal, out, err })))
}

export function tempFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'hf-store-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
