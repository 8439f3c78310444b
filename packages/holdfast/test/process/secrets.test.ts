import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { freePort, makeWorld, supervisorsOf, type Inputs, type World } from './world.ts'

let w: World
afterEach(() => w.end())

const secret = 'correct-horse/battery "staple"+7'
const forms = [secret, Buffer.from(secret).toString('base64'), Buffer.from(secret).toString('hex'), encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]

function files(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? files(join(dir, e.name)) : e.isFile() ? [join(dir, e.name)] : []))
}

describe('a secret of a Process', () => {
  test('is in no file and no argument of the supervisor, however the program prints it', async () => {
    w = makeWorld()
    w.redactor.add(secret)
    const script = w.script('leak.mjs', `
      const s = process.env.SECRET
      const forms = [s, Buffer.from(s).toString('base64'), Buffer.from(s).toString('hex'), encodeURIComponent(s), JSON.stringify(s)]
      const wait = () => new Promise((r) => setTimeout(r, 5))
      for (const f of forms) for (let cut = 1; cut < f.length; cut += 5) { process.stdout.write('a ' + f.slice(0, cut)); await wait(); process.stdout.write(f.slice(cut) + ' z\\n'); await wait() }
      process.stderr.write('error: ' + s + '\\n')
      console.log('done')
      setInterval(() => {}, 1000)`)
    const inputs: Inputs = { command: ['node', script, secret], env: { SECRET: secret }, ready: { log: 'done', within: '30s' } }
    await w.create('u1', 'k1', inputs)
    const log = w.log('u1')
    expect(log.match(/\[secret\]/g)!.length).toBeGreaterThan(20)
    expect(log.match(/a .* z$/gm)!.length).toBeGreaterThan(20)
    for (const file of files(w.home)) {
      const text = readFileSync(file, 'utf8')
      for (const f of forms) expect(text.includes(f), `${file}: ${f}`).toBe(false)
      expect(statSync(file).mode & 0o777, file).toBe(0o600)
    }
    for (const pid of supervisorsOf(w.root)) {
      for (const part of ['cmdline', 'environ']) for (const f of forms) expect(readFileSync(`/proc/${pid}/${part}`, 'utf8').includes(f), part).toBe(false)
    }
  }, 60_000)

  test('is not in the failure of a program that prints it and ends', async () => {
    w = makeWorld()
    w.redactor.add(secret)
    const inputs: Inputs = { command: ['node', w.script('bad.mjs', 'console.error("password is " + process.env.SECRET); process.exit(1)')], env: { SECRET: secret }, port: await freePort() }
    const error = await w.create('u1', 'k1', inputs).then(() => undefined, (e: Error) => e)
    expect(error!.message).toContain('password is [secret]')
    expect(JSON.stringify({ ...error }) + error!.message + error!.stack).not.toContain(secret)
  })

  test('that becomes known with a later version is masked from then on', async () => {
    w = makeWorld()
    const inputs = (s: string): Inputs => ({ command: ['node', w.script('p.mjs', 'console.log("with", process.env.S); console.log("up"); setInterval(() => {}, 1000)')], env: { S: s }, ready: { log: 'up' } })
    const outputs = await w.create('u1', 'k1', inputs('plain'))
    w.redactor.add('new-password-1')
    await w.update('u1', 'k2', { inputs: inputs('plain'), outputs }, inputs('new-password-1'))
    expect(w.log('u1')).toContain('with [secret]')
    expect(w.log('u1')).not.toContain('new-password-1')
  })
})
