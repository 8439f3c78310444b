import { createHash } from 'node:crypto'
import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeFolders } from '../../base/index.ts'

let fromSource: URL | undefined

/**
 * File that the writer thread is started from. In the built package it lies beside the bundles; from source it is bundled once per process into
 * node_modules/.cache, because the threads of Node 20 cannot run TypeScript.
 */
export function writerEntry(): URL {
  if (import.meta.url.endsWith('.ts')) return (fromSource ??= bundle())
  for (const candidate of ['./store-writer.js', '../store-writer.js']) {
    const url = new URL(candidate, import.meta.url)
    if (existsSync(url)) return url
  }
  throw new Error('store-writer.js is missing from the package')
}

function bundle(): URL {
  const require = createRequire(import.meta.url)
  const esbuild = require('esbuild') as typeof import('esbuild')
  const built = esbuild.buildSync({
    entryPoints: [fileURLToPath(new URL('./writer.ts', import.meta.url))], bundle: true, write: false, platform: 'node', format: 'esm', target: 'node20', packages: 'external',
  })
  const text = built.outputFiles[0]?.text as string
  // Beside the packages that it imports, so that they are found from there.
  const folder = join(dirname(dirname(require.resolve('esbuild/package.json'))), '.cache', 'holdfast')
  const file = join(folder, `store-writer-${createHash('sha256').update(text).digest('hex').slice(0, 16)}.mjs`)
  if (!existsSync(file)) {
    makeFolders(folder)
    writeFileSync(`${file}.${process.pid}`, text)
    renameSync(`${file}.${process.pid}`, file)
  }
  return new URL(`file://${file}`)
}
