import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { failure, parseDuration, sha256hex } from '../../base/index.ts'
import type { Host } from '../../provider/index.ts'
import type { ProcessInputs } from './process-inputs.ts'
import { canRunBeside, type Definition } from './supervisor/index.ts'
import { accountOf } from './users.ts'

type PathLike = ProcessInputs['command'][number]

const READY_MS = 10_000
const STOP_MS = 10_000
/** What the program sees of the caller's environment. Credentials and settings of whoever ran `apply` are not part of the program's definition. */
const INHERITED = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LANGUAGE', 'TZ', 'TMPDIR', 'LD_LIBRARY_PATH']

export const smallEnvironment = (env: NodeJS.ProcessEnv = process.env): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter((e): e is [string, string] => e[1] !== undefined && (INHERITED.includes(e[0]) || e[0].startsWith('LC_'))))

/**
 * What the supervisor gets: paths that exist now, durations in numbers, the account by its numbers.
 *
 * Fails  HF1206 for a combination that makes no sense, HF3107 when the working folder or the account is not there.
 */
export function definitionOf(i: ProcessInputs, host: Host): Definition {
  const path = (p: PathLike): string => (typeof p === 'string' ? p : host.assetPath(p))
  const cwd = i.cwd === undefined ? host.root : resolve(host.root, path(i.cwd))
  if (!statSync(cwd, { throwIfNoEntry: false })?.isDirectory()) throw failure('HF3107', { message: `The working folder ${host.redact(cwd)} does not exist.`, hint: 'Correct `cwd`; it is relative to the program.' })
  const port = i.listen ?? i.port
  const ready = i.ready ?? (port === undefined ? undefined : { tcp: true as const, within: undefined })
  if (port === undefined && (ready?.tcp === true || ready?.http?.startsWith('/'))) throw failure('HF1206', { message: 'ready names the port of the program, and it has none.', hint: 'Add `port` or `listen`, or name the port in `ready`.' })
  const account = i.user === undefined ? undefined : accountOf(i.user)
  const other = account !== undefined && account.uid !== process.getuid?.()
  if (other && process.getuid?.() !== 0) throw failure('HF3107', { message: `Only root can start a program as ${i.user}.`, hint: 'Run as root, or remove `user`.' })
  return {
    argv: i.command.map(path),
    env: {
      ...smallEnvironment(),
      ...(other ? { USER: account.name, LOGNAME: account.name, ...(account.home === undefined ? {} : { HOME: account.home }) } : {}),
      ...Object.fromEntries(Object.entries(i.env).map(([k, v]) => [k, path(v)])),
    },
    cwd,
    ...(other ? { uid: account.uid, gid: account.gid } : {}),
    ...(i.port === undefined ? {} : { port: i.port }),
    ...(i.listen === undefined ? {} : { listen: i.listen }),
    ...(i.host === undefined ? {} : { host: i.host }),
    ready: {
      ...(ready?.tcp === undefined ? {} : { tcp: ready.tcp }),
      ...(i.ready?.http === undefined ? {} : { http: i.ready.http }),
      ...(i.ready?.log === undefined ? {} : { log: i.ready.log }),
      ...(i.ready?.command === undefined ? {} : { command: i.ready.command.map(path) }),
      withinMs: (i.ready && parseDuration(i.ready.within)) ?? READY_MS,
    },
    stop: { signal: (i.stop?.signal ?? 'SIGTERM') as NodeJS.Signals, withinMs: (i.stop && parseDuration(i.stop.within)) ?? STOP_MS },
    restart: i.restart,
    contents: Object.fromEntries([...i.command, ...Object.values(i.env), i.cwd, ...(i.reload?.on ?? [])].filter(isContent).map((c) => [c.path, c.digest])),
    ...(i.restartOn === undefined ? {} : { restartOn: sha256hex(JSON.stringify(i.restartOn)) }),
    ...(i.reload === undefined ? {} : { announced: i.reload.on.map((f) => f.path) }),
  }
}

/** `settings`: nothing that the living process has to know. */
export type ProcessChange = 'restart' | 'restart (stop first)' | 'reload' | 'settings'

/** What a change of the inputs means for the program. Pure; inputs may lack what is not known yet. */
export function changeOf(prior: ProcessInputs, next: Partial<ProcessInputs>): ProcessChange {
  const reloaded = new Set((next.reload?.on ?? []).map((f) => f.path))
  // A file that a signal announces is compared by its path alone.
  const identity = (i: Partial<ProcessInputs>): string => {
    const { command, env, cwd, user, port, listen, host, restartOn } = i
    return JSON.stringify({ command, env: env && Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1)), cwd, user, port, listen, host, restartOn: restartOn ?? null }, (_, v: unknown) =>
      isContent(v) && reloaded.has(v.path) ? { path: v.path } : v,
    )
  }
  if (identity(prior) === identity(next)) {
    const contents = (i: Partial<ProcessInputs>): string => JSON.stringify([i.reload?.on ?? [], i.command, i.env])
    return next.reload !== undefined && contents(prior) !== contents(next) ? 'reload' : 'settings'
  }
  const old = { definition: definitionPorts(prior), port: typeof prior.port === 'number' ? prior.port : 0 }
  return canRunBeside(old, { ...definitionPorts(next), ...(next.port === undefined ? {} : { port: next.port }) }) ? 'restart' : 'restart (stop first)'
}

const definitionPorts = (i: Partial<ProcessInputs>) => ({ ...(i.listen === undefined ? {} : { listen: i.listen }), ...(i.host === undefined ? {} : { host: i.host }) })

const isContent = (v: unknown): v is { readonly path: string; readonly digest: string } => typeof v === 'object' && v !== null && 'path' in v && 'digest' in v
