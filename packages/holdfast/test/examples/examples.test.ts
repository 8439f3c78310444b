import { execFile } from 'node:child_process'
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

const repository = fileURLToPath(new URL('../../../../', import.meta.url))
const ownType = readFileSync(join(repository, 'examples/own-type/app.ts'), 'utf8')

/** A folder with a program, as a user has it: the built package beside it. Calls give exit code and document. */
function project(app: string) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-example-')))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'node_modules'))
  for (const [name, target] of Object.entries({ holdfast: 'packages/holdfast', zod: 'node_modules/zod' })) symlinkSync(join(repository, target), join(folder, 'node_modules', name))
  const write = (text: string) => writeFileSync(join(folder, 'app.ts'), text)
  write(app)
  const holdfast = (...args: string[]) => new Promise<{ code: number; json: any; stderr: string }>((resolve) => {
    execFile(process.execPath, [join(repository, 'packages/holdfast/dist/bin.js'), ...args, '--json', '--no-input'], { cwd: folder, encoding: 'utf8' }, (error, stdout, stderr) => {
      let json: unknown
      try { json = JSON.parse(stdout) } catch { /* shown by the test */ }
      resolve({ code: error ? (error as { code?: number }).code ?? -1 : 0, json, stderr })
    })
  })
  return { folder, write, holdfast }
}

test('a type of the user takes fewer than 30 lines', () => {
  expect((/^export const Link = resource\([\s\S]*?^\}\)$/m.exec(ownType)?.[0] as string).split('\n').length).toBeLessThan(30)
})

test('a type of the user is created, changed in place, repaired, and deleted like a built-in one', async () => {
  const { folder, write, holdfast } = project(ownType)
  const link = join(folder, 'current')
  expect(await holdfast('apply', '--yes')).toMatchObject({ code: 0, json: { outcome: 'applied', summary: { create: 2 } } })
  expect(readlinkSync(link)).toBe('releases-2')
  write(ownType.replace('releases-2', 'releases-3'))
  expect(await holdfast('apply', '--yes')).toMatchObject({ code: 0, json: { outcome: 'applied' } })
  expect(readlinkSync(link)).toBe('releases-3')
  rmSync(link)
  expect(await holdfast('drift')).toMatchObject({ json: { drifted: [{ address: 'current', kind: 'gone' }] } })
  expect(await holdfast('drift', '--repair', '--yes')).toMatchObject({ code: 0 })
  expect(readlinkSync(link)).toBe('releases-3')
  expect(await holdfast('destroy', '--yes')).toMatchObject({ code: 0 })
  expect(readdirSync(folder).sort()).toEqual(['.holdfast', 'app.ts', 'node_modules'])
})

test('what stands where a node of the user should be is never overwritten: exit 4, and it stays', async () => {
  const { folder, holdfast } = project(ownType)
  writeFileSync(join(folder, 'current'), 'mine')
  expect(await holdfast('apply', '--yes')).toMatchObject({ code: 4, json: { outcome: 'reverted', revision: { from: 0, to: 0 } } })
  expect(lstatSync(join(folder, 'current')).isFile()).toBe(true)
  expect(readdirSync(folder).sort()).toEqual(['.holdfast', 'app.ts', 'current', 'node_modules'])
})

test('the smallest program of the README does what it says', async () => {
  const { folder, holdfast } = project(/```ts\n([\s\S]*?)```/.exec(readFileSync(join(repository, 'README.md'), 'utf8'))?.[1] as string)
  expect(await holdfast('apply', '--yes')).toMatchObject({ code: 0, json: { outputs: { file: 'out/greeting.txt' } } })
  expect(readFileSync(join(folder, 'out/greeting.txt'), 'utf8')).toMatch(/^hello .{24}\n$/)
  expect(await holdfast('destroy', '--yes')).toMatchObject({ code: 0 })
  expect(readdirSync(folder).sort()).toEqual(['.holdfast', 'app.ts', 'node_modules'])
})
