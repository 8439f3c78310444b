import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

const repository = fileURLToPath(new URL('../../../../', import.meta.url))
const example = join(repository, 'examples/mutual-tls')

async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

function project(port: number) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-mutual-tls-')))
  const names = readdirSync(example).filter((name) => ['app.ts', 'service.mjs'].includes(name))
  for (const name of names) cpSync(join(example, name), join(folder, name))
  mkdirSync(join(folder, 'node_modules'))
  for (const [name, target] of Object.entries({ holdfast: 'packages/holdfast', zod: 'node_modules/zod' })) symlinkSync(join(repository, target), join(folder, 'node_modules', name))
  const given = readFileSync(join(folder, 'app.ts'), 'utf8').replace('default(8443)', `default(${port})`)
  const write = (validFor: string, renewBefore: string) => writeFileSync(join(folder, 'app.ts'), given.replace("default('90d')", `default('${validFor}')`).replace("default('30d')", `default('${renewBefore}')`))
  const holdfast = (...args: string[]) => new Promise<{ code: number; json: any; stderr: string }>((resolve) => {
    execFile(process.execPath, [join(repository, 'packages/holdfast/dist/bin.js'), ...args, '--json', '--no-input'], { cwd: folder, encoding: 'utf8' }, (error, stdout, stderr) => {
      resolve({ code: error ? (error as { code?: number }).code ?? -1 : 0, json: stdout === '' ? undefined : JSON.parse(stdout), stderr })
    })
  })
  onTestFinished(async () => {
    await holdfast('destroy', '--yes')
    rmSync(folder, { recursive: true, force: true })
  })
  return { folder, write, holdfast }
}

/** What the service answers, or why it does not. */
const ask = (port: number, tls: { readonly ca?: string; readonly cert?: string; readonly key?: string }, method = 'GET', path = '/') => new Promise<unknown>((resolve) => {
  const sent = request({ host: 'localhost', port, path, method, agent: false, ...tls }, (answer) => {
    let text = ''
    answer.on('data', (part) => (text += part)).on('end', () => resolve(answer.statusCode === 200 ? JSON.parse(text) : answer.statusCode)).on('error', resolve)
  })
  sent.on('error', (e) => resolve((e as NodeJS.ErrnoException).code ?? e.message)).end()
})

test('a service and its clients know each other by certificates, which are renewed while it answers', async () => {
  const port = await freePort()
  const { folder, write, holdfast } = project(port)
  write('1h', '1m')
  expect(await holdfast('apply', '--yes')).toMatchObject({ code: 0, json: { outcome: 'applied' } })
  expect(statSync(join(folder, 'run/tls.json')).mode & 0o777).toBe(0o600)
  const { ca, clientCert, clientKey, renewAt } = (await holdfast('outputs', '--reveal')).json.outputs as Record<string, string>
  const client = { ca: ca as string, cert: clientCert as string, key: clientKey as string }
  const registered = { billing: { endpoint: 'http://127.0.0.1:9000' } }
  expect(await ask(port, client)).toEqual(registered)
  expect(await ask(port, client, 'PUT', '/shop')).toBe(403)
  expect(await ask(port, { ca: client.ca })).not.toEqual(registered)
  expect(await ask(port, {})).toMatch(/SELF_SIGNED|UNABLE/)

  // From here on they are due at once: an hour before the end of their hour, but a second.
  write('1h', '3599s')
  expect(await holdfast('apply', '--yes')).toMatchObject({ code: 0, json: { summary: { update: 2 } } })
  const { outputs } = (await holdfast('outputs')).json
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, Date.parse(outputs.renewAt) - Date.now()) + 1))
  expect(Date.parse(outputs.renewAt)).toBeLessThan(Date.parse(renewAt as string))
  const due = await holdfast('plan')
  expect(due.json.changes.filter((c: { action: string }) => c.action === 'replace').map((c: { address: string }) => c.address)).toEqual(['server', 'client'])

  const answers: unknown[] = []
  let asking = true
  const all = (async () => {
    for (; asking; await new Promise((resolve) => setTimeout(resolve, 10))) answers.push(await ask(port, client))
  })()
  expect(await holdfast('apply', '--yes')).toMatchObject({ code: 0, json: { outcome: 'applied' } })
  asking = false
  await all
  expect(answers.length).toBeGreaterThan(10)
  // Between the start of the new process and the request to it, nobody is registered.
  expect(answers.filter((a) => typeof a !== 'object')).toEqual([])
  const after = (await holdfast('outputs', '--reveal')).json.outputs as Record<string, string>
  expect([after.ca === ca, after.clientCert === clientCert, after.clientKey === clientKey]).toEqual([true, false, false])
  expect(await ask(port, { ca: ca as string, cert: after.clientCert as string, key: after.clientKey as string })).toEqual(registered)

  expect(await holdfast('destroy', '--yes')).toMatchObject({ code: 0 })
  expect(await ask(port, client)).toMatch(/ECONNREFUSED/)
  expect(readdirSync(folder).sort()).toEqual(['.holdfast', 'app.ts', 'node_modules', 'service.mjs'])
}, 60_000)
