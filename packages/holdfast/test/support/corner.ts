import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { build } from 'esbuild'
import type { CallContext, Host } from '../../src/provider/index.ts'
import { makeRedactor } from '../../src/secret/index.ts'

export interface Corner {
  readonly root: string
  readonly home: string
  readonly host: Host
  /** Every file, folder and link below the root; of `.holdfast` only the names of files. */
  world(): Promise<readonly string[]>
  dispose(): Promise<void>
}

/** A folder of its own, as a program finds it. */
export function corner(secrets: readonly string[] = []): Corner {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-'))
  const home = join(root, '.holdfast')
  mkdirSync(home, { mode: 0o700 })
  const redactor = makeRedactor()
  for (const s of secrets) redactor.add(s)
  const host: Host = {
    root,
    home,
    env: { id: 'e-1', app: 'suite', name: 'default' },
    assetPath: (a) => resolve(root, a.path),
    redact: (text) => redactor.text(text),
    secrets: () => redactor.secrets(),
  }
  return { root, home, host, world: async () => listing(root, home), dispose: async () => rmSync(root, { recursive: true, force: true }) }
}

export function listing(root: string, home: string): string[] {
  const out: string[] = []
  const walk = (folder: string): void => {
    for (const name of readdirSync(folder).sort()) {
      const path = join(folder, name)
      const s = lstatSync(path)
      const shown = relative(root, path)
      const inHome = path.startsWith(home)
      if (s.isDirectory()) {
        if (!inHome) out.push(`${shown}/ ${(s.mode & 0o7777).toString(8)}`)
        walk(path)
      } else if (s.isSymbolicLink()) out.push(`${shown} -> ${readlinkSync(path)}`)
      else out.push(inHome ? shown.replace(/[0-9a-f]{32}/, 'HASH') : `${shown} ${(s.mode & 0o7777).toString(8)} ${createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 12)}`)
    }
  }
  if (existsSync(root)) walk(root)
  return out
}

let keys = 0
export const callOf = (host: Host, uid = 'u-1', token = `key-${++keys}`): CallContext & { said: string[]; partial(o: unknown): Promise<void> } => {
  const said: string[] = []
  return {
    key: { toString: () => token, step: (n) => `${token}.${n}` },
    mark: { store: 's-1', uid, ordinal: 1 },
    namespace: 'test',
    signal: new AbortController().signal,
    host,
    log: (m) => void said.push(m),
    progress: () => {},
    partial: async () => {},
    said,
  }
}

/** A source file as one module that plain Node runs, dependencies included. */
export async function bundled(source: URL): Promise<{ readonly module: string; dispose(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bundle-'))
  const module = join(folder, 'type.mjs')
  await build({ entryPoints: [source.pathname], outfile: module, bundle: true, format: 'esm', platform: 'node', target: 'node20', logLevel: 'error' })
  return { module, dispose: () => rmSync(folder, { recursive: true, force: true }) }
}
