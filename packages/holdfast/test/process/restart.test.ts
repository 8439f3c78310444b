import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { ProcessOutputs } from '../../src/builtin/local/process-inputs.ts'
import { client, fetchText, freePort, isRunning, makeWorld, programsOf, webServer, type Inputs, type World } from './world.ts'

let w: World
afterEach(() => w.end())

describe('a new version with listen', () => {
  test('is started beside the old one and no request fails, over good versions, one that ends at once and one that answers 500', async () => {
    w = makeWorld()
    const port = await freePort()
    const version = (n: string, mode: Parameters<typeof webServer>[1] = 'good'): Inputs => ({ command: ['node', w.script(`web-${n}.mjs`, webServer(n, mode))], listen: port, ready: { http: '/', within: '3s' }, stop: { within: '5s' } })
    let inputs = version('1')
    let outputs = await w.create('u1', 'k1', inputs)
    const asking = client(port)
    const pids = [outputs.pid]
    let key = 1
    const turn = async (next: Inputs): Promise<void> => {
      const partials: unknown[] = []
      outputs = await w.update('u1', `k${++key}`, { inputs, outputs }, next, partials)
      inputs = next
      expect(outputs.downMs).toBe(0)
      expect(partials).toEqual([]) // nothing was in danger at any time
      pids.push(outputs.pid)
    }
    await turn(version('2'))
    await turn(version('3'))
    for (const mode of ['exits', 'answers 500', 'never listens'] as const) {
      await expect(w.update('u1', `k${++key}`, { inputs, outputs }, version('bad', mode), [])).rejects.toMatchObject({ code: 'HF3107', message: expect.stringContaining('The one before it keeps running.') })
      expect(isRunning(outputs.pid)).toBe(true)
      expect(programsOf(w.root)).toEqual([outputs.pid])
      expect(await w.read('u1', inputs, outputs)).toEqual({ ...outputs, owner: 'mine' })
    }
    for (const n of ['4', '5', '6']) await turn(version(n))
    const { asked, failed, bodies } = await asking.stop()
    expect(failed).toEqual([])
    expect(asked).toBeGreaterThan(100)
    expect([...bodies]).toEqual(expect.arrayContaining(['1', '2', '3', '4', '5', '6']))
    expect(bodies.has('bad')).toBe(false)
    expect(programsOf(w.root)).toEqual([outputs.pid])
    expect(new Set(pids).size).toBe(pids.length)
  }, 60_000)

  test('is started also when the caller believes that it runs already: an update whose answer was lost may have been refused', async () => {
    w = makeWorld()
    const port = await freePort()
    const version = (n: string): Inputs => {
      w.script('web.mjs', webServer(n))
      return { command: ['node', { path: 'web.mjs', digest: n }], listen: port, ready: { http: '/', within: '3s' } }
    }
    const outputs = await w.create('u1', 'k1', version('1'))
    const next = version('2')
    expect((await w.update('u1', 'k2', { inputs: next, outputs }, next)).pid).not.toBe(outputs.pid)
    expect((await fetchText(port)).body).toBe('2')
  })

  test('moves to another port without a gap, and the old port is closed', async () => {
    w = makeWorld()
    const [a, b] = [await freePort(), await freePort()]
    const command = ['node', w.script('web.mjs', webServer('1'))]
    const outputs = await w.create('u1', 'k1', { command, listen: a })
    const next = await w.update('u1', 'k2', { inputs: { command, listen: a }, outputs }, { command, listen: b })
    expect(next).toMatchObject({ port: b, downMs: 0 })
    expect((await fetchText(b)).body).toBe('1')
    await expect(fetchText(a)).rejects.toThrow('ECONNREFUSED')
  })

  test('a program that asks for its sockets as systemd hands them over finds its own pid', async () => {
    w = makeWorld()
    const port = await freePort()
    const script = w.script('web.mjs', "import net from 'node:net'; if (process.env.LISTEN_PID !== String(process.pid) || process.env.LISTEN_FDS !== '1') process.exit(9); net.createServer((s) => s.end('ok')).listen({ fd: 3 })")
    expect((await w.create('u1', 'k1', { command: ['node', script], listen: port, ready: { tcp: port } })).port).toBe(port)
  })
})

describe('a new version without listen', () => {
  test('with another port or port auto is ready before the old one stops', async () => {
    w = makeWorld()
    const script = (n: string) => w.script(`web-${n}.mjs`, webServer(n))
    const inputs: Inputs = { command: ['node', script('1')], port: 'auto', ready: { http: '/' } }
    const first = await w.create('u1', 'k1', inputs)
    const second = await w.update('u1', 'k2', { inputs, outputs: first }, { ...inputs, command: ['node', script('2')] })
    expect(second.port).not.toBe(first.port)
    expect(second.downMs).toBe(0)
    const other = await freePort()
    const third = await w.update('u1', 'k3', { inputs, outputs: second }, { ...inputs, command: ['node', script('3')], port: other })
    expect(third).toMatchObject({ port: other, downMs: 0 })
    expect(programsOf(w.root)).toEqual([third.pid])
    expect((await fetchText(other)).body).toBe('3')
  })

  test('on the same port stops the old one first, says that the change is under way, and tells how long nothing was ready', async () => {
    w = makeWorld()
    const port = await freePort()
    const inputs: Inputs = { command: ['node', w.script('1.mjs', webServer('1'))], port }
    const first = await w.create('u1', 'k1', inputs)
    const partials: unknown[] = []
    const changed: Inputs = { command: ['node', w.script('2.mjs', webServer('2'))], port }
    const second = await w.update('u1', 'k2', { inputs, outputs: first }, changed, partials)
    expect(partials).toEqual([first])
    expect(second.downMs).toBeGreaterThan(0)
    expect((await fetchText(port)).body).toBe('2')

    // A broken one: the old one is gone already, and the undo starts its definition again.
    const broken: Inputs = { command: ['node', w.script('3.mjs', webServer('3', 'exits'))], port }
    await expect(w.update('u1', 'k3', { inputs: changed, outputs: second }, broken, partials)).rejects.toThrow('exit code 7')
    expect(partials).toHaveLength(2)
    expect(programsOf(w.root)).toEqual([])
    const back = await w.update('u1', 'k4', { inputs: broken, outputs: second }, changed)
    expect((await fetchText(port)).body).toBe('2')
    expect(back.pid).not.toBe(second.pid)
    expect(programsOf(w.root)).toEqual([back.pid])
  })

  test('of a program without a port stops the old one first', async () => {
    w = makeWorld()
    const inputs: Inputs = { command: ['sleep', '1000'] }
    const first = await w.create('u1', 'k1', inputs)
    const partials: unknown[] = []
    const second = await w.update('u1', 'k2', { inputs, outputs: first }, { ...inputs, restartOn: { turn: 2 } }, partials)
    expect(partials).toHaveLength(1)
    expect(isRunning(first.pid)).toBe(false)
    expect(isRunning(second.pid)).toBe(true)
  })
})

describe('a change that needs no new process', () => {
  const reloading = "import { appendFileSync } from 'node:fs'; process.on('SIGHUP', () => appendFileSync('reloads', 'r')); console.log('up'); setInterval(() => {}, 1000)"
  const on = (digest: string) => ({ path: 'settings.json', digest })

  test('sends the signal when only files of reload.on have changed', async () => {
    w = makeWorld()
    const inputs = (digest: string): Inputs => ({ command: ['node', w.script('p.mjs', reloading), on(digest)], reload: { signal: 'SIGHUP', on: [on(digest)] }, ready: { log: 'up' } })
    const first = await w.create('u1', 'k1', inputs('1'))
    const second = await w.update('u1', 'k2', { inputs: inputs('1'), outputs: first }, inputs('2'))
    expect(second).toEqual({ ...first, downMs: 0 })
    expect(readFileSync(join(w.root, 'reloads'), 'utf8')).toBe('r')
    await w.update('u1', 'k2', { inputs: inputs('1'), outputs: first }, inputs('2')) // sent again after a lost answer
    expect(readFileSync(join(w.root, 'reloads'), 'utf8')).toBe('r')
  })

  test('reports a program that the signal has ended, and starts it when the change is taken back', async () => {
    w = makeWorld()
    const inputs = (digest: string): Inputs => ({ command: ['node', w.script('p.mjs', 'setInterval(() => {}, 1000)')], reload: { signal: 'SIGHUP', on: [on(digest)] } })
    const first = await w.create('u1', 'k1', inputs('1'))
    const partials: unknown[] = []
    await expect(w.update('u1', 'k2', { inputs: inputs('1'), outputs: first }, inputs('2'), partials)).rejects.toThrow('it was ended by SIGHUP')
    expect(partials).toHaveLength(1)
    const back = await w.update('u1', 'k3', { inputs: inputs('2'), outputs: first }, inputs('1'))
    expect(isRunning(back.pid)).toBe(true)
  })

  test('takes new settings of the supervisor silently', async () => {
    w = makeWorld()
    const inputs: Inputs = { command: ['node', w.script('p.mjs', "process.on('SIGTERM', () => { require('fs') })\nprocess.on('SIGUSR2', () => { process.exit(0) }); setInterval(() => {}, 1000)")] }
    const first = await w.create('u1', 'k1', inputs)
    const next: Inputs = { ...inputs, stop: { signal: 'SIGUSR2', within: '20s' } }
    const second: ProcessOutputs = await w.update('u1', 'k2', { inputs, outputs: first }, next)
    expect(second.pid).toBe(first.pid)
    const before = Date.now()
    await w.delete('u1', next)
    expect(Date.now() - before).toBeLessThan(5_000)
  })
})

describe('restart', () => {
  test('on-failure starts a program again that was ready once, with growing pauses, and keeps its port', async () => {
    w = makeWorld()
    const port = await freePort()
    const inputs: Inputs = { command: ['node', w.script('web.mjs', webServer('1'))], listen: port, restart: 'on-failure' }
    let outputs = await w.create('u1', 'k1', inputs)
    for (let i = 0; i < 3; i++) {
      process.kill(outputs.pid, 'SIGKILL')
      expect((await fetchText(port)).body).toBe('1') // waits in the socket until the new one is there
      const now = await w.read('u1', inputs, outputs)
      expect(now?.pid).not.toBe(outputs.pid)
      outputs = now as ProcessOutputs
      expect(programsOf(w.root)).toEqual([outputs.pid])
    }
    expect(w.log('u1').match(/starting again in \d+ ms/g)).toEqual(['starting again in 100 ms', 'starting again in 200 ms', 'starting again in 400 ms'])
  })

  test('never: a program that ends is gone, and so are its supervisor and its port', async () => {
    w = makeWorld()
    const port = await freePort()
    const inputs: Inputs = { command: ['node', w.script('web.mjs', webServer('1'))], listen: port }
    const first = await w.create('u1', 'k1', inputs)
    process.kill(first.pid, 'SIGKILL')
    await expect.poll(() => existsSync(join(w.home, 'run/u1')), { timeout: 5_000 }).toBe(false)
    expect(await w.read('u1', inputs, first)).toBeUndefined()
    await expect(fetchText(port)).rejects.toThrow('ECONNREFUSED')
    expect(w.log('u1')).toContain('it was ended by SIGKILL')
    const again = await w.create('u1', 'k2', inputs)
    expect((await fetchText(port)).body).toBe('1')
    expect(programsOf(w.root)).toEqual([again.pid])
  })

  test('on-failure lets a program go that ends with 0; always does not', async () => {
    w = makeWorld()
    const inputs: Inputs = { command: ['node', w.script('p.mjs', "process.on('SIGUSR2', () => process.exit(0)); console.log('up'); setInterval(() => {}, 1000)")], ready: { log: 'up' }, restart: 'on-failure' }
    const a = await w.create('u1', 'k1', inputs)
    const b = await w.create('u2', 'k1', { ...inputs, restart: 'always' })
    process.kill(a.pid, 'SIGUSR2')
    process.kill(b.pid, 'SIGUSR2')
    await expect.poll(() => existsSync(join(w.home, 'run/u1')), { timeout: 5_000 }).toBe(false)
    const now = await w.read('u2', { ...inputs, restart: 'always' }, b)
    expect(now?.pid).not.toBe(b.pid)
    expect(isRunning(now!.pid)).toBe(true)
  })

  test('what a program leaves behind in its group ends with it', async () => {
    w = makeWorld()
    const inputs: Inputs = { command: ['sh', '-c', `sleep 1234 & echo $! > ${join(w.root, 'child')}; trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done`], ready: { log: 'up' }, stop: { within: '2s' } }
    await w.create('u1', 'k1', inputs)
    const child = Number(readFileSync(join(w.root, 'child'), 'utf8'))
    await w.delete('u1', inputs)
    expect(isRunning(child)).toBe(false)
  })

  test('a program that does not heed its stop signal is killed when the time is over', async () => {
    w = makeWorld()
    const inputs: Inputs = { command: ['node', w.script('p.mjs', "process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)")], ready: { log: 'up' }, stop: { within: '300ms' } }
    const { pid } = await w.create('u1', 'k1', inputs)
    const before = Date.now()
    await w.delete('u1', inputs)
    expect(isRunning(pid)).toBe(false)
    expect(Date.now() - before).toBeLessThan(3_000)
    writeFileSync(join(w.root, 'unused'), '')
  })
})
