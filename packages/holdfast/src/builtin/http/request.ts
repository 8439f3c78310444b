import { z } from 'zod'
import { canonical, failure } from '../../base/index.ts'
import { sensitive } from '../../program/index.ts'
import { isOutcomeUnknown, outcomeUnknown, type CallContext, type ResourceSpec } from '../../provider/index.ts'
import { recordsIn } from '../record-file.ts'
import type { Answer } from './send.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
/** Sent twice, they do what they do once (RFC 9110, 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'])

const url = z.string().refine((text) => /^https?:\/\//i.test(text) && URL.canParse(text), { message: 'an address that begins with http:// or https:// is needed' })
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const headers = z.record(
  z.string().regex(TOKEN, { message: 'is no name of a header' }),
  z.string().refine((text) => !/[\r\n\0]/.test(text), { message: 'a header is one line' }),
)
const content = { body: z.string().optional(), json: z.json().optional() }
const oneContent = [(i: { readonly body?: unknown; readonly json?: unknown }): boolean => i.body === undefined || i.json === undefined, { message: 'body and json exclude each other' }] as const
/** Codes of status that count as success. */
const expect = z.array(z.number().int().min(100).max(599)).min(1).optional()

const inputs = z
  .object({
    url,
    method: z.enum(METHODS).default('GET'),
    headers: headers.default({}),
    ...content,
    /** Default: 200 to 299. Redirects are answers as any other: they are not followed. */
    expect,
    /** Sending it twice does no harm. Default: by its method; say so of a POST whose service knows the header Idempotency-Key. */
    idempotent: z.boolean().optional(),
    /** `ca`: who is trusted instead of those the system trusts; `certPem` and `keyPem`: what the client shows. PEM. */
    tls: z.object({ ca: z.string().optional(), certPem: z.string().optional(), keyPem: sensitive(z.string()).optional() }).optional(),
    /** Any value: when it changes, the request is sent again. */
    triggers: z.unknown().optional(),
    /** Sent when the node is deleted, over the same `tls`. Must bear being sent twice. Answers that there is nothing (404, 410) are good, too. */
    destroy: z.object({ url, method: z.enum(METHODS).default('DELETE'), headers: headers.default({}), ...content, expect }).refine(...oneContent).optional(),
  })
  .refine(...oneContent)
const outputs = z.object({
  status: z.number(),
  /** Names in lower case. What sets cookies is left out, and what is about the connection. */
  responseHeaders: z.record(z.string(), z.string()),
  /** As text, at most the first MiB. */
  responseBody: z.string(),
  /** The body, where it is JSON and whole: `request.response.id` refers into it. */
  response: z.any(),
})
type Inputs = z.output<typeof inputs>
type Outputs = z.output<typeof outputs>

/** Token of the newest call of a node that must not be sent twice, durable before it is sent. */
const records = recordsIn<{ readonly key: string }>('requests')

/**
 * A request over HTTP that is sent once, and again when it or its triggers change.
 *
 * Class B in the words of the engine: whether it was sent is looked up. One that may be sent twice is sent again when its answer is lost; of one that may not,
 * only a person can tell what became of it, and when that person says so it is sent once more.
 */
export const requestSpec: ResourceSpec<typeof inputs, typeof outputs> = {
  type: 'holdfast:http/Request',
  inputs,
  outputs,
  capability: { create: { name: true }, update: 'full', settleMs: 0, maxCallMs: 5_000 },
  claims: () => [],
  // What answers to a secret may say it again, or another.
  derived: Object.fromEntries(['responseHeaders', 'responseBody', 'response'].map((output) => [output, ['url', 'headers', 'body', 'json', 'tls'] as const])),
  describe: (change) => (change.paths.every((p) => NOT_SENT.has(p.split('.')[0] as string)) ? undefined : 'send again'),

  /** `lookup(Request, { url })`: what stands there, read anew by every plan. Gives the headers that tell one content from another, and no others: those differ each time. */
  async find(a) {
    const asked = inputs.safeParse(a.inputs ?? {})
    if (!asked.success) throw failure('HF1206', { message: `A request that looks something up: ${asked.error.issues[0]?.path.join('.')}: ${asked.error.issues[0]?.message}.` })
    const i = asked.data
    if (i.method !== 'GET' && i.method !== 'HEAD') throw failure('HF1206', { message: `A request that looks something up is a GET or a HEAD; a ${i.method} may change what is there.` })
    const answer = await send(a, i)
    if (expected(i.expect, answer.status)) return outputsOf({ ...answer, headers: Object.fromEntries(OF_THE_CONTENT.flatMap((name) => (answer.headers[name] === undefined ? [] : [[name, answer.headers[name]]]))) })
    if (answer.status === 404 || answer.status === 410) return undefined
    throw unexpected(a, i, answer)
  },
  create: (a) => act(a),
  async read(a) {
    if (isWhole(a.outputs)) return { ...a.outputs, owner: 'mine' }
    if (!mayRepeat(a.inputs) && records.read(a.host.home, a.mark)?.key === a.key.toString()) throw cutOff(a.inputs)
    return undefined
  },
  async update(a) {
    if (canonical(sent(a.inputs)) === canonical(sent(a.prior.inputs))) return a.outputs
    return act(a)
  },
  async delete(a) {
    const { destroy, tls } = a.inputs
    if (destroy && isWhole(a.outputs)) {
      const answer = await send(a, { ...destroy, tls })
      if (!expected(destroy.expect, answer.status) && answer.status !== 404 && answer.status !== 410) throw unexpected(a, { ...destroy, tls }, answer)
    }
    records.drop(a.host.home, a.mark)
  },
}

type Call = CallContext & { readonly inputs: Inputs }
type Sent = Pick<Inputs, 'url' | 'method' | 'headers' | 'body' | 'json' | 'tls'>

/** Inputs that are not part of what is sent. */
const NOT_SENT: ReadonlySet<string> = new Set(['destroy', 'expect', 'idempotent'])
const sent = (i: Inputs) => Object.fromEntries(Object.entries(i).filter(([k]) => !NOT_SENT.has(k)))

const mayRepeat = (i: Inputs): boolean => i.idempotent ?? IDEMPOTENT.has(i.method)
const isWhole = (o: Partial<Outputs> | undefined): o is Outputs => o?.status !== undefined && o.responseHeaders !== undefined && o.responseBody !== undefined
const expected = (list: readonly number[] | undefined, status: number): boolean => (list ? list.includes(status) : status >= 200 && status < 300)
const cutOff = (i: Sent) => outcomeUnknown(`the ${i.method} was sent, and its answer never came; whether it did its work is not known`)

/** What stands before the service answers so when it heard nothing from it: the request may have arrived. */
const BEFORE_THE_SERVICE: ReadonlySet<number> = new Set([502, 504])

async function act(a: Call): Promise<Outputs> {
  const { home } = a.host
  const once = !mayRepeat(a.inputs)
  const key = a.key.toString()
  if (once) {
    if (records.read(home, a.mark)?.key === key && a.insisted !== true) throw cutOff(a.inputs)
    records.write(home, a.mark, { key })
  }
  let answer: Answer
  try {
    answer = await send(a, a.inputs, once || a.inputs.idempotent === true ? { 'idempotency-key': key } : {})
    if (!expected(a.inputs.expect, answer.status)) throw once && BEFORE_THE_SERVICE.has(answer.status) ? outcomeUnknown(unexpected(a, a.inputs, answer)) : unexpected(a, a.inputs, answer)
  } catch (e) {
    // The service said no, or never got it: the same call may be made again.
    if (once && !isOutcomeUnknown(e)) records.drop(home, a.mark)
    throw e
  }
  return outputsOf(answer)
}

const OF_THE_CONTENT = ['content-type', 'etag', 'last-modified'] as const
const outputsOf = ({ status, headers: responseHeaders, body: responseBody, json }: Answer): Outputs => ({ status, responseHeaders, responseBody, ...(json === undefined ? {} : { response: json }) } as Outputs)

/** What speaks HTTP is loaded when something is sent. */
async function send(a: Pick<CallContext, 'host' | 'signal'>, what: Sent, more: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const json = what.json === undefined ? undefined : JSON.stringify(what.json)
  const given = new Set(Object.keys(what.headers).map((name) => name.toLowerCase()))
  const own = { 'user-agent': 'holdfast', ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...more }
  const { sendRequest } = await import('./send.ts')
  return sendRequest({
    url: new URL(what.url), method: what.method, shown: shownOf(a, what), body: json ?? what.body, tls: what.tls, signal: a.signal,
    headers: { ...Object.fromEntries(Object.entries(own).filter(([name]) => !given.has(name))), ...what.headers },
  })
}

/** Without what may hold a secret: a user, a query. */
function shownOf(a: Pick<CallContext, 'host'>, { method, url: text }: Pick<Sent, 'method' | 'url'>): string {
  const { origin, pathname } = new URL(text)
  return a.host.redact(`${method} ${origin}${pathname}`)
}

const COMPLAINT_CHARS = 500
/** What answers to a secret is shown no more in a failure than as an output: it may be a secret that nobody knows yet. */
function unexpected(a: Pick<CallContext, 'host'>, what: Sent, answer: Answer): Error {
  const request = JSON.stringify([what.url, what.headers, what.body, what.json, what.tls])
  const shows = a.host.redact(request) === request
  const location = shows ? answer.headers.location : undefined
  const said = shows ? a.host.redact(answer.body).trim().slice(0, COMPLAINT_CHARS) : 'The answer is not shown, because there is a secret in the request.'
  return failure('HF3131', {
    message: `${shownOf(a, what)} was answered with ${answer.status}${location === undefined ? '' : `, which points to ${a.host.redact(location)}`}.${said === '' ? '' : `\n${said}`}`,
    details: { status: answer.status },
  })
}
