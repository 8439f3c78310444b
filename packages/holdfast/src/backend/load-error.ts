import { textOf } from '../base/index.ts'
import { makeRedactor } from '../secret/index.ts'
import { BackendInitializationError, type BackendErrorCode } from './errors.ts'

/** Why a backend could not be loaded. `holdfast explain` knows each. */
export type LoadCode = Extract<
  BackendErrorCode,
  | 'MODULE_NOT_FOUND' | 'MODULE_THREW' | 'EXPORT_NOT_FOUND' | 'NOT_A_BACKEND' | 'CONTRACT_VERSION_MISMATCH' | 'CONFIG_INVALID' | 'CONNECT_FAILED'
  | 'SCHEMA_TOO_NEW' | 'SCHEMA_MIGRATION_REQUIRED' | 'STORE_CORRUPT'
>

/** Makes the errors of one load. No value of the configuration is in a message, a cause or a stack, in whatever form: `‹key›` stands in its place. */
export interface LoadErrors {
  error(code: LoadCode, reason: string, cause?: unknown): BackendInitializationError
}

export function loadErrors({ module, export: name, config }: { readonly module: unknown; readonly export: unknown; readonly config: unknown }): LoadErrors {
  const clean = cleaner(config)
  const what = typeof module === 'string' && typeof name === 'string' ? `cannot load backend ${name} from ${module}` : 'cannot load backend'
  const configKeys = typeof config === 'object' && config !== null ? Object.keys(config) : []
  return {
    error(code, reason, cause) {
      const because = cause === undefined ? '' : `: ${firstLine(clean(messageOf(cause)))}`
      const keys = configKeys.length === 0 ? '' : ` (configuration keys: ${configKeys.join(', ')})`
      return new BackendInitializationError(`${what}: ${reason}${because}${keys}`, undefined, [], {
        code, ...(cause === undefined ? {} : { cause: cleanCause(cause, clean) }), details: { module: textOf(module), export: textOf(name), configKeys },
      })
    },
  }
}

const messageOf = (e: unknown): string => (e instanceof Error ? e.message : textOf(e))
const firstLine = (text: string): string => (text.split('\n', 1)[0] as string).replace(/[.\s]+$/, '')
const quoted = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

type Clean = (text: string) => string

/** Shorter values are masked only where they stand as a word: `a` is in every message. */
const WORD_CHARS_MAX = 5

function cleaner(config: unknown): Clean {
  const values = new Map<string, string>()
  const visit = (value: unknown, key: string): void => {
    if (typeof value === 'object' && value !== null) {
      for (const [k, inner] of Object.entries(value)) visit(inner, key === '' ? k : `${key}.${k}`)
    } else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') {
      const text = textOf(value)
      if (text.trim() !== '' && !values.has(text)) values.set(text, key)
    }
  }
  visit(config, '')
  const longestFirst = [...values].sort(([a], [b]) => b.length - a.length)
  // What is left are encoded forms, and parts of an address such as its password.
  const redactor = makeRedactor()
  for (const [text] of longestFirst) for (const part of [text, ...partsOf(text)]) redactor.add(part)
  return (text) => {
    let out = text
    for (const [value, key] of longestFirst) {
      out = value.length > WORD_CHARS_MAX ? out.replaceAll(value, `‹${key}›`) : out.replace(new RegExp(`(?<![\\w‹.])${quoted(value)}(?![\\w›])`, 'g'), `‹${key}›`)
    }
    return redactor.text(out)
  }
}

/** User, password and host of an address: a driver tells of them one by one. */
function partsOf(text: string): string[] {
  if (!text.includes('://')) return []
  try {
    const { username, password, host, hostname, pathname } = new URL(text)
    return [username, password, host, hostname, pathname.slice(1)].flatMap((p) => [p, decodeURIComponent(p)]).filter((p) => p !== '')
  } catch {
    return []
  }
}

const CAUSES_MAX = 10

/** The cause as it is where nothing has to be masked; else a copy of its kind, with its own causes. */
function cleanCause(cause: unknown, clean: Clean, depth = 0): unknown {
  if (!(cause instanceof Error)) return typeof cause === 'object' ? undefined : clean(textOf(cause))
  if (depth === CAUSES_MAX) return undefined
  const message = clean(cause.message)
  const stack = cause.stack === undefined ? undefined : clean(cause.stack)
  const inner = cause.cause === undefined ? undefined : cleanCause(cause.cause, clean, depth + 1)
  const own = Object.entries(cause).filter(([k]) => k !== 'cause' && k !== 'message' && k !== 'stack')
  if (message === cause.message && stack === cause.stack && inner === cause.cause && own.every(([, v]) => typeof v === 'string' ? clean(v) === v : typeof v !== 'object')) return cause
  const copy = Object.create(Object.getPrototypeOf(cause)) as Error
  const put = (name: string, value: unknown, enumerable = false) => Object.defineProperty(copy, name, { value, enumerable, configurable: true, writable: true })
  put('message', message)
  put('stack', stack)
  if (inner !== undefined) put('cause', inner)
  for (const [k, v] of own) if (typeof v === 'string') put(k, clean(v), true)
  return copy
}
