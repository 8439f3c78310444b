import { existsSync, readdirSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { whileAsking } from '../support/asking.ts'
import { endStrays, installed, processesOf, type Installed } from '../support/cli.ts'
import { basic, contentOf, quickstart, type Quickstart } from '../support/quickstart.ts'
import { leaksOf } from '../support/secret-scan.ts'

let place: Installed
let app: Quickstart
let password = ''
/** Passwords of all that was ever brought up here. */
const passwords: Record<string, string> = {}
let untouched: Record<string, string> = {}

const runs = (root: string) => processesOf(root).map((p) => p.kind).sort()
const open = async () => {
  const { json } = await app.holdfast(['status'])
  return { revision: json.revision as number, open: json.open as unknown[], openRun: json.openRun as unknown }
}
const keep = async (name: string) => {
  password = await app.password()
  passwords[name] = password
}

beforeAll(async () => {
  place = installed()
  app = await quickstart(place, 'notes')
})
afterAll(async () => {
  await app.holdfast(['destroy', '--yes'])
  const strays = endStrays(place.home)
  place.dispose()
  expect(strays).toEqual([])
})

describe('the quickstart, over HTTP', () => {
  test('one command brings a fresh copy up and prints its URL', async () => {
    untouched = contentOf(app.root)
    expect(Object.keys(untouched).sort()).toEqual(['README.md', 'api.mjs', 'app.ts', 'package.json'])
    const up = await app.run(['apply', '--yes', '--set', `port=${app.port}`])
    expect(up.code, up.stderr).toBe(0)
    expect(up.stdout).toContain(`http://127.0.0.1:${app.port}`)
    expect(up.stdout + up.stderr).not.toContain('\u001b')
    expect((await app.ask('/health')).status).toBe(200)
  })

  test('the service and its supervisor run on after the command has ended', async () => {
    expect(runs(app.root)).toEqual(['program', 'supervisor'])
    await keep('first')
    expect(password).toHaveLength(32)
  })

  test('the settings file can be read by its owner only, and holds the password', () => {
    expect(statSync(join(app.root, 'run/settings.json')).mode & 0o7777).toBe(0o600)
    expect(JSON.parse(app.read('run/settings.json'))).toMatchObject({ title: 'Notes', password })
  })

  test('it demands the password', async () => {
    expect((await app.ask('/notes')).status).toBe(401)
    expect((await app.ask('/notes', { headers: basic('wrong') })).status).toBe(401)
    expect((await app.ask('/notes', { method: 'POST', headers: basic(password), body: 'Buy milk' })).status).toBe(201)
    expect((await app.ask('/notes', { headers: basic(password) })).json()).toMatchObject({ title: 'Notes', notes: [{ text: 'Buy milk' }] })
  })

  test('the next apply finds the service again: nothing to do, the same process', async () => {
    const pid = await app.servedBy()
    expect(await app.holdfast(['apply', '--yes'])).toMatchObject({ code: 0, json: { outcome: 'unchanged', revision: { from: 1, to: 1 }, outputs: { url: `http://127.0.0.1:${app.port}`, password: { secret: true } } } })
    expect(await app.servedBy()).toBe(pid)
  })

  test('logs shows what the service writes', async () => {
    const pid = await app.servedBy()
    const logs = await app.run(['logs', 'api'])
    expect(logs.code, logs.stderr).toBe(0)
    expect(logs.stdout).toMatch(new RegExp(`^\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z Notes: ready, process ${pid}$`, 'm'))
    expect((await app.call(['logs', 'api'])).json).toMatchObject({ address: 'api', lines: expect.arrayContaining([expect.stringContaining(`ready, process ${pid}`)]) })
  })

  test('changed code restarts it, the plan names the file, and no request fails', async () => {
    const pid = await app.servedBy()
    app.edit('api.mjs', ': ready, process', ': at your service, process')
    const plan = await app.holdfast(['plan'])
    expect(plan.json.changes).toMatchObject([{ address: 'api', action: 'update', verb: 'restart' }])
    expect(JSON.stringify(plan.json.changes)).toContain('api.mjs')
    const { result, asked, failed, pids } = await whileAsking(app.port, basic(password), () => app.holdfast(['apply', '--yes']))
    expect(result).toMatchObject({ code: 0, json: { outcome: 'applied', tasks: [{ address: 'api', downMs: 0 }] } })
    const now = await app.servedBy()
    expect(now).not.toBe(pid)
    expect(failed).toEqual([])
    expect(pids).toEqual(expect.arrayContaining([pid, now]))
    expect(runs(app.root)).toEqual(['program', 'supervisor'])
    console.log(`changed code: ${asked} requests, 0 failed`)
  })

  test('changed configuration restarts it, and no request fails', async () => {
    const pid = await app.servedBy()
    const { result, asked, failed } = await whileAsking(app.port, basic(password), () => app.holdfast(['apply', '--yes'], { title: 'Diary' }))
    expect(result).toMatchObject({ code: 0, json: { outcome: 'applied' } })
    expect(await app.servedBy()).not.toBe(pid)
    expect((await app.ask('/notes', { headers: basic(password) })).json()).toMatchObject({ title: 'Diary', notes: [{ text: 'Buy milk' }] })
    expect(failed).toEqual([])
    console.log(`changed configuration: ${asked} requests, 0 failed`)
  })

  const broken = [
    ['that ends at once', 'const BODY_BYTES_MAX', "console.error('cannot start'); process.exit(7)\nconst BODY_BYTES_MAX"],
    ['that throws', 'const BODY_BYTES_MAX', "throw new Error('oops')\nconst BODY_BYTES_MAX"],
    ['that does not parse', 'const BODY_BYTES_MAX', 'const = BODY_BYTES_MAX'],
    ['that never listens', 'server.listen(', 'setInterval(() => {}, 1000); (() => {})('],
    ['that answers 500 on /health', 'return { status: 200, body: { ok: true', 'return { status: 500, body: { ok: false'],
  ] as const
  for (const [what, from, to] of broken) {
    test(`a change ${what} is taken back: exit 4, the old service answers all the time, the revision is the same`, async () => {
      const good = app.read('api.mjs')
      const pid = await app.servedBy()
      const before = { ...(await open()), content: contentOf(app.root) }
      app.edit('api.mjs', from, to)
      const { result, asked, failed, pids } = await whileAsking(app.port, basic(password), () => app.holdfast(['apply', '--yes'], { title: 'Broken' }))
      expect(result, result.stderr).toMatchObject({ code: 4, json: { outcome: 'reverted', revision: { from: before.revision, to: before.revision }, error: { code: 'HF3107', address: 'api', file: join(app.root, 'app.ts'), line: expect.any(Number) } } })
      expect(failed).toEqual([])
      // A version that answers 500 is asked by nobody but the one that starts it.
      expect(pids).toEqual([pid])
      app.write('api.mjs', good)
      expect({ ...(await open()), content: contentOf(app.root) }).toEqual(before)
      expect(before).toMatchObject({ open: [], openRun: null })
      expect(runs(app.root)).toEqual(['program', 'supervisor'])
      expect((await app.holdfast(['plan'], { title: 'Diary' })).json.changes).toEqual([])
      console.log(`a change ${what}: ${asked} requests, 0 failed`)
    })
  }

  test('a file that was changed by hand is found, and repaired', async () => {
    const good = app.read('run/settings.json')
    app.write('run/settings.json', good.replace('Diary', 'Forged'))
    expect(await app.holdfast(['drift', '--exit-code'], { title: 'Diary' })).toMatchObject({ code: 7, json: { drifted: [{ address: 'settings', kind: 'changed' }] } })
    expect(await app.holdfast(['drift', '--repair', '--yes'], { title: 'Diary' })).toMatchObject({ code: 0 })
    expect(app.read('run/settings.json')).toBe(good)
    expect(await app.holdfast(['drift', '--exit-code'], { title: 'Diary' })).toMatchObject({ code: 0, json: { drifted: [] } })
  })

  test('a service that was killed by hand is found to be gone, and repaired', async () => {
    const pid = await app.servedBy()
    process.kill(pid as number, 'SIGKILL')
    expect(await app.holdfast(['drift', '--exit-code'], { title: 'Diary' })).toMatchObject({ code: 7, json: { drifted: [{ address: 'api', kind: 'gone' }] } })
    expect(await app.holdfast(['drift', '--repair', '--yes'], { title: 'Diary' })).toMatchObject({ code: 0 })
    expect(await app.servedBy()).toEqual(expect.any(Number))
    expect(runs(app.root)).toEqual(['program', 'supervisor'])
  })

  test('destroy leaves no process, no port, and the folder byte-equal except .holdfast', async () => {
    app.edit('api.mjs', ': at your service, process', ': ready, process')
    expect(await app.holdfast(['destroy', '--yes'], { title: 'Diary' })).toMatchObject({ code: 0, json: { outcome: 'applied' } })
    expect(processesOf(app.root)).toEqual([])
    await expect(app.ask('/health')).rejects.toThrow()
    // Nobody holds the port: it can be opened.
    await new Promise<void>((resolve, reject) => {
      const server = createServer().on('error', reject).listen(app.port, '127.0.0.1', () => server.close(() => resolve()))
    })
    expect(contentOf(app.root)).toEqual(untouched)
    expect(existsSync(join(app.root, '.holdfast/run')) ? readdirSync(join(app.root, '.holdfast/run')) : []).toEqual([])
    expect(existsSync(join(app.root, '.holdfast/state.db-wal'))).toBe(false)
  })

  test('the notes were moved to the trash, and come back with the next apply', async () => {
    expect((await app.call(['trash', 'ls'])).json.trash).toMatchObject([{ path: join(app.root, 'notes'), files: 1 }])
    expect(await app.holdfast(['apply', '--yes'])).toMatchObject({ code: 0 })
    await keep('second')
    expect((await app.ask('/notes', { headers: basic(password) })).json()).toMatchObject({ title: 'Notes', notes: [{ text: 'Buy milk' }] })
    expect((await app.call(['trash', 'ls'])).json.trash).toEqual([])
  })

  test('another port moves it there, and the old one is free', async () => {
    const { port } = await quickstart(place, 'other')
    expect(await app.call(['apply', '--yes', '--set', `port=${port}`])).toMatchObject({ code: 0, json: { outputs: { url: `http://127.0.0.1:${port}` } } })
    await expect(app.ask('/health')).rejects.toThrow()
    expect(runs(app.root)).toEqual(['program', 'supervisor'])
    expect(await app.holdfast(['apply', '--yes'])).toMatchObject({ code: 0 })
    expect(await app.servedBy()).toEqual(expect.any(Number))
  })

  test('a first apply that fails leaves the folder as it was', async () => {
    const fresh = await quickstart(place, 'fresh')
    const before = contentOf(fresh.root)
    fresh.edit('api.mjs', 'const BODY_BYTES_MAX', "throw new Error('oops')\nconst BODY_BYTES_MAX")
    const failed = await fresh.holdfast(['apply', '--yes'])
    expect(failed).toMatchObject({ code: 4, json: { outcome: 'reverted', revision: { from: 0, to: 0 } } })
    fresh.edit('api.mjs', "throw new Error('oops')\n", '')
    expect(contentOf(fresh.root)).toEqual(before)
    expect(processesOf(fresh.root)).toEqual([])
    expect(await fresh.holdfast(['apply', '--yes'])).toMatchObject({ code: 0 })
    expect(await fresh.servedBy()).toEqual(expect.any(Number))
    expect(await fresh.holdfast(['destroy', '--yes'])).toMatchObject({ code: 0 })
    expect(contentOf(fresh.root)).toEqual(before)
    expect(processesOf(fresh.root)).toEqual([])
  })

  test('no password stands in a stream or in a file under .holdfast, which nobody else can read', () => {
    expect(Object.keys(passwords)).toEqual(['first', 'second'])
    expect(leaksOf(passwords, { root: app.root, texts: app.seen })).toEqual([])
    for (const e of readdirSync(join(app.root, '.holdfast'), { recursive: true, withFileTypes: true })) {
      const path = join(e.parentPath, e.name)
      if (/\/trash\/[^/]+\/data/.test(path)) continue
      expect(statSync(path).mode & 0o077, path).toBe(0)
    }
  })
})
