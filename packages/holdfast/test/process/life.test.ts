import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { fetchText, freePort, isRunning, makeWorld, processesOf, programsOf, webServer, type World } from './world.ts'

let w: World
afterEach(() => w.end())

describe('Process', () => {
  test('is created, found again, and leaves no process, port or folder when it is deleted', async () => {
    w = makeWorld()
    const port = await freePort()
    const inputs = { command: ['node', w.script('web.mjs', webServer('1'))], port, ready: { http: '/' } }
    const made = await w.create('u1', 'k1', inputs)
    expect(made).toMatchObject({ port, supervised: true, logPath: '.holdfast/logs/u1.log' })
    expect(await fetchText(port)).toEqual({ status: 200, body: '1' })
    expect(await w.read('u1', inputs, made)).toEqual({ ...made, owner: 'mine' })
    expect(statSync(join(w.home, 'run')).mode & 0o777).toBe(0o700)
    for (const f of ['pid', 'status.json', 'ctl.sock']) expect(statSync(join(w.home, 'run/u1', f)).mode & 0o777, f).toBe(0o600)
    expect(statSync(join(w.root, made.logPath)).mode & 0o777).toBe(0o600)
    expect(w.log('u1')).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z listening 1 \d+$/m)

    await w.delete('u1', inputs, made)
    expect(isRunning(made.pid)).toBe(false)
    expect(processesOf(w.root)).toEqual([])
    expect(existsSync(join(w.home, 'run/u1'))).toBe(false)
    await expect(fetchText(port)).rejects.toThrow('ECONNREFUSED')
    expect(await w.read('u1', inputs, made)).toBeUndefined()
    await w.delete('u1', inputs, made)
  })

  test('answers a second create with the same key with the running program', async () => {
    w = makeWorld()
    const inputs = { command: ['node', w.script('idle.mjs', 'setInterval(() => {}, 1000)')] }
    const [a, b] = await Promise.all([w.create('u1', 'k1', inputs), w.create('u1', 'k1', inputs)])
    expect(b).toEqual(a)
    expect(await w.create('u1', 'k1', inputs)).toEqual(a)
    expect(programsOf(w.root)).toEqual([a.pid])
  })

  test('leaves nothing when the program ends before it is ready, and tells its last words', async () => {
    w = makeWorld()
    const port = await freePort()
    const inputs = { command: ['node', w.script('bad.mjs', webServer('x', 'exits'))], port }
    await expect(w.create('u1', 'k1', inputs)).rejects.toMatchObject({ code: 'HF3107', message: expect.stringMatching(/ended with exit code 7[\s\S]*broken: cannot start/) })
    expect(processesOf(w.root)).toEqual([])
    expect(existsSync(join(w.home, 'run/u1'))).toBe(false)
  })

  test('leaves nothing when the program is not ready in time', async () => {
    w = makeWorld()
    const port = await freePort()
    const inputs = { command: ['node', w.script('bad.mjs', webServer('x', 'never listens'))], port, ready: { tcp: true as const, within: '700ms' }, stop: { within: '200ms' } }
    await expect(w.create('u1', 'k1', inputs)).rejects.toThrow(/not ready within 700 ms: nothing listens on port/)
    expect(processesOf(w.root)).toEqual([])
    expect(existsSync(join(w.home, 'run/u1'))).toBe(false)
  })

  test('says that a command does not exist, a folder does not exist, and a port is taken', async () => {
    w = makeWorld()
    await expect(w.create('u1', 'k1', { command: ['no-such-program-here'] })).rejects.toThrow('the command was not found')
    await expect(w.create('u1', 'k2', { command: ['sleep', '9'], cwd: 'nowhere' })).rejects.toThrow('does not exist')
    const port = await freePort()
    const script = w.script('web.mjs', webServer('1'))
    await w.create('u2', 'k1', { command: ['node', script], port })
    await expect(w.create('u3', 'k1', { command: ['node', script], port })).rejects.toThrow(`port ${port} is in use by another program`)
    await expect(w.create('u4', 'k1', { command: ['node', script], listen: port })).rejects.toThrow(`port ${port} is in use by another program`)
  })

  test('is ready by a line of its log, by a command, and with a port that was chosen for it', async () => {
    w = makeWorld()
    const script = w.script('slow.mjs', "import fs from 'node:fs'; setTimeout(() => { console.log('now open'); fs.writeFileSync('flag', process.env.PORT) }, 300); setInterval(() => {}, 1000)")
    const made = await w.create('u1', 'k1', { command: ['node', script], port: 'auto', ready: { log: '^now (open|closed)$', command: ['test', '-f', 'flag'] } })
    expect(readFileSync(join(w.root, 'flag'), 'utf8')).toBe(String(made.port))
    expect(made.port).toBeGreaterThan(0)
  })

  test('gives the program its environment and nothing of the caller that it does not need', async () => {
    w = makeWorld()
    process.env.HOLDFAST_TEST_CREDENTIAL = 'not for the program'
    w.script('show.mjs', "console.log(JSON.stringify(process.env)); setInterval(() => {}, 1000)")
    await w.create('u1', 'k1', { command: ['node', { path: 'show.mjs', digest: 'd' }], env: { NAME: 'value', SOURCE: { path: 'show.mjs', digest: 'd' } }, ready: { log: 'NAME' } })
    delete process.env.HOLDFAST_TEST_CREDENTIAL
    const env = JSON.parse(/\{.*\}/.exec(w.log('u1'))![0]) as Record<string, string>
    expect(env).toMatchObject({ NAME: 'value', SOURCE: join(w.root, 'show.mjs'), PATH: process.env.PATH })
    expect(Object.keys(env).filter((k) => k.startsWith('HOLDFAST') || k.startsWith('LISTEN') || k === 'go')).toEqual([])
  })

  test('works in a folder whose path is longer than a socket address', async () => {
    w = makeWorld()
    const { mkdirSync } = await import('node:fs')
    const deep = join(w.root, 'd'.repeat(100), 'e'.repeat(100))
    mkdirSync(deep, { recursive: true })
    const { processSpec } = await import('../../src/builtin/local/process.ts')
    const { processInputs } = await import('../../src/builtin/local/process-inputs.ts')
    const { contextOf, hostOf } = await import('./world.ts')
    const inputs = processInputs.parse({ command: ['sleep', '100'] })
    const call = { ...contextOf(hostOf(deep), 'u1', 'k1'), inputs, partial: async () => {} }
    const made = await processSpec.create(call)
    expect(isRunning(made.pid)).toBe(true)
    await processSpec.delete({ ...call, outputs: {} })
    expect(isRunning(made.pid)).toBe(false)
  })
})
