import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { assert, makeFolders, sha256hex } from '../../../base/index.ts'

let built: Promise<string> | undefined

/**
 * The file that a supervisor process runs.
 *
 * In an installed package it lies beside the bundle. From the sources (in tests) it is built once in each process, into a cache that is no part of the package.
 */
export function supervisorEntry(): Promise<string> {
  return (built ??= find())
}

async function find(): Promise<string> {
  for (const beside of ['./supervisor.js', '../supervisor.js']) {
    const file = fileURLToPath(new URL(beside, import.meta.url))
    if (existsSync(file)) return file
  }
  const { build } = await import('esbuild')
  const built = await build({ entryPoints: [fileURLToPath(new URL('./main.ts', import.meta.url))], bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent', write: false })
  const bytes = built.outputFiles[0]?.contents
  assert(bytes, 'supervisorEntry: the build gave nothing')
  // Named by its content and put there as a whole: many processes may build it at the same time.
  const file = fileURLToPath(new URL(`../../../../../../node_modules/.cache/holdfast/supervisor-${sha256hex(bytes).slice(0, 16)}.mjs`, import.meta.url))
  if (existsSync(file)) return file
  makeFolders(dirname(file))
  writeFileSync(`${file}.${process.pid}`, bytes)
  renameSync(`${file}.${process.pid}`, file)
  return file
}
