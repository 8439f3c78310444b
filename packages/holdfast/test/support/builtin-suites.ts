import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { requestSpec } from '../../src/builtin/http/request.ts'
import { commandSpec } from '../../src/builtin/local/command.ts'
import { directorySpec } from '../../src/builtin/local/directory.ts'
import { fileSpec } from '../../src/builtin/local/file.ts'
import { symlinkSpec } from '../../src/builtin/local/symlink.ts'
import { idSpec, integerSpec, passwordSpec, petSpec, shuffleSpec, uuidSpec } from '../../src/builtin/random/types.ts'
import { certificateAuthoritySpec, certificateSpec, selfSignedCertificateSpec } from '../../src/builtin/tls/certificate.ts'
import { privateKeySpec } from '../../src/builtin/tls/private-key.ts'
import { providerSuite, type ProviderSubject, type ProviderSuite } from '../../src/testing/provider-suite.ts'
import { bundled, corner, type Corner } from './corner.ts'

/** Every built-in type whose objects stand in files, and those whose value stands in the state alone, through the exported suite. `killsMax`: how many kills each kill case makes. */
export async function builtinSuites(killsMax: number): Promise<void> {
  const framework = { describe, test }
  const SECRET = 'correct horse battery'

  const bundles = await Promise.all(['file', 'directory', 'symlink', 'command'].map((name) => bundled(new URL(`../../src/builtin/local/${name}.ts`, import.meta.url))))
  const [fileModule, directoryModule, symlinkModule, commandModule] = bundles.map((b) => b.module) as [string, string, string, string]
  afterAll(() => {
    for (const b of bundles) b.dispose()
  })

  /** What is made at the same moment may get the number of what was removed, and then is the same object for all that a file system tells; its moments are up to 10 ms long. */
  const later = () => new Promise((resolve) => setTimeout(resolve, 25))
  /** Somebody else's file in the place of an object. */
  const foreignFile = (c: Corner, path: string, text: string) => async () => {
    const at = join(c.root, path)
    rmSync(at, { recursive: true, force: true })
    await later()
    mkdirSync(join(at, '..'), { recursive: true })
    writeFileSync(at, text)
    return async () => readFileSync(at, 'utf8') === text
  }
  const subject = (c: Corner, rest: Omit<ProviderSubject, 'host' | 'world' | 'dispose'>): ProviderSubject => ({ host: c.host, world: c.world, dispose: c.dispose, ...rest })

  providerSuite('File', {
    spec: fileSpec,
    crash: { module: fileModule, export: 'fileSpec', killsMax },
    async make() {
      const c = corner([SECRET])
      return subject(c, {
        inputs: { path: 'out/deep/greeting.txt', content: `hello ${SECRET}\n`, mode: 0o600 },
        changed: { path: 'out/deep/greeting.txt', content: 'good bye\n', mode: 0o644 },
        foreign: foreignFile(c, 'out/deep/greeting.txt', 'somebody else'),
        secrets: [SECRET],
      })
    },
  }, framework)

  providerSuite('File from an asset', {
    spec: fileSpec,
    async make() {
      const c = corner()
      writeFileSync(join(c.root, 'a.bin'), Buffer.alloc(3_000_000, 7))
      writeFileSync(join(c.root, 'b.bin'), 'b')
      const { createHash } = await import('node:crypto')
      const asset = (path: string) => ({ path, digest: `sha256:${createHash('sha256').update(readFileSync(join(c.root, path))).digest('hex')}` })
      return subject(c, { inputs: { path: 'copy.bin', source: asset('a.bin') }, changed: { path: 'copy.bin', source: asset('b.bin') }, foreign: foreignFile(c, 'copy.bin', 'somebody else') })
    },
  }, framework)

  providerSuite('Directory', {
    spec: directorySpec,
    crash: { module: directoryModule, export: 'directorySpec', killsMax },
    async make() {
      const c = corner()
      return subject(c, {
        inputs: { path: 'a/b/c', mode: 0o750 },
        changed: { path: 'a/b/c', mode: 0o700 },
        foreign: async () => {
          const at = join(c.root, 'a/b/c')
          rmSync(at, { recursive: true, force: true })
          await later()
          mkdirSync(at, { recursive: true })
          writeFileSync(join(at, 'theirs'), '1')
          return async () => readFileSync(join(at, 'theirs'), 'utf8') === '1'
        },
      })
    },
  }, framework)

  const toTrash = 'it goes to the trash'
  providerSuite('Directory that holds data', {
    spec: directorySpec,
    crash: { module: directoryModule, export: 'directorySpec', killsMax },
    lacks: { 'a delete leaves nothing behind': toTrash, 'a delete works with what partial recorded': 'nothing is recorded early for a new one' },
    async make() {
      const c = corner()
      return subject(c, {
        inputs: { path: 'data', data: true },
        changed: { path: 'data', data: true, mode: 0o700 },
        foreign: async () => {
          const at = join(c.root, 'data')
          rmSync(at, { recursive: true, force: true })
          await later()
          mkdirSync(at)
          return async () => c.world().then((w) => w.some((x) => x.startsWith('data/')))
        },
      })
    },
  }, framework)

  providerSuite('Directory that comes back from the trash', {
    spec: directorySpec,
    crash: { module: directoryModule, export: 'directorySpec', killsMax },
    lacks: {
      'a delete leaves nothing behind': toTrash,
      'a delete works with what partial recorded': toTrash,
      'a create leaves alone what is not ours': 'shown by the other suites',
      'a delete leaves alone what is not ours': 'shown by the other suites',
      'reading changes nothing': 'shown by the other suites',
    },
    async make() {
      const c = corner()
      const folder = join(c.home, 'trash', 'u-old')
      mkdirSync(join(folder, 'data'), { recursive: true })
      writeFileSync(join(folder, 'data', 'row'), '1')
      writeFileSync(join(folder, 'meta.json'), JSON.stringify({ v: 1, id: 'u-old', path: join(c.root, 'data'), env: c.host.env, removedAt: '2020-01-01T00:00:00.000Z', completed: [''] }))
      return subject(c, { inputs: { path: 'data', data: true }, changed: { path: 'data', data: true, mode: 0o700 } })
    },
  }, framework)

  providerSuite('Symlink', {
    spec: symlinkSpec,
    crash: { module: symlinkModule, export: 'symlinkSpec', killsMax },
    async make() {
      const c = corner()
      return subject(c, {
        inputs: { path: 'links/current', target: '../releases/1' },
        changed: { path: 'links/current', target: '../releases/2' },
        foreign: async () => {
          const at = join(c.root, 'links/current')
          rmSync(at, { force: true })
          await later()
          mkdirSync(join(at, '..'), { recursive: true })
          symlinkSync('elsewhere', at)
          return async () => (await c.world()).includes('links/current -> elsewhere')
        },
      })
    },
  }, framework)

  providerSuite('Command that makes something', {
    spec: commandSpec,
    lacks: { 'a create that is repeated with its key makes one object': 'it prints a secret, and what it printed is kept redacted until the answer is written' },
    crash: { module: commandModule, export: 'commandSpec', killsMax },
    async make() {
      const c = corner([SECRET])
      const run = (text: string) => ['/bin/sh', '-c', `mkdir made && echo "$PASSWORD" && echo ${text} > made/text`]
      return subject(c, {
        inputs: { command: run('one'), env: { PASSWORD: SECRET }, creates: 'made' },
        changed: { command: run('two'), env: { PASSWORD: SECRET }, creates: 'made' },
        foreign: async () => {
          const at = join(c.root, 'made')
          rmSync(at, { recursive: true, force: true })
          await later()
          mkdirSync(at)
          writeFileSync(join(at, 'theirs'), '1')
          return async () => readFileSync(join(at, 'theirs'), 'utf8') === '1'
        },
        secrets: [SECRET],
      })
    },
  }, framework)

  const nothingThere = 'it makes nothing that has a name'
  providerSuite('Command that only acts', {
    spec: commandSpec,
    lacks: { 'a create leaves alone what is not ours': nothingThere, 'a delete leaves alone what is not ours': nothingThere, 'what was deleted is not read': 'what it did is not seen in the world; the record of its outputs is all there is' },
    async make() {
      const c = corner()
      return subject(c, { inputs: { command: ['/bin/sh', '-c', 'echo one'] }, changed: { command: ['/bin/sh', '-c', 'echo two'] } })
    },
  }, framework)

  const request = await bundled(new URL('../../src/builtin/http/request.ts', import.meta.url))
  /** A service that keeps what is put there, by path. */
  const things = new Map<string, string>()
  const service = createServer((req, res) => {
    let body = ''
    req.on('data', (part: Buffer) => (body += part)).on('end', () => {
      if (req.method === 'PUT') things.set(req.url as string, body)
      else things.delete(req.url as string)
      res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ is: body }))
    })
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  afterAll(() => {
    request.dispose()
    service.closeAllConnections()
    service.close()
  })
  const noThing = 'whose it is, what stands there does not tell'
  providerSuite('Request', {
    spec: requestSpec,
    lacks: { 'a create leaves alone what is not ours': noThing, 'a delete leaves alone what is not ours': noThing, 'what was deleted is not read': 'the record of the answer is all there is' },
    crash: { module: request.module, export: 'requestSpec', killsMax },
    async make() {
      things.clear()
      const c = corner([SECRET])
      const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/thing`
      const put = (body: string) => ({ url, method: 'PUT', headers: { authorization: `Bearer ${SECRET}` }, body, destroy: { url } })
      return { host: c.host, dispose: c.dispose, inputs: put('one'), changed: put('two'), secrets: [SECRET], world: async () => [...(await c.world()), ...[...things].map((t) => t.join(' '))] }
    },
  }, framework)

  const kept = 'its value stands in the state alone'
  const valueLacks: ProviderSuite['lacks'] = {
    'a create that is repeated with its key makes one object': 'a value that nobody received is made anew',
    'what was deleted is not read': kept,
    'a create leaves alone what is not ours': kept,
    'a delete leaves alone what is not ours': kept,
  }
  const value = (name: string, spec: ProviderSuite['spec'], inputs: Record<string, unknown>, changed?: Record<string, unknown>) =>
    providerSuite(name, { spec, lacks: valueLacks, make: async () => subject(corner(), { inputs, ...(changed ? { changed } : {}) }) }, framework)

  value('Password', passwordSpec, { length: 24, symbols: true }, { length: 24, symbols: true, boundTo: 'data' })
  value('Id', idSpec, {})
  value('Uuid', uuidSpec, {})
  value('Pet', petSpec, { words: 3, prefix: 'db' })
  value('Integer', integerSpec, { min: 1, max: 6 })
  value('Shuffle', shuffleSpec, { input: ['a', 'b', 'c'] })
  value('PrivateKey', privateKeySpec, {})
  value('Certificate', certificateSpec, { commonName: 'localhost' }, { commonName: 'localhost', renewBefore: '1d' })
  value('SelfSignedCertificate', selfSignedCertificateSpec, { commonName: 'localhost' }, { commonName: 'localhost', renewBefore: '1d' })
  value('CertificateAuthority', certificateAuthoritySpec, { commonName: 'Root' }, { commonName: 'Root', renewBefore: '1d' })
}
