import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ProcessOutputs } from '../../src/builtin/local/process-inputs.ts'
import { client, fetchText, freePort, isRunning, makeWorld, programsOf, supervisorsOf, webServer, type Inputs, type World } from '../process/world.ts'

/** The creator and the supervisor as an installed package has them: built, side by side. */
let dist: string
beforeAll(async () => {
  dist = mkdtempSync(join(tmpdir(), 'holdfast-dist-'))
  writeFileSync(join(dist, 'package.json'), '{"type":"module"}')
  const at = (p: string) => fileURLToPath(new URL(p, import.meta.url))
  await build({ entryPoints: { creator: at('../process/creator.ts'), supervisor: at('../../src/builtin/local/supervisor/main.ts') }, outdir: dist, bundle: true, platform: 'node', format: 'esm', target: 'node20', external: ['esbuild'], logLevel: 'silent' })
})
afterAll(() => rmSync(dist, { recursive: true, force: true }))

let w: World
afterEach(() => w.end())

const creator = (uid: string, key: string, inputs: Inputs, secrets: string[] = []): ChildProcess =>
  spawn(process.execPath, [join(dist, 'creator.js'), JSON.stringify({ root: w.root, uid, key, inputs, secrets })], { stdio: ['ignore', 'pipe', 'inherit'], detached: true })

const textOf = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    let text = ''
    child.stdout!.setEncoding('utf8').on('data', (c: string) => (text += c))
    child.once('close', () => resolve(text))
  })

/** Writes a line when it begins, so that a second start is seen even when it is over. */
const counting = (port: number): Inputs => ({
  command: ['node', w.script('count.mjs', `import { appendFileSync } from 'node:fs'; appendFileSync('begun', process.pid + '\\n'); ${webServer('1')}`)],
  port, ready: { http: '/' },
})

describe('a Process', () => {
  test('lives on when its creator has exited, with nothing of the creator open', async () => {
    w = makeWorld()
    const inputs = counting(await freePort())
    const child = creator('u1', 'k1', inputs)
    const outputs = JSON.parse(await textOf(child)) as ProcessOutputs // `close` comes only when nobody holds its stdout
    expect(isRunning(child.pid!)).toBe(false)
    expect(isRunning(outputs.pid)).toBe(true)
    expect(await w.read('u1', inputs, outputs)).toEqual({ ...outputs, owner: 'mine' })
    expect(await w.create('u1', 'k1', inputs)).toEqual(outputs)
    expect(supervisorsOf(w.root)).toHaveLength(1)
  })

  test('lives on when the terminal of its creator hangs up', async () => {
    w = makeWorld()
    const inputs = counting(await freePort())
    const outputs = JSON.parse(await textOf(creator('u1', 'k1', inputs))) as ProcessOutputs
    const [supervisor] = supervisorsOf(w.root)
    for (const signal of ['SIGHUP', 'SIGINT'] as const) process.kill(supervisor!, signal)
    await new Promise((r) => setTimeout(r, 200))
    expect(isRunning(outputs.pid)).toBe(true)
    expect(await w.read('u1', inputs, outputs)).toMatchObject({ pid: outputs.pid, supervised: true })
  })

  test('is started exactly once when its creator is killed at any moment and the create is sent again', async () => {
    const whole = 600
    for (let at = 20; at <= whole; at += 40) {
      w = makeWorld()
      const inputs = counting(await freePort())
      const child = creator('u1', 'k1', inputs)
      await new Promise((r) => setTimeout(r, at))
      child.kill('SIGKILL')
      const found = await w.read('u1', inputs)
      const outputs = await w.create('u1', 'k1', inputs)
      if (found) expect(found.pid, `killed after ${at} ms`).toBe(outputs.pid)
      expect(programsOf(w.root), `killed after ${at} ms`).toEqual([outputs.pid])
      expect(readFileSync(join(w.root, 'begun'), 'utf8'), `killed after ${at} ms`).toBe(`${outputs.pid}\n`)
      expect(supervisorsOf(w.root).length, `killed after ${at} ms`).toBe(1)
      await w.delete('u1', inputs)
      if (at + 40 <= whole) await w.end()
    }
  }, 120_000)

  test('is started once by many creators at the same time', async () => {
    w = makeWorld()
    const inputs = counting(await freePort())
    const answers = await Promise.all(Array.from({ length: 5 }, () => textOf(creator('u1', 'k1', inputs))))
    expect(new Set(answers).size).toBe(1)
    const { pid } = JSON.parse(answers[0]!) as ProcessOutputs
    expect(programsOf(w.root)).toEqual([pid])
    expect(readFileSync(join(w.root, 'begun'), 'utf8')).toBe(`${pid}\n`)
    await expect.poll(() => supervisorsOf(w.root).length, { timeout: 5_000 }).toBe(1)
  }, 30_000)

  test('that has lost its supervisor is seen, and the next change starts it properly', async () => {
    w = makeWorld()
    const port = await freePort()
    const inputs: Inputs = { command: ['node', w.script('web.mjs', webServer('1'))], listen: port }
    const first = await w.create('u1', 'k1', inputs)
    const kill = () => process.kill(supervisorsOf(w.root)[0]!, 'SIGKILL')
    kill()
    await expect.poll(() => supervisorsOf(w.root).length).toBe(0)
    expect(isRunning(first.pid)).toBe(true)
    expect(await w.read('u1', inputs, first)).toEqual({ ...first, supervised: false, owner: 'mine' })
    const partials: unknown[] = []
    const second = await w.update('u1', 'k2', { inputs, outputs: first }, inputs, partials)
    expect(partials).toEqual([first])
    expect(isRunning(first.pid)).toBe(false)
    expect(programsOf(w.root)).toEqual([second.pid])
    expect((await fetchText(port)).body).toBe('1')

    // After a lost create it counts as absent, and the create is sent again.
    kill()
    await expect.poll(() => supervisorsOf(w.root).length).toBe(0)
    expect(await w.read('u1', inputs)).toBeUndefined()
    const third = await w.create('u1', 'k3', inputs)
    expect(programsOf(w.root)).toEqual([third.pid])

    kill()
    await expect.poll(() => supervisorsOf(w.root).length).toBe(0)
    await w.delete('u1', inputs)
    expect(programsOf(w.root)).toEqual([])
    expect(existsSync(join(w.home, 'run/u1'))).toBe(false)
  })

  test('is never started twice or lost when its supervisor is killed at any moment of a start', async () => {
    for (let at = 0; at <= 200; at += 15) {
      w = makeWorld()
      const inputs = counting(await freePort())
      const made = w.create('u1', 'k1', inputs)
      while (supervisorsOf(w.root).length === 0) await new Promise((r) => setTimeout(r, 2))
      await new Promise((r) => setTimeout(r, at))
      for (const pid of supervisorsOf(w.root)) process.kill(pid, 'SIGKILL')
      const outputs = await made // it asked again, and a new supervisor ended what the dead one had begun
      await new Promise((r) => setTimeout(r, 30))
      const again = await w.create('u1', 'k1', inputs)
      expect(programsOf(w.root), `killed after ${at} ms`).toEqual([again.pid])
      expect(outputs.port).toBe(again.port)
      await w.delete('u1', inputs)
      expect(programsOf(w.root)).toEqual([])
      if (at + 15 <= 200) await w.end()
    }
  }, 120_000)

  test('has one program, the new one, when its supervisor is killed at any moment of an update', async () => {
    for (let at = 0; at <= 600; at += 60) {
      w = makeWorld()
      const port = await freePort()
      const version = (n: string): Inputs => ({ command: ['node', w.script(`${n}.mjs`, webServer(n))], listen: port, ready: { http: '/' } })
      const first = await w.create('u1', 'k1', version('1'))
      const [supervisor] = supervisorsOf(w.root)
      const updated = w.update('u1', 'k2', { inputs: version('1'), outputs: first }, version('2'))
      await new Promise((r) => setTimeout(r, at))
      process.kill(supervisor!, 'SIGKILL')
      await updated
      const second = await w.update('u1', 'k2', { inputs: version('1'), outputs: first }, version('2'))
      expect(programsOf(w.root), `killed after ${at} ms`).toEqual([second.pid])
      expect((await fetchText(port)).body).toBe('2')
      await w.delete('u1', version('2'))
      expect(programsOf(w.root)).toEqual([])
      if (at + 60 <= 600) await w.end()
    }
  }, 120_000)

  test('survives a killed update: the supervisor goes on, and the update that is sent again finds its work', async () => {
    w = makeWorld()
    const port = await freePort()
    const version = (n: string): Inputs => ({ command: ['node', w.script(`${n}.mjs`, webServer(n))], listen: port, ready: { http: '/' } })
    const first = await w.create('u1', 'k1', version('1'))
    const asking = client(port)
    // The creator asks for the same uid with another key: to the supervisor an update is the same request.
    const child = creator('u1', 'k2', version('2'))
    await new Promise((r) => setTimeout(r, 300))
    child.kill('SIGKILL')
    const second = await w.update('u1', 'k2', { inputs: version('1'), outputs: first }, version('2'))
    expect(await w.update('u1', 'k2', { inputs: version('1'), outputs: first }, version('2'))).toEqual(second)
    expect((await asking.stop()).failed).toEqual([])
    expect(programsOf(w.root)).toEqual([second.pid])
    expect((await fetchText(port)).body).toBe('2')
  })

  test('of another state in the same place is left alone', async () => {
    w = makeWorld()
    const inputs: Inputs = { command: ['sleep', '1000'] }
    const made = await w.create('u1', 'k1', inputs)
    const { processSpec } = await import('../../src/builtin/local/process.ts')
    const { processInputs } = await import('../../src/builtin/local/process-inputs.ts')
    const { contextOf, hostOf } = await import('../process/world.ts')
    const call = { ...contextOf(hostOf(w.root), 'u1', 'k9'), mark: { store: 'other', uid: 'u1', ordinal: 1 }, inputs: processInputs.parse(inputs), outputs: {} }
    await expect(processSpec.delete(call)).rejects.toMatchObject({ name: 'NotOurs' })
    await expect(processSpec.create({ ...call, partial: async () => {} })).rejects.toMatchObject({ code: 'HF3115' })
    expect(isRunning(made.pid)).toBe(true)
  })
})
