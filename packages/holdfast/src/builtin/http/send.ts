import { request as overHttp, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as overHttps } from 'node:https'
import { failure } from '../../base/index.ts'
import { outcomeUnknown } from '../../provider/index.ts'

export interface Outgoing {
  readonly url: URL
  readonly method: string
  /** How it is called in messages. */
  readonly shown: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
  readonly tls?: { readonly ca?: string | undefined; readonly certPem?: string | undefined; readonly keyPem?: string | undefined } | undefined
  readonly signal: AbortSignal
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Undefined where the body is not JSON, or was cut. */
  readonly json?: unknown
}

const BODY_BYTES_MAX = 1_048_576

const PLAIN: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there', ENOTFOUND: 'there is no such host', EAI_AGAIN: 'the name of the host cannot be resolved at the moment', EHOSTUNREACH: 'the host cannot be reached', ENETUNREACH: 'the network cannot be reached',
  ETIMEDOUT: 'the host does not answer', ECONNRESET: 'the connection was closed', EPIPE: 'the connection was closed',
  CERT_HAS_EXPIRED: 'its certificate has ended', DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself, and not trusted', SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by an authority that is not trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is signed by an authority that is not trusted', UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by an authority that is not trusted', ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
}

/**
 * Sends one request on a connection of its own, and reads the answer.
 *
 * Fails    HF3131 when it could not be sent: nothing reached the service. `outcomeUnknown` when it was sent and the answer did not come whole, also when `signal` aborts.
 */
export function sendRequest(out: Outgoing): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let connected = false
    const options: RequestOptions = {
      method: out.method, headers: out.body === undefined ? out.headers : { ...out.headers, 'content-length': String(Buffer.byteLength(out.body)) }, agent: false, signal: out.signal,
      ...(out.tls ? { ca: out.tls.ca, cert: out.tls.certPem, key: out.tls.keyPem } : {}),
    }
    const lost = (e: Error): void => {
      const code = (e as NodeJS.ErrnoException).code ?? ''
      const why = out.signal.aborted ? 'it took too long, or was stopped' : PLAIN[code] ?? e.message
      reject(connected ? outcomeUnknown(`${out.shown} was sent, and not answered: ${why}`) : failure('HF3131', { message: `${out.shown} could not be sent: ${why}.`, cause: e }))
    }
    const secure = out.url.protocol === 'https:'
    const request = (secure ? overHttps : overHttp)(out.url, options, (incoming) => void read(incoming).then(resolve, lost))
    // Before that, no byte of the request has left.
    request.on('socket', (socket) => socket.once(secure ? 'secureConnect' : 'connect', () => (connected = true)))
    request.on('error', lost)
    request.end(out.body)
  })
}

/** What sets cookies, and what is about the connection (RFC 9110, 7.6.1). */
const LEFT_OUT: ReadonlySet<string> = new Set(['set-cookie', 'connection', 'keep-alive', 'transfer-encoding', 'upgrade'])

async function read(incoming: IncomingMessage): Promise<Answer> {
  const parts: Buffer[] = []
  let bytes = 0
  let whole = true
  for await (const part of incoming as AsyncIterable<Buffer>) {
    parts.push(part.subarray(0, BODY_BYTES_MAX - bytes))
    bytes += part.length
    if (bytes <= BODY_BYTES_MAX) continue
    whole = false
    break // the rest is not read
  }
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(incoming.headers)) if (value !== undefined && !LEFT_OUT.has(name)) headers[name] = Array.isArray(value) ? value.join(', ') : value
  const body = Buffer.concat(parts).toString('utf8')
  return { status: incoming.statusCode as number, headers, body, ...(whole && /^application\/(?:[\w.+-]+\+)?json\b/i.test(headers['content-type'] ?? '') ? parsed(body) : {}) }
}

/** A service that says JSON and sends something else has answered all the same. */
function parsed(body: string): { readonly json?: unknown } {
  try {
    return { json: JSON.parse(body) as unknown }
  } catch {
    return {}
  }
}
