import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { repository, script } from '../guards/tree.ts'

const lib = (name: string) => import(pathToFileURL(join(repository, 'bench/lib', name)).href)

test('a target is kept up to its limit, times the factor of the gate', async () => {
  const { atLeast, atMost, kept } = await lib('targets.mjs')
  expect([kept(atMost('x', 100, 100, 'ms')), kept(atMost('x', 101, 100, 'ms')), kept(atMost('x', 150, 100, 'ms'), 1.5), kept(atMost('x', 151, 100, 'ms'), 1.5)]).toEqual([true, false, true, false])
  expect([kept(atLeast('x', 3, 3, 'x')), kept(atLeast('x', 2.9, 3, 'x')), kept(atLeast('x', 2, 3, 'x'), 1.5)]).toEqual([true, false, true])
  expect(kept(atMost('x', Number.NaN, 100, 'ms'))).toBe(false)
})

test('the cost of a command is measured: time, processor time of its children, memory, bytes written', async () => {
  const { measure } = await lib('measure.mjs')
  const { holdfastBin } = await lib('program.mjs')
  expect(holdfastBin).toMatch(/dist\/bin\.js$/)
  const { tree } = await import('../guards/tree.ts')
  const folder = tree({})
  const work = "const { writeFileSync } = require('node:fs'); while (process.cpuUsage().user < 300e3); const b = Buffer.alloc(60e6, 1); writeFileSync('big', b.subarray(0, 8e6)); require('node:child_process').execFileSync(process.execPath, ['-e', 'while (process.cpuUsage().user < 200e3);']); require('node:timers').setTimeout(() => console.log('done'), 60)"
  const cost = await measure([process.execPath, '-e', work], { cwd: folder })
  expect(cost.stdout).toBe('done\n')
  expect(cost.wallMs).toBeGreaterThan(550)
  expect(cost.cpuMs).toBeGreaterThan(400)
  expect(cost.rssMb).toBeGreaterThan(90)
  expect(cost.writtenMb).toBeGreaterThan(7.9)
  await expect(measure([process.execPath, '-e', 'process.exit(3)'], { cwd: folder })).rejects.toThrow('ended with 3')
})

test('a peer that is not installed is named with the reason, and one that is with its version', async () => {
  const { findTaskFlow } = await lib('taskflow.mjs')
  expect(findTaskFlow({ HOLDFAST_TASKFLOW_PYTHON: '/nowhere/python3' })).toEqual({ missing: expect.stringMatching(/^TaskFlow is not measured: \/nowhere\/python3: ENOENT/) })
  const { tree } = await import('../guards/tree.ts')
  const folder = tree({ without: "#!/bin/sh\necho 'Traceback' >&2\necho \"ModuleNotFoundError: No module named 'taskflow'\" >&2\nexit 1\n", with: "#!/bin/sh\necho 'TaskFlow 6.5.0 on Python 3.12.1'\n" })
  for (const name of ['without', 'with']) chmodSync(join(folder, name), 0o755)
  expect(findTaskFlow({ HOLDFAST_TASKFLOW_PYTHON: join(folder, 'without') }).missing).toContain("No module named 'taskflow'")
  expect(findTaskFlow({ HOLDFAST_TASKFLOW_PYTHON: join(folder, 'with') })).toEqual({ command: join(folder, 'with'), program: 'TaskFlow 6.5.0 on Python 3.12.1' })
})

test('red: the gate ends with 1 when a figure is above its target', () => {
  const { code, stdout } = script('bench/run.mjs', 'cold', '--gate', '--factor', '0.0001')
  expect(stdout.trimEnd().split('\n').at(-1)).toBe('0 passed, 2 failed')
  expect(code).toBe(1)
}, 120_000)
