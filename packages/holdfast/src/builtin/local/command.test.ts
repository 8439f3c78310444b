import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bundled, callOf, corner, type Corner } from '../../../test/support/corner.ts'
import { isNotOurs, isOutcomeUnknown } from '../../provider/index.ts'
import { commandSpec } from './command.ts'
import { directorySpec } from './directory.ts'

const SECRET = 'correct-horse-battery'
let c: Corner
beforeEach(() => {
  c = corner([SECRET])
})
afterEach(() => c.dispose())
const at = (path: string) => join(c.root, path)
const input = (i: Record<string, unknown>) => commandSpec.inputs.parse(i)
const sh = (text: string, more: Record<string, unknown> = {}) => input({ command: ['/bin/sh', '-c', text], ...more })
const bundle = await bundled(new URL('./command.ts', import.meta.url))
afterAll(() => bundle.dispose())

const alive = (pid: number): boolean => {
  try {
    return !/^\S+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
const until = async (what: () => boolean, msMax = 5_000): Promise<void> => {
  for (let waited = 0; !what(); waited += 10) {
    if (waited > msMax) throw new Error(`not within ${msMax} ms`)
    await sleep(10)
  }
}

describe('Command', () => {
  test('gives its exit code and its output; lines are logged while they come', async () => {
    const a = callOf(c.host)
    expect(await commandSpec.create({ ...a, inputs: sh('echo one; echo two >&2; printf three') })).toEqual({ exitCode: 0, stdout: 'one\nthree' })
    expect(a.said.sort()).toEqual(['one', 'three', 'two'])
  })
  test('its process is recorded before it does anything', async () => {
    let seen: unknown
    const partial = async (o: unknown) => {
      seen = { o, started: existsSync(at('ran')) }
    }
    await commandSpec.create({ ...callOf(c.host), inputs: sh('sleep 0.05; touch ran'), partial })
    expect(seen).toMatchObject({ o: { process: { pid: expect.any(Number), start: expect.any(String) } }, started: false })
  })
  test('when recording fails, nothing is run', async () => {
    const partial = async () => Promise.reject(new Error('the disk is full'))
    await expect(commandSpec.create({ ...callOf(c.host), inputs: sh('touch ran'), partial })).rejects.toThrow('the disk is full')
    await sleep(50)
    expect(readdirSync(c.root)).toEqual(['.holdfast'])
    expect(readdirSync(c.home)).toEqual([])
  })
  test('runs in the folder of the program with the environment given, and without what is ours', async () => {
    process.env.HOLDFAST_KEY = 'x'
    mkdirSync(at('sub'))
    const run = async (i: Record<string, unknown>) => (await commandSpec.create({ ...callOf(c.host), inputs: sh('pwd; echo "$A $HOLDFAST_KEY"', i) })).stdout
    expect(await run({ env: { A: '1' } })).toBe(`${c.root}\n1 \n`)
    expect(await run({ cwd: 'sub' })).toBe(`${at('sub')}\n \n`)
    delete process.env.HOLDFAST_KEY
  })
  test.runIf(process.getuid?.() === 0)('runs as another user', async () => {
    expect((await commandSpec.create({ ...callOf(c.host), inputs: sh('id -un; echo $HOME', { user: 'nobody', cwd: '/' }) })).stdout).toBe('nobody\n/nonexistent\n')
    await expect(commandSpec.create({ ...callOf(c.host), inputs: sh('true', { user: 'no-such-user' }) })).rejects.toMatchObject({ code: 'HF3109' })
  })
  test('a failure shows the last lines of the error output, without secrets', async () => {
    const failing = commandSpec.create({ ...callOf(c.host), inputs: sh('echo "bad $P" >&2; exit 3', { env: { P: SECRET } }) })
    await expect(failing).rejects.toMatchObject({ code: 'HF3108', message: 'sh ended with code 3.\nbad [secret]', details: { exitCode: 3 } })
  })
  test.each([
    [['no-such-program'], /There is no program no-such-program on the PATH/],
    [['./missing'], /There is no program .\/missing\./],
  ])('%j cannot be started, and that is said', async (command, message) => {
    await expect(commandSpec.create({ ...callOf(c.host), inputs: input({ command }) })).rejects.toMatchObject({ code: 'HF3108', message: expect.stringMatching(message) })
  })
  test('a secret that comes in pieces is masked in the log', async () => {
    const a = callOf(c.host)
    const half = SECRET.length / 2
    await commandSpec.create({ ...a, inputs: sh(`printf ${SECRET.slice(0, half)}; sleep 0.1; echo ${SECRET.slice(half)}`) })
    expect(a.said).toEqual(['[secret]'])
  })
  test('only the last 64 KiB of the output are kept', async () => {
    const { stdout } = await commandSpec.create({ ...callOf(c.host), inputs: sh('yes é | head -c 399999; echo end') })
    expect(Buffer.byteLength(stdout)).toBeLessThanOrEqual(65_536)
    expect(Buffer.byteLength(stdout)).toBeGreaterThan(65_000)
    expect(stdout.endsWith('end\n')).toBe(true)
    expect(stdout).not.toContain('\uFFFD')
  })
  test('what it leaves in the background does not keep it waiting', async () => {
    const began = performance.now()
    const { stdout } = await commandSpec.create({ ...callOf(c.host), inputs: sh('sleep 5 & echo $!') })
    expect(performance.now() - began).toBeLessThan(3_000)
    process.kill(Number(stdout), 'SIGKILL')
  })
  test('an abort ends it and its children', async () => {
    const control = new AbortController()
    const running = commandSpec.create({ ...callOf(c.host), signal: control.signal, inputs: sh('sleep 60 & echo $! > child; wait') })
    await until(() => existsSync(at('child')) && readFileSync(at('child'), 'utf8') !== '')
    control.abort()
    await expect(running).rejects.toMatchObject({ code: 'HF3106' })
    const child = Number(readFileSync(at('child'), 'utf8'))
    await until(() => !alive(child))
  })
  test('when we are killed, it and its children are killed', async () => {
    const program = `import { commandSpec } from ${JSON.stringify(bundle.module)}
      const root = ${JSON.stringify(c.root)}
      const host = { root, home: root + '/.holdfast', env: { id: 'e' }, assetPath: (a) => a.path, redact: (t) => t, secrets: () => [] }
      await commandSpec.create({ key: { toString: () => 'k' }, mark: { store: 's', uid: 'u-1', ordinal: 1 }, signal: new AbortController().signal, host, log() {}, progress() {}, partial: async () => {},
        inputs: commandSpec.inputs.parse({ command: ['/bin/sh', '-c', 'sleep 60 & echo $$ $! > pids; wait'] }) })`
    const us = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' })
    await until(() => existsSync(at('pids')) && readFileSync(at('pids'), 'utf8').includes('\n'))
    const pids = readFileSync(at('pids'), 'utf8').trim().split(' ').map(Number)
    expect(pids.every(alive)).toBe(true)
    us.kill('SIGKILL')
    await until(() => !pids.some(alive))
    // Half done and without `creates`, only a person can judge it: for a look as for a repeat.
    const again = { ...callOf(c.host, 'u-1', 'k'), inputs: sh('sleep 60 & echo $$ $! > pids; wait') }
    await expect(commandSpec.read!(again)).rejects.toSatisfy(isOutcomeUnknown)
    await expect(commandSpec.create(again)).rejects.toSatisfy(isOutcomeUnknown)
  })
  test('a rejection is heard once; the repeat runs it anew', async () => {
    const inputs = sh('test -e ready')
    await expect(commandSpec.create({ ...callOf(c.host, 'u-1', 'k'), inputs })).rejects.toMatchObject({ code: 'HF3108' })
    writeFileSync(at('ready'), '')
    expect(await commandSpec.create({ ...callOf(c.host, 'u-1', 'k'), inputs })).toMatchObject({ exitCode: 0 })
  })
  test('runs again when what it runs changes, not when only the way back does', async () => {
    const first = sh('echo x >> count')
    const out = await commandSpec.create({ ...callOf(c.host), inputs: first })
    const update = (inputs: typeof first) => commandSpec.update!({ ...callOf(c.host), inputs, outputs: out, prior: { inputs: first, outputs: out } })
    expect(await update({ ...first, destroy: ['true'] })).toEqual(out)
    expect(readFileSync(at('count'), 'utf8')).toBe('x\n')
    await update({ ...first, triggers: { v: 2 } })
    expect(readFileSync(at('count'), 'utf8')).toBe('x\nx\n')
  })
  test('destroy runs when it goes, also after a failure half-way, and its failure is told', async () => {
    const inputs = sh('touch half; exit 1', { destroy: ['/bin/sh', '-c', 'rm half; echo gone > log'] })
    await expect(commandSpec.create({ ...callOf(c.host), inputs })).rejects.toMatchObject({ code: 'HF3108' })
    await commandSpec.delete({ ...callOf(c.host), inputs, outputs: {} })
    expect(await c.world()).toEqual([expect.stringMatching(/^log /)])
    const bad = sh('true', { destroy: ['/bin/sh', '-c', 'echo no >&2; exit 2'] })
    const out = await commandSpec.create({ ...callOf(c.host), inputs: bad })
    await expect(commandSpec.delete({ ...callOf(c.host), inputs: bad, outputs: out })).rejects.toMatchObject({ code: 'HF3108', message: 'The destroy command sh ended with code 2.\nno' })
  })
})

describe('Command with creates', () => {
  test('a run that fails leaves nothing of what it made', async () => {
    const inputs = sh('mkdir made; touch made/half; exit 1', { creates: 'made' })
    await expect(commandSpec.create({ ...callOf(c.host), inputs })).rejects.toMatchObject({ code: 'HF3108' })
    expect(existsSync(at('made'))).toBe(false)
    await commandSpec.delete({ ...callOf(c.host), inputs, outputs: {} })
    expect(await c.world()).toEqual([])
  })
  test('a run that makes nothing has failed', async () => {
    await expect(commandSpec.create({ ...callOf(c.host), inputs: sh('true', { creates: 'made' }) })).rejects.toMatchObject({ code: 'HF3108', message: 'sh ended well, but did not make made.' })
  })
  test('a new run that fails leaves the old result; one that succeeds replaces it', async () => {
    const inputs = (text: string) => sh(text, { creates: 'made' })
    const first = inputs('echo one > made')
    const out = await commandSpec.create({ ...callOf(c.host), inputs: first })
    const update = (i: typeof first) => commandSpec.update!({ ...callOf(c.host), inputs: i, outputs: out, prior: { inputs: first, outputs: out } })
    await expect(update(inputs('echo half > made; exit 1'))).rejects.toMatchObject({ code: 'HF3108' })
    expect(readFileSync(at('made'), 'utf8')).toBe('one\n')
    await update(inputs('test ! -e made && echo two > made'))
    expect(readFileSync(at('made'), 'utf8')).toBe('two\n')
    expect(readdirSync(c.root).sort()).toEqual(['.holdfast', 'made'])
  })
  test('inside a folder of a Directory it empties, and never replaces, the folder', async () => {
    const folder = await directorySpec.create({ ...callOf(c.host, 'u-2'), inputs: directorySpec.inputs.parse({ path: 'd' }) })
    const inputs = (text: string) => sh(text, { creates: 'd' })
    const first = inputs('echo one > d/a')
    const out = await commandSpec.create({ ...callOf(c.host), inputs: first })
    const outputs = await commandSpec.update!({ ...callOf(c.host), inputs: inputs('test ! -e d/a && echo two > d/b'), outputs: out, prior: { inputs: first, outputs: out } })
    expect(readdirSync(at('d'))).toEqual(['b'])
    await commandSpec.delete({ ...callOf(c.host), inputs: inputs(''), outputs })
    await directorySpec.delete({ ...callOf(c.host, 'u-2'), inputs: directorySpec.inputs.parse({ path: 'd' }), outputs: folder })
    expect(await c.world()).toEqual([])
  })
  test('what somebody put in its place is neither run over nor removed', async () => {
    const inputs = sh('echo one > made', { creates: 'made' })
    const out = await commandSpec.create({ ...callOf(c.host), inputs })
    await expect(commandSpec.delete({ ...callOf(c.host), inputs, outputs: { ...out, made: { ...out.made!, bornMs: 1 } } })).rejects.toSatisfy(isNotOurs)
    expect(existsSync(at('made'))).toBe(true)
  })
})

describe('Command that fills a data holder', () => {
  const data = directorySpec.inputs.parse({ path: 'data', data: true })
  const fill = sh('test -z "$(ls data)" || exit 9; echo 15 > data/VERSION', { creates: 'data' })
  const makeData = (uid: string) => directorySpec.create({ ...callOf(c.host, uid), inputs: data })

  test('taken back, the data goes to the trash; applied again, it comes back and the command does not run over it', async () => {
    const folder = await makeData('u-d1')
    const filled = await commandSpec.create({ ...callOf(c.host, 'u-c1'), inputs: fill })
    await commandSpec.delete({ ...callOf(c.host, 'u-c1'), inputs: fill, outputs: filled })
    expect(readFileSync(at('data/VERSION'), 'utf8')).toBe('15\n')
    await directorySpec.delete({ ...callOf(c.host, 'u-d1'), inputs: data, outputs: folder })

    expect((await makeData('u-d2')).inode).toBe(folder.inode)
    const a = callOf(c.host, 'u-c2')
    expect(await commandSpec.create({ ...a, inputs: fill })).toEqual({ exitCode: 0, stdout: '' })
    expect(a.said).toEqual(['data is complete: nothing to run'])
    expect(readFileSync(at('data/VERSION'), 'utf8')).toBe('15\n')
  })
  test('a fill that failed is not taken for complete', async () => {
    const folder = await makeData('u-d1')
    const failing = sh('echo half > data/half; exit 1', { creates: 'data' })
    await expect(commandSpec.create({ ...callOf(c.host, 'u-c1'), inputs: failing })).rejects.toMatchObject({ code: 'HF3108' })
    await commandSpec.delete({ ...callOf(c.host, 'u-c1'), inputs: failing, outputs: {} })
    await directorySpec.delete({ ...callOf(c.host, 'u-d1'), inputs: data, outputs: folder })
    await makeData('u-d2')
    expect(await commandSpec.create({ ...callOf(c.host, 'u-c2'), inputs: fill })).toMatchObject({ exitCode: 0 })
    expect(readdirSync(at('data'))).toEqual(['VERSION'])
  })
  test('data that the command did not make is refused', async () => {
    await makeData('u-d1')
    writeFileSync(at('data/theirs'), '')
    await expect(commandSpec.create({ ...callOf(c.host, 'u-c1'), inputs: fill })).rejects.toMatchObject({ code: 'HF3104' })
    expect(existsSync(at('data/theirs'))).toBe(true)
  })
  test('a changed command does not run over data', async () => {
    await makeData('u-d1')
    const out = await commandSpec.create({ ...callOf(c.host, 'u-c1'), inputs: fill })
    const changed = { ...fill, triggers: 2 }
    expect(await commandSpec.update!({ ...callOf(c.host, 'u-c1'), inputs: changed, outputs: out, prior: { inputs: fill, outputs: out } })).toEqual(out)
  })
})
