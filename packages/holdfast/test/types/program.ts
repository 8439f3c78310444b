// Compiled by `npm run check`, never run: every line after @ts-expect-error must be an error, and nothing else may be one.
import { z } from 'zod'
import {
  add, app, asset, at, coalesce, component, concat, each, eq, get, hook, join, json, length, lookup, merge, resource, sensitive, split, str, Value, when,
  type Expr, type Input, type Node, type Ref,
} from '../../src/root.ts'
import { Request } from '../../src/builtin/http/index.ts'
import { Certificate, CertificateAuthority, PrivateKey, SelfSignedCertificate } from '../../src/builtin/tls/index.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const is = <T extends true>(): T | undefined => undefined

const path = z.union([z.string(), z.object({ path: z.string(), digest: z.string() })])
const File = resource({
  type: 'test:File',
  inputs: z.object({ path: z.string(), content: z.string().optional(), source: path.optional(), mode: z.number().default(0o644) }),
  outputs: z.object({ path: z.string(), file: z.object({ path: z.string(), digest: z.string() }), size: z.number().optional() }),
  replaceOn: ['path'],
  create: async ({ inputs, key, mark, signal, partial }) => {
    const mode: number = inputs.mode
    await partial({ path: inputs.path })
    void [mode, key.step('x'), mark.uid, signal.aborted]
    return { path: inputs.path, file: { path: inputs.path, digest: '' } }
  },
  delete: async ({ outputs }) => void outputs.path,
})
const Server = resource({
  type: 'test:Server',
  inputs: z.object({ command: z.array(path), env: z.record(z.string(), z.string()).default({}), port: z.number().optional() }),
  outputs: z.object({ port: z.number(), endpoints: z.array(z.object({ host: z.string() })), labels: z.record(z.string(), z.string()), token: sensitive(z.string()), extra: z.any() }),
  create: async () => ({ port: 1, endpoints: [], labels: {}, token: '', extra: 1 }),
  delete: async () => {},
})
const Empty = resource({ type: 'test:Empty', inputs: z.object({ n: z.number().default(1) }), outputs: z.object({ id: z.string() }), create: async () => ({ id: '' }), delete: async () => {} })

// @ts-expect-error replaceOn names an input
resource({ type: 'test:Wrong', inputs: z.object({ a: z.string() }), outputs: z.object({}), replaceOn: ['b'], create: async () => ({}), delete: async () => {} })
// @ts-expect-error renewAt names an output
resource({ type: 'test:Wrong', inputs: z.object({ a: z.string() }), outputs: z.object({ b: z.string() }), renewAt: 'a', create: async () => ({ b: '' }), delete: async () => {} })
// @ts-expect-error the outputs do not fit their schema
resource({ type: 'test:Wrong', inputs: z.object({}), outputs: z.object({ id: z.string() }), create: async () => ({ id: 1 }), delete: async () => {} })

const Api = component('Api', {
  settings: z.object({ replicas: z.number().default(1), names: z.array(z.string()) }),
  inputs: z.object({ host: z.string(), port: z.number().default(80), list: z.array(z.string()).optional(), db: z.object({ url: z.string() }).optional() }),
  build({ settings, inputs, env }) {
    is<Same<typeof settings, { replicas: number; names: string[] }>>()
    const environment: string = env
    const host: Input<string> = inputs.host
    for (const name of settings.names) File(name, { path: name, content: str`${inputs.host}:${inputs.port} ${environment}` })
    const url = inputs.db?.url
    if (url !== undefined) File('url', { path: 'u', content: url })
    // @ts-expect-error an input may be a reference: it has no value to branch on
    const n: number = inputs.port
    return { host, n, server: Server('server', { command: ['x', inputs.host] }) }
  },
})
const Nothing = component('Nothing', { build() {} })
const InputsAlone = component('InputsAlone', { inputs: z.object({ host: z.string() }), build() {} })
const SettingsAlone = component('SettingsAlone', { settings: z.object({ replicas: z.number() }), build() {} })
const drain = hook('drain', async ({ op, outputs, log }) => {
  is<Same<typeof op, 'create' | 'update' | 'delete'>>()
  log(String(outputs?.port))
})
export const alone = app('alone', { build() {
  InputsAlone('one', { host: 'h' }, { hooks: { beforeDelete: drain } })
  SettingsAlone('two', { replicas: 2 })
  // @ts-expect-error an input that it does not have
  InputsAlone('three', { host: 'h', port: 1 })
  // @ts-expect-error a setting is missing
  SettingsAlone('four', {})
  File('five', { path: 'f', content: '' }, { adopt: 'f', timeout: { read: '5s' }, hooks: { onError: drain } })
  // @ts-expect-error hooks are what hook() gave
  File('six', { path: 'g', content: '' }, { hooks: { afterCreate: () => undefined } })
} })

export const shop = app('shop', {
  config: z.object({ dataDir: z.string(), replicas: z.number().default(1) }),
  environments: { dev: { dataDir: './d' }, prod: { dataDir: '/srv', replicas: 3 } },
  secrets: ['stripe'],
  build({ config, env, secrets }) {
    is<Same<typeof env, 'dev' | 'prod'>>()
    is<Same<typeof config, { dataDir: string; replicas: number }>>()
    const stripe: Expr<string> = secrets.stripe
    // @ts-expect-error no such secret
    void secrets.nope
    // @ts-expect-error no such environment
    if (env === 'qa') return { stripe }

    const file = File('a', { path: config.dataDir, content: str`x ${config.replicas}` })
    const whole: Node<{ path: string; file: { path: string; digest: string }; size?: number | undefined }> = file
    const name: Ref<string> = file.path
    const digest: Expr<string> = file.file.digest
    void [whole, name, digest, file.$path]
    File('b', { path: file.path, source: asset('./x') }, { dependsOn: [file], protect: true, tags: { a: 'b' } })
    File('c', { path: file.path, source: file.file })
    File('d', { path: str`${file.path}`, content: json({ a: file.path, b: [file.size] }) })
    // @ts-expect-error a number is not Input<string>
    File('e', { path: 3 })
    // @ts-expect-error a reference to an object is not Input<string>
    File('f', { path: file.file })
    // @ts-expect-error a node is not one of its outputs
    File('g', { path: file })
    // @ts-expect-error the output may be missing: use coalesce
    Server('h', { command: [], port: coalesce(file.size) satisfies Expr<number> })
    // @ts-expect-error no such output
    void file.nope
    // @ts-expect-error missing input
    File('i', {})
    // @ts-expect-error no such input
    File('j', { path: 'x', contents: 'y' })
    // @ts-expect-error inputs are needed
    File('k')
    // @ts-expect-error no such option
    File('l', { path: 'x' }, { protected: true })
    // @ts-expect-error a reference is no option
    File('m', { path: 'x' }, { timeout: file.path })
    File('opt1', { path: 'x' }, { ignore: ['content', 'a.b[0].c["d"]', '*'], replaceOn: ['mode'], replaceWhen: 3, replaceWith: [file], deletedWith: file, deleteFirst: false })
    File('opt2', { path: 'x' }, { replaceWhen: str`${file.path}-${secrets.stripe}` })
    File('opt3', { path: 'x' }, { replaceWhen: { a: [file.size, config.replicas] } })
    // @ts-expect-error a list of paths
    File('opt4', { path: 'x' }, { ignore: 'content' })
    // @ts-expect-error paths are known in build()
    File('opt5', { path: 'x' }, { replaceOn: [file.path] })
    // @ts-expect-error an output is no node
    File('opt6', { path: 'x' }, { deletedWith: file.path })
    // @ts-expect-error one node, not a list
    File('opt7', { path: 'x' }, { deletedWith: [file] })
    // @ts-expect-error a list of nodes
    File('opt8', { path: 'x' }, { replaceWith: file })
    // @ts-expect-error a reference is no option
    File('opt9', { path: 'x' }, { deleteFirst: secrets.stripe })
    Empty('n')
    Empty('o', {}, { retries: 2 })

    const server = Server('s', { command: ['node', asset('./api.mjs'), file.file, file.path], env: { A: file.path, B: 'x' }, port: coalesce(file.size, 80) })
    const host: Ref<string> = server.endpoints.at(0).host
    const label: Ref<string> = server.labels.anything as Ref<string>
    const port: Expr<number> = add(server.port, 1)
    const any: Expr<boolean> = server.extra.what.ever
    void [host, label, port, any, server.token]
    // @ts-expect-error a list has no names
    void server.endpoints.host
    // @ts-expect-error a text has nothing below
    void server.port.nope

    const texts = each(server.endpoints, (e) => str`http://${e.host}/`)
    is<Same<typeof texts, Ref<string[]>>>()
    const joined: Expr<string> = join(texts, ',')
    const mapped: { x: string }[] = each(['a'], (x) => ({ x }))
    const objects: Ref<{ h: string }[]> = each(server.endpoints, (e) => ({ h: e.host }))
    // @ts-expect-error no such property of the element
    each(server.endpoints, (e) => e.port)
    void [joined, mapped, objects, objects.at(0).h, length(texts), at(texts, 0) satisfies Expr<string>, split('a', ',').at(0) satisfies Expr<string>]
    void [when(eq(server.port, 1), 'a', file.path) satisfies Expr<string>, get(server.labels, 'a') satisfies Expr<string | null>, get(server.labels, 'a', 'b') satisfies Expr<string>]
    void [concat('a', file.path) satisfies Expr<string>, concat(['a'], texts) satisfies Expr<string[]>, merge({ a: 1 }, { b: 'x' }) satisfies Expr<{ a: number; b: string }>]

    const value = Value('v', { input: { x: 1, y: file.path, z: [file.size] } })
    const x: Ref<number> = value.output.x
    const y: Ref<string> = value.output.y
    // @ts-expect-error not given
    void value.output.w
    void [x, y, Value('t', { input: 'a', triggers: [file.path] }).output satisfies Ref<string>, Value('l', { input: [1, 2] }).output.at(0) satisfies Ref<number>]

    const found: Node<{ id: string }> = lookup(Empty, { n: 3 })
    // @ts-expect-error no such input
    lookup(Empty, { m: 3 })

    const api = Api('api', { replicas: 2, names: ['a'], host: file.path }, { dependsOn: [file] })
    Api('api2', { names: ['a'], host: 'h', db: { url: file.path }, list: texts })
    void [api.server.port satisfies Expr<number>, api.$path satisfies string, Nothing('nothing').$path]
    // @ts-expect-error a setting is a plain value
    Api('api3', { names: ['a'], host: 'h', replicas: server.port })
    // @ts-expect-error missing setting
    Api('api4', { host: 'h' })
    // @ts-expect-error no such setting or input
    Api('api5', { names: [], host: 'h', nope: 1 })
    // @ts-expect-error not returned
    void api.nope
    return { found, url: str`${host}` }
  },
})

app('one', { build({ env }) { is<Same<typeof env, 'default'>>(); return { env } } })
app('none', { build() {} })
// @ts-expect-error a value of the environment has the wrong type
app('wrong', { config: z.object({ n: z.number() }), environments: { dev: { n: 'x' } }, build() {} })
// @ts-expect-error build() is synchronous: a promise is no object of outputs
app('later', { build: async () => ({ a: 3 }) })

export const secured = app('secured', {
  build() {
    const key = PrivateKey('key', { algorithm: 'ed25519' })
    const ca = CertificateAuthority('ca', { commonName: 'Root', privateKeyPem: key.privateKeyPem })
    const cert = Certificate('cert', { commonName: 'localhost', authority: { certPem: ca.chainPem, keyPem: ca.keyPem } })
    const until: Expr<string> = cert.notAfter
    const login = Request('login', { url: str`https://api.example/${cert.serial}`, method: 'POST', json: { cert: cert.certPem, list: [1, 'a', null] }, destroy: { url: 'https://api.example' } })
    const status: Expr<number> = login.status
    const first: Expr<string> = login.response.items[0].id
    // @ts-expect-error no such method
    Request('odd', { url: 'https://api.example', method: 'SEND' })
    // @ts-expect-error a certificate is signed by an authority: its certificate and its key
    Certificate('wrong', { commonName: 'localhost', authority: { certPem: ca.certPem } })
    // @ts-expect-error nobody but its own key signs it
    SelfSignedCertificate('own', { commonName: 'localhost', authority: { certPem: ca.certPem, keyPem: ca.keyPem } })
    return { until, key: cert.keyPem, status, first, id: login.response.id }
  },
})
