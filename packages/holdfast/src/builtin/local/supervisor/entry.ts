import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

let built: Promise<string> | undefined

/**
 * The file that a supervisor process runs.
 *
 * In an installed package it lies beside the bundle. From the sources (in tests) it is built once in each process, into the temporary folder.
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
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-supervisor-'))
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
  const file = join(dir, 'supervisor.mjs')
  await build({ entryPoints: [fileURLToPath(new URL('./main.ts', import.meta.url))], outfile: `${file}.next`, bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent' })
  renameSync(`${file}.next`, file)
  return file
}
