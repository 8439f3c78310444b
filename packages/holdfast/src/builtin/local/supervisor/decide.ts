import type { Definition } from './protocol.ts'

/** What of a definition a living process cannot change. */
const FIXED = ['argv', 'env', 'cwd', 'uid', 'gid', 'port', 'listen', 'host', 'restartOn'] as const

/**
 * Whether the running program is another one than the one wanted. The caller's idea of what runs does not count: after a change that failed half-way,
 * or whose answer was lost, only the supervisor knows. `reloads`: the program is about to be told of the files that a signal announces.
 */
export function needsNewProcess(running: Definition, wanted: Definition, reloads: boolean): boolean {
  if (FIXED.some((k) => JSON.stringify(sorted(running[k])) !== JSON.stringify(sorted(wanted[k])))) return true
  const old = running.contents ?? {}
  const next = wanted.contents ?? {}
  const announced = new Set(wanted.announced)
  // What was no part of it before cannot have changed unannounced.
  return [...new Set([...Object.keys(old), ...Object.keys(next)])].some((path) => old[path] !== next[path] && (announced.has(path) ? !reloads && path in old && path in next : true))
}

const sorted = (v: unknown): unknown =>
  typeof v === 'object' && v !== null && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1))) : v

/** Ports as they are used, not as they are asked for: `auto` has become a number. */
export interface InUse {
  readonly definition: Pick<Definition, 'listen' | 'host'>
  /** The port that the running program opened itself; 0: none. */
  readonly port: number
}

/**
 * Whether the new program can start while the old one runs: with a handed-over socket, or on a port of its own.
 * A program without any port is taken to be the only one of its kind (a worker, a scheduler): it stops first.
 */
export function canRunBeside(old: InUse, wanted: Pick<Definition, 'listen' | 'host' | 'port'>): boolean {
  const own = old.port > 0 ? [old.port] : []
  if (typeof wanted.port === 'number' && (own.includes(wanted.port) || wanted.port === old.definition.listen)) return false
  if (wanted.listen !== undefined && own.includes(wanted.listen)) return false
  // The same port at another address: the bound socket must go before the other can be bound.
  if (wanted.listen !== undefined && wanted.listen === old.definition.listen && wanted.host !== old.definition.host) return false
  return wanted.listen !== undefined || wanted.port !== undefined
}

/**
 * Whether a start beside a running program needs a rehearsal: a run of its own on a private socket, which is stopped before the real one starts.
 *
 * On the shared socket a new program takes real connections from its first moment; one that answers 500 would fail them until its check says so. Nothing but a run
 * apart can find that out before. The price, the program starts twice, is paid only where a check can tell the difference: `listen` with a check over the network.
 */
export const needsRehearsal = (wanted: Definition): boolean => wanted.listen !== undefined && (wanted.ready.http !== undefined || wanted.ready.tcp !== undefined)

/** The checks of a rehearsal: what names the public port means the private one. */
export function rehearsalOf(wanted: Definition, privatePort: number): Definition {
  const { tcp, http } = wanted.ready
  const url = http !== undefined && !http.startsWith('/') ? new URL(http) : undefined
  if (url?.protocol === 'http:' && Number(url.port || 80) === wanted.listen) url.port = String(privatePort)
  return {
    ...wanted,
    ready: { ...wanted.ready, ...(tcp === wanted.listen && tcp !== undefined ? { tcp: true as const } : {}), ...(url ? { http: url.href } : {}) },
  }
}

const BACKOFF_MS = 100
const BACKOFF_MS_MAX = 30_000
/** A program that was ready that long begins again with the shortest wait. */
export const STEADY_MS = 60_000

export const backoffMs = (failures: number): number => Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** Math.min(failures, 20))

export const wantsRestart = (policy: Definition['restart'], exit: { readonly code: number | null }): boolean => policy === 'always' || (policy === 'on-failure' && exit.code !== 0)
