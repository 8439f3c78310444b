import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const repository = fileURLToPath(new URL('../../../../', import.meta.url))
const bin = join(repository, 'packages/holdfast/dist/bin.js')
const home = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-quickstart-')))
const place = join(home, 'notes')
/** Everything a command printed, and every body of the service's errors: nowhere may the password stand. */
const seen: string[] = []

interface Ran { readonly code: number; readonly stdout: string; readonly stderr: string; readonly json: any }
function holdfast(...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [bin, ...args, '--json', '--no-input'], { cwd: place, encoding: 'utf8' }, (error, stdout, stderr) => {
      if (!args.includes('--reveal')) seen.push(stdout, stderr)
      const code = error ? (error as { code?: number }).code ?? -1 : 0
      let json: unknown
      try { json = JSON.parse(stdout) } catch { /* the test says what it expected */ }
      resolve({ code, stdout, stderr, json })
    })
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Digest of every file and mode of every entry, without `.holdfast`. */
function contentOf(folder: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const e of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(e.parentPath, e.name)
    const name = path.slice(folder.length + 1)
    if (name.split('/')[0] === '.holdfast') continue
    found[name] = `${(statSync(path).mode & 0o7777).toString(8)} ${e.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : 'folder'}`
  }
  return found
}

let port = 0
let password = ''
const set = () => ['--set', `port=${port}`]
/** On a connection of its own. */
function get(path: string, { method = 'GET', headers = {}, body = '' }: { method?: string; headers?: Record<string, string>; body?: string } = {}): Promise<{ status: number | undefined; json(): any }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers, agent: false, timeout: 10_000 }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('end', () => resolve({ status: response.statusCode, json: () => JSON.parse(text) }))
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 10 s')))
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
const auth = () => ({ authorization: `Basic ${Buffer.from(`notes:${password}`).toString('base64')}` })
const servedBy = async () => ((await get('/health')).json() as { pid: number }).pid
const alive = (pid: number) => { try { process.kill(pid, 0); return true } catch { return false } }
const edit = (from: string, to: string) => {
  const file = join(place, 'api.mjs')
  const text = readFileSync(file, 'utf8')
  if (!text.includes(from)) throw new Error(`api.mjs does not contain ${from}`)
  writeFileSync(file, text.replace(from, to))
}

/** Asks 100 times a second, half on kept connections and half on new ones, while `act` goes on. */
async function whileAsking<T>(act: () => Promise<T>): Promise<{ readonly result: T; readonly asked: number; readonly failed: readonly string[] }> {
  const kept = new Agent({ keepAlive: true, maxSockets: 8 })
  const failed: string[] = []
  const pending = new Set<Promise<void>>()
  let asked = 0
  const ask = (): Promise<void> => new Promise((resolve) => {
    asked++
    const wanted = asked % 2 === 0 ? '/health' : '/notes'
    const outgoing = request({ host: '127.0.0.1', port, path: wanted, agent: asked % 4 < 2 ? kept : false, headers: auth(), timeout: 10_000 }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('end', () => {
        if (response.statusCode !== 200) failed.push(`${wanted} ${response.statusCode} ${text}`)
        resolve()
      })
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 10 s')))
    outgoing.on('error', (e) => {
      // A kept connection that the server closed while it was idle: every client sends such a request again (RFC 9110 9.2.2).
      if (outgoing.reusedSocket && (e as NodeJS.ErrnoException).code === 'ECONNRESET') { asked--; return void ask().then(resolve) }
      failed.push(`${wanted} ${e.message}`)
      resolve()
    })
    outgoing.end()
  })
  const timer = setInterval(() => {
    const one = ask().finally(() => pending.delete(one))
    pending.add(one)
  }, 10)
  try {
    const result = await act()
    await new Promise((resolve) => setTimeout(resolve, 300))
    clearInterval(timer)
    await Promise.all(pending)
    return { result, asked, failed }
  } finally {
    clearInterval(timer)
    kept.destroy()
  }
}

beforeAll(async () => {
  mkdirSync(join(home, 'node_modules'))
  for (const [name, target] of Object.entries({ holdfast: 'packages/holdfast', zod: 'node_modules/zod' })) symlinkSync(join(repository, target), join(home, 'node_modules', name))
  cpSync(join(repository, 'examples/quickstart'), place, { recursive: true, filter: (path) => !/\.holdfast|\/run$|\/notes$/.test(path.slice(repository.length)) })
  port = await freePort()
})
afterAll(async () => {
  await holdfast('destroy', '--yes', ...set())
  rmSync(home, { recursive: true, force: true })
})

describe('the quickstart, over HTTP', () => {
  let before: Record<string, string> = {}

  test('one command brings it up and gives its URL; it runs on after the command has ended', async () => {
    before = contentOf(place)
    const up = await holdfast('apply', '--yes', ...set())
    expect(up.stderr + up.stdout).not.toBe('')
    expect(up).toMatchObject({ code: 0, json: { outcome: 'applied', revision: { from: 0, to: 1 }, outputs: { url: `http://127.0.0.1:${port}`, password: { secret: true } } } })
    expect((await get('/health')).status).toBe(200)
    password = (await holdfast('outputs', 'password', '--reveal')).json.outputs.password
    expect(password).toHaveLength(32)
    expect(statSync(join(place, 'run/settings.json')).mode & 0o777).toBe(0o600)
  })

  test('it demands the password', async () => {
    expect((await get('/notes')).status).toBe(401)
    expect((await get('/notes', { headers: { authorization: `Basic ${Buffer.from('notes:wrong').toString('base64')}` } })).status).toBe(401)
    expect((await get('/notes', { method: 'POST', headers: auth(), body: 'Buy milk' })).status).toBe(201)
    expect((await get('/notes', { headers: auth() })).json()).toMatchObject({ title: 'Notes', notes: [{ text: 'Buy milk' }] })
  })

  test('applied again, nothing is done and the process is the same', async () => {
    const pid = await servedBy()
    expect(await holdfast('apply', '--yes', ...set())).toMatchObject({ code: 0, json: { outcome: 'unchanged' } })
    expect(await servedBy()).toBe(pid)
  })

  test('changed code restarts it, and no request fails', async () => {
    const pid = await servedBy()
    edit(': ready, process', ': at your service, process')
    const plan = await holdfast('plan', ...set())
    expect(plan.json.changes).toHaveLength(1)
    expect(JSON.stringify(plan.json.changes[0])).toContain('api.mjs')
    const { result, asked, failed } = await whileAsking(() => holdfast('apply', '--yes', ...set()))
    expect(result).toMatchObject({ code: 0, json: { outcome: 'applied' } })
    expect(result.json.tasks).toMatchObject([{ address: 'api', downMs: 0 }])
    expect(await servedBy()).not.toBe(pid)
    expect(failed).toEqual([])
    expect(asked).toBeGreaterThan(20)
    console.log(`code: ${asked} requests, 0 failed`)
  })

  test('changed configuration restarts it, and no request fails', async () => {
    const pid = await servedBy()
    const { result, asked, failed } = await whileAsking(() => holdfast('apply', '--yes', ...set(), '--set', 'title=Diary'))
    expect(result).toMatchObject({ code: 0, json: { outcome: 'applied' } })
    expect(await servedBy()).not.toBe(pid)
    expect((await get('/notes', { headers: auth() })).json()).toMatchObject({ title: 'Diary', notes: [{ text: 'Buy milk' }] })
    expect(failed).toEqual([])
    console.log(`configuration: ${asked} requests, 0 failed`)
  })

  for (const [what, from, to] of [
    ['that throws when it starts', "const BODY_BYTES_MAX", "throw new Error('oops')\nconst BODY_BYTES_MAX"],
    ['that is never healthy', "return { status: 200, body: { ok: true", "return { status: 500, body: { ok: false"],
  ] as const) {
    test(`a change ${what} is taken back: exit 4, the old service answers all the time`, async () => {
      const good = readFileSync(join(place, 'api.mjs'), 'utf8')
      const pid = await servedBy()
      const revision = (await holdfast('status')).json.revision
      const settings = readFileSync(join(place, 'run/settings.json'), 'utf8')
      edit(from, to)
      const { result, asked, failed } = await whileAsking(() => holdfast('apply', '--yes', ...set(), '--set', 'title=Broken'))
      expect(result).toMatchObject({ code: 4, json: { outcome: 'reverted', revision: { from: revision, to: revision }, error: { code: 'HF3107', address: 'api' } } })
      expect(failed).toEqual([])
      expect(await servedBy()).toBe(pid)
      expect(readFileSync(join(place, 'run/settings.json'), 'utf8')).toBe(settings)
      expect((await holdfast('status')).json).toMatchObject({ revision, open: [], openRun: null })
      writeFileSync(join(place, 'api.mjs'), good)
      expect((await holdfast('plan', ...set(), '--set', 'title=Diary')).json.changes).toEqual([])
      console.log(`broken: ${asked} requests, 0 failed`)
    })
  }

  test('a file that was changed by hand is found, and repaired', async () => {
    const good = readFileSync(join(place, 'run/settings.json'), 'utf8')
    writeFileSync(join(place, 'run/settings.json'), good.replace('Diary', 'Forged'))
    const drift = await holdfast('drift', '--exit-code', ...set(), '--set', 'title=Diary')
    expect(drift).toMatchObject({ code: 7, json: { drifted: [{ address: 'settings', kind: 'changed' }] } })
    expect(await holdfast('drift', '--repair', '--yes', ...set(), '--set', 'title=Diary')).toMatchObject({ code: 0 })
    expect(readFileSync(join(place, 'run/settings.json'), 'utf8')).toBe(good)
  })

  test('destroy leaves no process, no port, and the folder byte-equal except .holdfast', async () => {
    edit(': at your service, process', ': ready, process')
    const pid = await servedBy()
    expect(await holdfast('destroy', '--yes', ...set())).toMatchObject({ code: 0, json: { outcome: 'applied' } })
    expect(alive(pid)).toBe(false)
    await expect(get('/health')).rejects.toThrow()
    expect(contentOf(place)).toEqual(before)
    expect(existsSync(join(place, '.holdfast/state.db-wal'))).toBe(false)
  })

  test('the notes were moved to the trash, and come back with the next apply', async () => {
    expect((await holdfast('trash', 'ls')).json.trash ?? (await holdfast('trash', 'ls')).json).toBeTruthy()
    expect(await holdfast('apply', '--yes', ...set())).toMatchObject({ code: 0 })
    password = (await holdfast('outputs', 'password', '--reveal')).json.outputs.password
    expect((await get('/notes', { headers: auth() })).json()).toMatchObject({ title: 'Notes', notes: [{ text: 'Buy milk' }] })
  })

  test('the password stands in no stream and in no file under .holdfast', () => {
    const forms = [password, Buffer.from(password).toString('base64').replace(/=+$/, ''), Buffer.from(password).toString('hex'), encodeURIComponent(password), JSON.stringify(password).slice(1, -1)]
    const files = readdirSync(join(place, '.holdfast'), { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name))
    expect(files.length).toBeGreaterThan(1)
    for (const form of forms) {
      expect(seen.some((text) => text.includes(form))).toBe(false)
      for (const file of files) expect(readFileSync(file).includes(form), file).toBe(false)
    }
    for (const e of readdirSync(join(place, '.holdfast'), { recursive: true, withFileTypes: true })) {
      if (join(e.parentPath, e.name).includes('/trash/')) continue
      expect(statSync(join(e.parentPath, e.name)).mode & 0o077, e.name).toBe(0)
    }
  })
})
