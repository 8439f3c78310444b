import { isIPv6 } from 'node:net'
import type { Plain } from '../base/index.ts'

const PARTS = ['protocol', 'host', 'port', 'username', 'password', 'path', 'query'] as const

/**
 * An address from its parts, each escaped for its place: `{ protocol, host, port?, username?, password?, path?, query? }`.
 * Null and missing parts are left out. `path` is a text with slashes or a list of segments; a list in `query` repeats its key.
 */
export function toUrl(parts: Readonly<Record<string, Plain | undefined>>, refuse: (what: string) => never): string {
  for (const k of Object.keys(parts)) if (!(PARTS as readonly string[]).includes(k)) refuse(`knows ${PARTS.join(', ')}; one key is another`)
  const text = (v: Plain | undefined, what: string): string | undefined => {
    if (v === null || v === undefined) return undefined
    return typeof v === 'string' || typeof v === 'number' || typeof v === 'boolean' || typeof v === 'bigint' ? String(v) : refuse(`needs a text as ${what}`)
  }

  const protocol = text(parts.protocol, 'protocol')?.replace(/:(\/\/)?$/, '')
  if (protocol === undefined || !/^[a-zA-Z][a-zA-Z0-9+.-]*$/.test(protocol)) return refuse('needs a protocol such as https')
  const host = text(parts.host, 'host')?.replace(/^\[(.*)\]$/, '$1')
  if (host === undefined || host === '' || (host.includes(':') ? !isIPv6(host) : /[\s/?#@\\[\]<>^|%"`{}]/.test(host))) return refuse('needs the name or address of a host, without anything around it')
  const port = text(parts.port, 'port')
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) <= 65_535)) return refuse('needs a port from 0 to 65535')
  const username = text(parts.username, 'username')
  const password = text(parts.password, 'password')

  const user = username === undefined && password === undefined ? '' : `${percent(username ?? '')}${password === undefined ? '' : `:${percent(password)}`}@`
  return `${protocol}://${user}${host.includes(':') ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}${pathOf(parts.path, text)}${queryOf(parts.query, text, refuse)}`
}

type Text = (v: Plain | undefined, what: string) => string | undefined

function pathOf(path: Plain | undefined, text: Text): string {
  const segments = Array.isArray(path) ? path.map((p) => text(p as Plain, 'path') ?? '') : text(path, 'path')?.replace(/^\//, '').split('/')
  return segments === undefined ? '' : `/${segments.map(percent).join('/')}`
}

function queryOf(query: Plain | undefined, text: Text, refuse: (what: string) => never): string {
  if (query === null || query === undefined) return ''
  if (typeof query !== 'object' || Array.isArray(query) || query instanceof Uint8Array || query instanceof Date) return refuse('needs an object as query')
  const pairs: string[] = []
  for (const [k, v] of Object.entries(query as Record<string, Plain | undefined>)) {
    for (const one of Array.isArray(v) ? (v as Plain[]) : [v]) {
      const t = text(one, 'query')
      if (t !== undefined) pairs.push(`${percent(k)}=${percent(t)}`)
    }
  }
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}

/** Everything but the unreserved characters of RFC 3986. Half a surrogate pair has no escaped form and becomes U+FFFD. */
const percent = (s: string): string =>
  encodeURIComponent(Buffer.from(s, 'utf8').toString('utf8')).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
