import { once } from 'node:events'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { callOf, corner, type Corner } from '../../../test/support/corner.ts'
import { makeLab } from '../../../test/support/world.ts'
import { systemClock, type Clock } from '../../base/index.ts'
import { readStatus, showResource } from '../../engine/index.ts'
import { issue } from '../tls/issue.ts'
import { lookup, resource } from '../../program/index.ts'
import { Request } from './index.ts'
import { requestSpec } from './request.ts'

interface Seen {
  readonly line: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}
type Answerer = (seen: Seen, res: ServerResponse, req: IncomingMessage) => void

const open: { close(): void }[] = []
afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

/** A service that keeps what it was sent, and answers as it is told. */
async function service(answer: Answerer, make: (handler: (req: IncomingMessage, res: ServerResponse) => void) => Server = createServer) {
  const seen: Seen[] = []
  const server = make((req, res) => {
    let body = ''
    req.on('data', (part: Buffer) => (body += part)).on('end', () => {
      const one = { line: `${req.method} ${req.url}`, headers: req.headers, body }
      seen.push(one)
      answer(one, res, req)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push({ close: () => (server.closeAllConnections(), server.close()) })
  const { port } = server.address() as AddressInfo
  return { seen, lines: () => seen.map((s) => s.line), url: (path: string) => `http://127.0.0.1:${port}${path}`, server }
}
const json = (status: number, value: unknown): Answerer => (_, res) => void res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))

const fresh = (secrets: readonly string[] = []): Corner => {
  const c = corner(secrets)
  open.push({ close: () => void c.dispose() })
  return c
}
/** The same type, whose lost calls are judged at once. */
const Quick = resource({ ...requestSpec, type: 'test:Request', capability: { create: { name: true }, update: 'full', settleMs: 0, maxCallMs: 0 } })
type Call = ReturnType<typeof callOf> & { readonly insisted?: boolean }
const sends = (c: Corner, inputs: unknown, call: Call = callOf(c.host)) => requestSpec.create({ ...call, inputs: requestSpec.inputs.parse(inputs) } as never)
const parsed = (inputs: unknown) => requestSpec.inputs.parse(inputs)

describe('Request', () => {
  test('sends method, headers and body, and gives the answer', async () => {
    const s = await service((_, res) => void res.writeHead(201, { 'content-type': 'application/json; charset=utf-8', 'set-cookie': 'session=1', 'x-id': '7' }).end('{"id":7}'))
    const out = await sends(fresh(), { url: s.url('/things?a=b'), method: 'POST', headers: { 'X-Team': 'data', 'User-Agent': 'mine' }, json: { name: 'é' } })
    expect(out).toMatchObject({ status: 201, responseBody: '{"id":7}', response: { id: 7 }, responseHeaders: { 'x-id': '7' } })
    expect(out.responseHeaders).not.toHaveProperty('set-cookie')
    expect(s.seen[0]).toMatchObject({ line: 'POST /things?a=b', body: '{"name":"é"}', headers: { 'x-team': 'data', 'user-agent': 'mine', 'content-type': 'application/json', 'content-length': '13', 'idempotency-key': expect.any(String) } })
    await sends(fresh(), { url: s.url('/x'), headers: { 'content-type': 'text/csv' }, body: 'a,b' })
    expect(s.seen[1]).toMatchObject({ line: 'GET /x', body: 'a,b', headers: { 'content-type': 'text/csv', 'user-agent': 'holdfast' } })
    expect(s.seen[1]?.headers).not.toHaveProperty('idempotency-key')
  })

  test('what is no JSON, though it says so, and what is longer than a MiB is given as text', async () => {
    const s = await service((seen, res) => void res.writeHead(200, { 'content-type': 'application/json' }).end(seen.line.endsWith('/long') ? JSON.stringify('x'.repeat(2_000_000)) : '{"cut'))
    const [odd, long] = [await sends(fresh(), { url: s.url('/odd') }), await sends(fresh(), { url: s.url('/long') })]
    expect([odd.responseBody, odd.response]).toEqual(['{"cut', undefined])
    expect([long.responseBody.length, long.response]).toEqual([1_048_576, undefined])
  })

  test('an answer that does not count as success is a failure that shows it, without query, user or secret', async () => {
    const s = await service((seen, res) => void (seen.line.includes('moved') ? res.writeHead(302, { location: '/there' }).end() : res.writeHead(422).end('name "s3cr3t-name" is taken')))
    const c = fresh(['s3cr3t-name'])
    const e = await sends(c, { url: s.url('/things?token=abc').replace('http://', 'http://me:pass@'), method: 'PUT' }).catch((x: unknown) => x as Error)
    expect(e).toMatchObject({ code: 'HF3131', details: { status: 422 } })
    expect((e as Error).message).toContain('/things was answered with 422.\nname ')
    expect((e as Error).message).not.toMatch(/token|me:pass|s3cr3t-name/)
    await expect(sends(c, { url: s.url('/moved') })).rejects.toMatchObject({ code: 'HF3131', message: expect.stringContaining('302, which points to /there') })
    expect((await sends(c, { url: s.url('/moved'), expect: [302] })).status).toBe(302)
    await expect(sends(c, { url: s.url('/things'), expect: [200] })).rejects.toMatchObject({ code: 'HF3131' })
  })

  test('the answer to a request with a secret in it is not in the failure either', async () => {
    const s = await service((_, res) => void res.writeHead(401, { location: '/login?fresh-token-2' }).end('use fresh-token-2'))
    const c = fresh(['my-old-token'])
    for (const inputs of [{ headers: { authorization: 'Bearer my-old-token' } }, { method: 'PUT', body: 'my-old-token' }, { method: 'PUT', json: { is: 'my-old-token' } }]) {
      const e = await sends(c, { url: s.url('/x'), ...inputs }).catch((x: unknown) => x as Error)
      expect(e).toMatchObject({ code: 'HF3131', message: expect.stringContaining('answered with 401') })
      expect(JSON.stringify([(e as Error).message, (e as { details?: unknown }).details])).not.toMatch(/fresh-token-2|my-old-token/)
    }
  })

  test('where nobody listens, nothing was sent: a plain failure', async () => {
    const s = await service(() => {})
    s.server.close()
    await once(s.server, 'close')
    const c = fresh()
    await expect(sends(c, { url: s.url('/x'), method: 'POST' })).rejects.toMatchObject({ code: 'HF3131', message: expect.stringContaining('nobody listens there') })
    expect(existsSync(join(c.home, 'requests'))).toBe(false)
  })

  test('over TLS: who is not trusted gets nothing, who asks for a certificate is shown it', async () => {
    const now = Date.now()
    const wanted = { keyAlgorithm: 'ecdsa-p256' as const, validForMs: 3_600_000 }
    const ca = await issue({ ...wanted, commonName: 'Root', ca: { pathLength: undefined } }, now)
    const server = await issue({ ...wanted, commonName: 'localhost', leaf: { dns: ['localhost'], ip: ['127.0.0.1'], usages: ['server'] }, authority: ca }, now)
    const client = await issue({ ...wanted, commonName: 'client', leaf: { dns: [], ip: [], usages: ['client'] }, authority: ca }, now)
    const s = await service(json(200, { ok: true }), (handler) => createSecureServer({ cert: server.chainPem, key: server.keyPem, ca: ca.certPem, requestCert: true, rejectUnauthorized: true }, handler))
    const url = s.url('/x').replace('http:', 'https:')
    const c = fresh()
    await expect(sends(c, { url })).rejects.toMatchObject({ code: 'HF3131', message: expect.stringContaining('not trusted') })
    await expect(sends(c, { url, tls: { ca: ca.certPem } })).rejects.toThrow()
    expect(s.seen).toEqual([])
    expect(await sends(c, { url, tls: { ca: ca.certPem, certPem: client.chainPem, keyPem: client.keyPem } })).toMatchObject({ status: 200, response: { ok: true } })
  })

  test('one that may not be sent twice is not: its answer is lost, and a repeat under its key says so until a person insists', async () => {
    let lose = true
    const s = await service((seen, res, req) => void (lose ? req.socket.destroy() : json(201, { n: s.seen.length })(seen, res, req)))
    const c = fresh()
    const call: Call = callOf(c.host)
    const post = { url: s.url('/orders'), method: 'POST', json: { n: 1 } }
    await expect(sends(c, post, call)).rejects.toMatchObject({ name: 'OutcomeUnknown' })
    lose = false
    await expect(sends(c, post, call)).rejects.toMatchObject({ name: 'OutcomeUnknown', message: expect.stringContaining('whether it did its work') })
    await expect(requestSpec.read?.({ ...call, inputs: parsed(post) } as never)).rejects.toMatchObject({ name: 'OutcomeUnknown' })
    expect(s.lines()).toEqual(['POST /orders'])
    expect(await sends(c, post, { ...call, insisted: true })).toMatchObject({ status: 201 })
    expect(s.lines()).toEqual(['POST /orders', 'POST /orders'])
    expect(s.seen[0]?.headers['idempotency-key']).toBe(s.seen[1]?.headers['idempotency-key'])
    const [file] = readdirSync(join(c.home, 'requests'))
    expect(statSync(join(c.home, 'requests', file as string)).mode & 0o777).toBe(0o600)
    await requestSpec.delete({ ...call, inputs: parsed(post), outputs: {} } as never)
    expect(existsSync(join(c.home, 'requests'))).toBe(false)
  })

  test('what stands before the service and heard nothing from it tells nothing; a refusal of the service does', async () => {
    const codes = [504, 502, 500, 201]
    const s = await service((_, res) => void res.writeHead(codes.shift() as number).end())
    const c = fresh()
    const post = { url: s.url('/orders'), method: 'POST' }
    await expect(sends(c, post)).rejects.toMatchObject({ name: 'OutcomeUnknown', message: expect.stringContaining('504') })
    await expect(sends(c, post)).rejects.toMatchObject({ name: 'OutcomeUnknown' })
    const call: Call = callOf(c.host)
    await expect(sends(c, post, call)).rejects.toMatchObject({ code: 'HF3131' })
    expect((await sends(c, post, call)).status).toBe(201) // under the same key: it was turned away before
  })

  test('one that may be sent twice is sent again by the engine when its answer is lost', async () => {
    let lose = 1
    const s = await service((seen, res, req) => void (lose-- > 0 ? req.socket.destroy() : json(200, { is: seen.body })(seen, res, req)))
    for (const [method, idempotent] of [['PUT', undefined], ['POST', true]] as const) {
      lose = 1
      s.seen.length = 0
      const lab = makeLab({ types: [Quick] })
      const doc = await lab.apply(() => ({ is: Quick('r', { url: s.url('/thing'), method, body: 'one', ...(idempotent ? { idempotent } : {}) }).responseBody }))
      expect(doc).toMatchObject({ outcome: 'applied', outputs: { is: '{"is":"one"}' } })
      expect(s.lines()).toEqual([`${method} /thing`, `${method} /thing`])
    }
  })

  test('a lost one that may not be sent twice waits for a person, and nothing else is sent', async () => {
    const s = await service((_, __, req) => void req.socket.destroy())
    // It is looked for some ten seconds, in a time that runs fast.
    const began = systemClock.now()
    const clock: Clock = { ...systemClock, now: () => began + 20 * (systemClock.now() - began), sleep: (ms, signal) => systemClock.sleep(ms / 20, signal) }
    const lab = makeLab({ types: [Quick], clock })
    const build = () => void Quick('r', { url: s.url('/orders'), method: 'POST' })
    expect(await lab.apply(build)).toMatchObject({ outcome: 'incomplete' })
    expect((await readStatus(lab.cx)).open).toMatchObject([{ address: 'r', op: 'create', status: 'unknown', evidence: expect.stringContaining('whether it did its work is not known') }])
    expect(s.lines()).toEqual(['POST /orders'])
  })

  test('it is sent again when it or its triggers change, not when only the way of taking it away does; that is sent at the end', async () => {
    const s = await service(json(200, {}))
    const lab = makeLab({ types: [Request] })
    const build = (body: string, triggers: unknown, path: string) => () => void Request('r', { url: s.url('/hooks/1'), method: 'PUT', body, triggers, destroy: { url: s.url(path) } })
    await lab.apply(build('one', 1, '/hooks/1'))
    expect((await lab.apply(build('one', 1, '/hooks/1'))).outcome).toBe('unchanged')
    await lab.apply(build('one', 1, '/hooks/2'))
    expect(s.lines()).toEqual(['PUT /hooks/1'])
    expect((await lab.plan(build('two', 1, '/hooks/2'))).document.changes).toMatchObject([{ address: 'r', action: 'update' }])
    await lab.apply(build('two', 1, '/hooks/2'))
    await lab.apply(build('two', 2, '/hooks/2'))
    await lab.destroy()
    expect(s.lines()).toEqual(['PUT /hooks/1', 'PUT /hooks/1', 'PUT /hooks/1', 'DELETE /hooks/2'])
  })

  test('a run that fails takes back what it sent: by the request that takes it away, or by the one that stood before', async () => {
    const s = await service(json(200, {}))
    const lab = makeLab({ types: [Request] })
    const hook = (body: string) => Request('r', { url: s.url('/hooks/1'), method: 'PUT', body, destroy: { url: s.url('/hooks/1') } })
    const failing = (body: string) => () => {
      const r = hook(body)
      lab.Box('b', { name: 'b', fail: true, labels: { status: r.responseBody } })
    }
    expect((await lab.apply(failing('one'))).outcome).toBe('reverted')
    expect(s.lines()).toEqual(['PUT /hooks/1', 'DELETE /hooks/1'])
    await lab.apply(() => void hook('one'))
    s.seen.length = 0
    expect((await lab.apply(failing('two'))).outcome).toBe('reverted')
    expect(s.seen.map((x) => x.body)).toEqual(['two', 'one'])
  })

  test('what takes it away may find nothing; any other refusal keeps it on the list of pending deletes', async () => {
    let status = 500
    const s = await service((seen, res) => void res.writeHead(seen.line.startsWith('PUT') ? 200 : status).end())
    const lab = makeLab({ types: [Request] })
    await lab.apply(() => void Request('r', { url: s.url('/a'), method: 'PUT', destroy: { url: s.url('/a') } }))
    expect(await lab.destroy()).toMatchObject({ pending: ['r'] })
    status = 404
    expect((await lab.destroy()).pending).toEqual([])
    expect((await readStatus(lab.cx)).resources).toBe(0)
  })

  test('the answer to a request with a secret in it is a secret, and is nowhere in clear', async () => {
    const s = await service((seen, res, req) => json(200, { token: 'fresh-token-1', echo: seen.headers.authorization })(seen, res, req))
    const lab = makeLab({ types: [Request] })
    const build = () => {
      const box = lab.Box('b', { name: 'b' })
      const r = Request('r', { url: s.url('/login'), headers: { authorization: box.token } })
      return { all: r.responseBody, status: r.status }
    }
    expect((await lab.apply(build)).outputs).toEqual({ all: { secret: true }, status: 200 })
    expect(s.seen[0]?.headers.authorization).toMatch(/^token-of-/)
    const seen = JSON.stringify([await showResource(lab.cx, 'r'), lab.events, await lab.store.resources(lab.cx.env.id, 'current')])
    expect(seen).not.toMatch(/fresh-token-1|token-of-/)
  })

  test('looked up, it is asked with every plan; what nobody has is nothing that fits, and what may change something is refused', async () => {
    let version = '1'
    const s = await service((seen, res) => void (seen.line.includes('gone') ? res.writeHead(404).end() : res.writeHead(200, { 'content-type': 'application/json', 'x-request-id': String(Math.random()) }).end(JSON.stringify({ version }))))
    const lab = makeLab({ types: [Request] })
    const build = () => {
      const found = lookup(Request, { url: s.url('/version') })
      lab.Value('v', { input: found.response.version })
      return { headers: found.responseHeaders }
    }
    expect((await lab.apply(build)).outputs).toEqual({ headers: { 'content-type': 'application/json' } })
    expect((await lab.plan(build)).empty).toBe(true)
    version = '2'
    expect((await lab.plan(build)).document.changes).toMatchObject([{ action: 'read' }, { address: 'v', action: 'update' }])
    expect(new Set(s.lines())).toEqual(new Set(['GET /version']))
    await expect(lab.plan(() => void lookup(Request, { url: s.url('/gone') }))).rejects.toMatchObject({ code: 'HF3101', message: expect.stringContaining('nothing that fits') })
    const before = s.seen.length
    await expect(lab.plan(() => void lookup(Request, { url: s.url('/x'), method: 'POST' }))).rejects.toMatchObject({ message: expect.stringContaining('may change what is there') })
    await expect(lab.plan(() => void lookup(Request, {}))).rejects.toMatchObject({ message: expect.stringContaining('url') })
    expect(s.seen).toHaveLength(before)
  })

  test.each([
    [{ url: 'ftp://x' }, /http:\/\//], [{ url: 'http://' }, /http:\/\//], [{ url: '/x' }, /http:\/\//], [{ headers: { 'a b': 'c' } }, /name of a header/], [{ headers: { a: 'b\r\nc: d' } }, /one line/], [{ body: 'a', json: 1 }, /exclude/],
    [{ method: 'get' }, /./], [{ expect: [] }, /./], [{ expect: [99] }, /./], [{ destroy: { url: 'http://x', body: 'a', json: 1 } }, /exclude/],
  ])('%j is refused', (inputs, message) => {
    expect(requestSpec.inputs.safeParse({ url: 'http://x', ...inputs }).error?.message).toMatch(message)
  })
})
