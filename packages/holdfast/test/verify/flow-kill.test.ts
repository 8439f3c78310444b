import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { bugs, emptyTally, hunt } from '../flow/hunt.ts'

const programs = fileURLToPath(new URL('../flow/programs', import.meta.url))

interface Report { readonly state: string; readonly trace: readonly { readonly task: string; readonly event: string }[]; readonly y: number; readonly standing: readonly string[] }
interface Did { readonly task: string; readonly attempt: number; readonly key: string }

function run(program: string, folder: string, failpoint?: string) {
  const { HOLDFAST_TEST: _a, HOLDFAST_FAILPOINT: _b, ...env } = process.env
  const { signal, status, stdout, stderr } = spawnSync(process.execPath, [join(programs, program), folder], {
    encoding: 'utf8', env: failpoint ? { ...env, HOLDFAST_TEST: '1', HOLDFAST_FAILPOINT: failpoint } : env,
  })
  return { signal, status, stdout, stderr }
}
const did = (folder: string): Did[] => (existsSync(join(folder, 'did.txt')) ? readFileSync(join(folder, 'did.txt'), 'utf8').trim().split('\n').map((line) => {
  const [task, attempt, key] = line.split(' ') as [string, string, string]
  return { task, attempt: Number(attempt), key }
}) : [])

/** Kills the program at each of its commits, runs it again, and looks at what was done. */
function matrix(program: string, check: (before: readonly Did[], all: readonly Did[], report: Report) => void, moments: readonly string[] = ['before', 'after']): number {
  for (let n = 1; ; n++) for (const when of moments) {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-flow-'))
    try {
      const first = run(program, folder, `commit:${n}:${when}`)
      if (first.signal === null) {
        expect(first).toMatchObject({ status: 0 })
        return n - 1
      }
      expect(first.signal).toBe('SIGKILL')
      const before = did(folder)
      const second = run(program, folder)
      expect(second).toMatchObject({ status: 0 })
      check(before, did(folder), JSON.parse(second.stdout) as Report)
      expect(existsSync(join(folder, 'flows.db-wal'))).toBe(false)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

describe('a durable flow that is killed at a commit and run again', () => {
  test('a linear flow of two tasks: nothing that finished runs again, and an attempt that was cut short keeps its key', () => {
    const commits = matrix('two.mjs', (before, all, report) => {
      expect(report).toMatchObject({ state: 'SUCCESS', y: 8 })
      for (const task of ['a', 'b']) {
        const calls = all.filter((d) => d.task === task)
        expect(new Set(calls.map((d) => d.key)).size).toBe(1)
        // The last attempt of the first process may have ended without being stored; everything before it was.
        expect(calls.length).toBeLessThanOrEqual(before[before.length - 1]?.task === task ? 2 : 1)
        if (calls.length === 2) expect((calls[1] as Did).attempt).toBe((calls[0] as Did).attempt + 1)
      }
      if (before.some((d) => d.task === 'b')) expect(report.trace.some((e) => e.task === 'a')).toBe(false)
    })
    expect(commits).toBeGreaterThanOrEqual(5)
  }, 120_000)

  test('tasks side by side, a controller, a nested flow, and all of it taken back: nothing is left standing', () => {
    const commits = matrix('many.mjs', (_before, all, report) => {
      expect(report.standing).toEqual([])
      // Killed after its last commit, the flow was taken back already, and the second run is the next one: it is taken back as well.
      expect(report.state).toBe('REVERTED')
      for (const key of new Set(all.map((d) => d.key))) {
        const calls = all.filter((d) => d.key === key)
        expect(calls.length).toBeLessThanOrEqual(2)
        if (calls.length === 2) expect((calls[1] as Did).attempt).toBe((calls[0] as Did).attempt + 1)
      }
    }, ['before'])
    expect(commits).toBeGreaterThan(12)
  }, 240_000)
})

describe('red: the hunt of flow-hunt finds a planted bug', () => {
  for (const [bug, what] of Object.entries(bugs)) {
    test(`${bug}: ${what}`, async () => {
      const t = emptyTally()
      for (let seed = 1; t.wrong.length === 0 && t.kills < 150; seed++) await hunt(seed, t, { bug })
      console.log(`${bug}: found after ${t.kills} kills: ${t.wrong[0]}`)
      expect(t.wrong).not.toEqual([])
    }, 240_000)
  }
})
