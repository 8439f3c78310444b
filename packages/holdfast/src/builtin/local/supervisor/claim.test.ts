import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bootId } from './identity.ts'

let dir: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'holdfast-claim-'))
  const claim = fileURLToPath(new URL('./claim.ts', import.meta.url))
  await build({
    stdin: { contents: `import { claimPlace } from ${JSON.stringify(claim)}\nconsole.log(await claimPlace(process.argv[2], { store: 's', uid: 'u', ordinal: 1 }))\nprocess.stdin.resume()\n`, resolveDir: dir },
    outfile: join(dir, 'claim.mjs'), bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent',
  })
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Claims, tells the answer, and lives until its stdin is closed. */
function heir(run: string): { answer: Promise<boolean>; end(): Promise<void>; pid: number } {
  const child = spawn(process.execPath, [join(dir, 'claim.mjs'), run], { stdio: ['pipe', 'pipe', 'inherit'] })
  return {
    pid: child.pid as number,
    answer: new Promise((resolve) => child.stdout.once('data', (d: Buffer) => resolve(d.toString().trim() === 'true'))),
    end: () => new Promise((resolve) => {
      child.once('exit', () => resolve())
      child.stdin.end()
    }),
  }
}

test('of many heirs of a dead supervisor exactly one takes its place', async () => {
  const run = join(dir, 'run')
  for (let round = 0; round < 6; round++) {
    rmSync(run, { recursive: true, force: true })
    const { mkdirSync } = await import('node:fs')
    mkdirSync(run)
    // Dead in three ways: nobody has the pid, another process has it, another boot.
    const dead = [{ pid: 4_000_000, start: '1', boot: bootId() }, { pid: process.pid, start: '1', boot: bootId() }, { pid: process.pid, start: 'x', boot: 'before' }][round % 3]
    writeFileSync(join(run, 'pid'), JSON.stringify(dead))
    writeFileSync(join(run, 'claim.4000000.31'), '{}')
    const heirs = Array.from({ length: 6 }, () => heir(run))
    const answers = await Promise.all(heirs.map((h) => h.answer))
    expect(answers.filter((a) => a)).toHaveLength(1)
    expect(JSON.parse(readFileSync(join(run, 'pid'), 'utf8')).pid).toBe(heirs[answers.indexOf(true)]!.pid)
    expect(readdirSync(run)).toEqual(['pid'])
    await Promise.all(heirs.map((h) => h.end()))
  }
}, 60_000)
