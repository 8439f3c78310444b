import { existsSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { failure, limits, makeIds, systemClock, systemRandom, type HoldfastError } from '../base/index.ts'
import type { EngineContext, EngineEvent } from '../engine/index.ts'
import type { DesiredGraph } from '../graph/index.ts'
import { chooseEnvironment, declaredHook, declaredTypes } from '../program/index.ts'
import { makeRegistry, type Host, type TypeRegistry } from '../provider/index.ts'
import { makeRedactor } from '../secret/index.ts'
import type { EnvRow } from '../state/index.ts'
import { currentHolder, FileSpool, MemoryStore, openSqliteStore, type Imported, type SpoolStep, type Store } from '../store/index.ts'
import { openAssets, type Assets } from './assets.ts'
import { ensureHome, tryWriteWhole } from './home.ts'
import { hasKeyFile, keySource, openRing, type KeySource } from './key.ts'
import { loadProgram, type Program, type ProgramRequest } from './program.ts'

export interface OpenRequest extends ProgramRequest {
  /** `create` makes state and key when they are missing (plan, apply, secret set); `write` changes what is there; `read` changes nothing. */
  readonly access: 'create' | 'write' | 'read'
  /** Goes on without a program that cannot be loaded, with what the state knows. */
  readonly programOptional: boolean
  readonly concurrency: number | undefined
  readonly emit: (event: EngineEvent) => void
}

/** A project with its state open, for one environment. */
export interface Opened {
  readonly cx: EngineContext
  readonly app: string
  readonly env: string
  /** Names of the declared secrets; empty when the program is broken. */
  readonly secrets: readonly string[]
  /** Builds the program. Fails as {@link Program.graph} does. */
  graph(): DesiredGraph
  /** Why there is no program, when it was optional. */
  readonly broken: HoldfastError | undefined
  readonly programDigest: string | undefined
  /** The name of the environment must be typed before anything is changed. */
  readonly approve: boolean
  readonly home: string
  readonly root: string
  readonly assets: Pick<Assets, 'changedFiles'>
  /** What a person should know about where things lie. */
  readonly warnings: readonly string[]
  /** Writes caches and closes the state: nothing is left beside the file. */
  close(): Promise<void>
}

/** Its presence says that there was a state once (HF4005). */
const CREATED_MARKER = 'created'

/** Fails HF1007 where nothing of ours was ever run. */
export function refusePlatform(platform: NodeJS.Platform): void {
  if (platform === 'win32') throw failure('HF1007', { message: 'Holdfast does not run on Windows yet.', hint: 'Use WSL, or a Linux container.' })
}

/**
 * Finds and loads the program, chooses the environment, and opens state, key and assets.
 *
 * Fails    HF1002 to HF1007, HF1302, HF1303, HF4001 to HF4007, HF4301, HF4302.
 */
export async function openProject(request: OpenRequest): Promise<Opened> {
  refusePlatform(process.platform)
  const create = request.access === 'create'
  const program = await loadProgram(request, { optional: request.programOptional, prepare: (home) => { if (create) ensureHome(home) } })
  const known = program.app ? chooseEnvironment(program.app, request.env) : request.env
  const place = program.place(known ?? 'default')
  const store = await openState(statePath(program, place.state?.path, request), program.home, request.access, (copy, schema) =>
    request.emit({ type: 'log', message: `The state file had schema ${schema} and was brought up to date; a copy of it as it was is ${copy}.` }))
  try {
    return await assemble(request, program, store, known)
  } catch (e) {
    await store.close()
    throw e
  }
}

async function assemble(request: OpenRequest, program: Program, store: Store, chosen: string | undefined): Promise<Opened> {
  const ids = makeIds(systemClock, systemRandom)
  const row: EnvRow = program.app
    ? await store.env(program.app.name, chosen as string) ?? { id: ids.next('e'), app: program.app.name, name: chosen as string, revision: 0, partial: false, seq: 0, openRun: undefined }
    : await envWithoutProgram(store, program, chosen)
  const place = program.place(row.name)
  const source = keySource(place.key, program.found.base, program.home, request.variables)
  const meta = await store.meta()
  const ring = openRing(source, meta, request.access === 'create')
  const redactor = makeRedactor()
  if (request.variables.HOLDFAST_KEY) redactor.add(request.variables.HOLDFAST_KEY)
  const assets = openAssets(program.root, program.home)
  const host: Host = {
    root: program.root, home: program.home, env: { id: row.id, app: row.app, name: row.name },
    assetPath: assets.pathOf, redact: redactor.text, secrets: redactor.secrets,
  }
  const serial = request.variables.HOLDFAST_TEST === '1' && !!request.variables.HOLDFAST_FAILPOINT
  const cx: EngineContext = {
    store, clock: systemClock, random: systemRandom, ids, types: await allTypes(), env: row, host, ring, redactor, holder: currentHolder(), emit: request.emit,
    ...(request.access === 'read' ? {} : { spool: new FileSpool(store.path === undefined ? join(program.home, 'spool') : `${store.path}.spool`, spoolFailpoint(request.variables)) }),
    asset: assets.take, keepAssets: assets.keep, pruneAssets: assets.prune, hook: declaredHook, policies: [...program.project?.policies ?? [], ...program.app?.policies ?? []], user: userName(request.variables), ...(place.approve === 'required' ? { approval: 'required' as const } : {}), parallelism: serial ? 1 : request.concurrency ?? place.concurrency ?? limits.parallelLocal, serial,
  }
  let graph: DesiredGraph | undefined
  return {
    cx, app: row.app, env: row.name, secrets: (program.app?.secrets as readonly string[] | undefined) ?? [],
    graph: () => (graph ??= program.graph(row.name)),
    broken: program.broken, programDigest: program.loader.digest(), approve: place.approve === 'type-name',
    home: program.home, root: program.root, assets, warnings: placeWarnings(source, store.path),
    async close() {
      graph = undefined // a collection is asked for when the store closes: it need not walk what nobody wants any more
      assets.save()
      await store.close()
    },
  }
}

/** Who is at work: HOLDFAST_USER, where several people share an account; else the name that the system has for this user. */
function userName(variables: Readonly<Record<string, string | undefined>>): string {
  if (variables.HOLDFAST_USER) return variables.HOLDFAST_USER
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.()}` // a container may know no name for it
  }
}

/** HOLDFAST_FAILPOINT=spool:STEP, honoured only under HOLDFAST_TEST=1: the process dies at that step. */
const spoolFailpoint = (variables: Readonly<Record<string, string | undefined>>) => (step: SpoolStep): void => {
  if (variables.HOLDFAST_TEST === '1' && variables.HOLDFAST_FAILPOINT === `spool:${step}`) process.kill(process.pid, 'SIGKILL')
}

/**
 * Reads an export into the state of a project, which must not hold anything yet. Its key is not made: the export's own must be brought along.
 *
 * Gives    what was read, and where it is now.
 * Fails    HF1002 to HF1005, HF4008, HF4009, HF4002, HF4003, HF4004, HF4006; the state is as it was.
 */
export async function importState(request: ProgramRequest, lines: AsyncIterable<string>): Promise<Imported & { readonly path: string; readonly hasKey: boolean }> {
  refusePlatform(process.platform)
  const program = await loadProgram(request, { optional: true, prepare: ensureHome })
  const place = program.place(request.env ?? 'default')
  const path = statePath(program, place.state?.path, request)
  const store = await openSqliteStore({ path })
  try {
    const imported = await store.import(lines)
    tryWriteWhole(join(program.home, markerName(path)), `${path}\n`)
    return { ...imported, path, hasKey: hasKeyFile(keySource(place.key, program.found.base, program.home, request.variables)) }
  } finally {
    await store.close()
  }
}

function statePath(program: Program, chosen: string | undefined, request: ProgramRequest): string {
  const named = request.variables.HOLDFAST_STATE || chosen
  return named ? resolve(program.found.base, named) : join(program.home, 'state.db')
}

/** Where nothing may be made and nothing is there, an empty state answers. */
async function openState(path: string, home: string, access: OpenRequest['access'], onCopy: (copy: string, schema: number) => void): Promise<Store> {
  const marker = join(home, markerName(path))
  const size = sizeOf(path)
  // A file of no bytes is a new database to SQLite; where there was a state, it is what a full disk or another program left of it.
  if (size === 0 && existsSync(marker)) throw failure('HF4001', { message: `${path} has no content any more.` })
  if (size === undefined && existsSync(marker) && hasKeyFile({ kind: 'file', path: join(home, 'key') })) {
    throw failure('HF4005', { message: `${path} is gone, and there was a state once: its key is still there.` })
  }
  if (access === 'create') {
    const store = await openSqliteStore({ path, onCopy })
    if (!existsSync(marker)) tryWriteWhole(marker, `${path}\n`)
    return store
  }
  return await openSqliteStore({ path, createIfMissing: false, readonly: access === 'read', onCopy }) ?? new MemoryStore({ clock: systemClock, random: systemRandom })
}

/** Undefined when it is not there. Fails HF4003 where this user may not even look. */
function sizeOf(path: string): number | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })?.size
  } catch (e) {
    throw failure('HF4003', { message: `${path} cannot be opened by this user: ${(e as NodeJS.ErrnoException).code}.`, cause: e })
  }
}

/** Beside `state.db` the plain name; another state file of the project has one of its own. */
const markerName = (path: string): string => (basename(path) === 'state.db' ? CREATED_MARKER : `${CREATED_MARKER}-${basename(path)}`)

/** Who gets one folder, gets every secret in it. */
const placeWarnings = (source: KeySource, state: string | undefined): string[] =>
  hasKeyFile(source) && source.kind === 'file' && state !== undefined && dirname(source.path) === dirname(state)
    ? [`The key and the state it opens lie in one folder, ${dirname(state)}. Keep a copy of the key elsewhere; without it the secrets in the state are lost.`]
    : []

/** The state names one app and environment, or the command does. */
async function envWithoutProgram(store: Store, program: Program, wanted: string | undefined): Promise<EnvRow> {
  const rows = (await store.envs()).filter((e) => !e.app.startsWith('/') && (wanted === undefined || e.name === wanted))
  if (rows.length === 1) return rows[0] as EnvRow
  throw program.broken as HoldfastError
}

/** The types of the program and of its packages, and the built-in ones that it does not import. */
export async function allTypes(): Promise<TypeRegistry> {
  const { builtinTypes } = await import('../builtin/index.ts')
  return makeRegistry([...new Map([...builtinTypes(), ...declaredTypes()].map((t) => [t.type, t])).values()])
}
