import { resolve } from 'node:path'
import { limits, makeIds, systemRandom, type Clock } from '../base/index.ts'
import type { EngineContext, EngineEvent } from '../engine/index.ts'
import { allTypes, keySource, openAssets, openRing, type KeyChoice } from '../project/index.ts'
import { declaredHook, declaredTypes, type AnyApp, type ResourceFn } from '../program/index.ts'
import { makeRegistry, type Host, type TypeRegistry } from '../provider/index.ts'
import { makeRedactor } from '../secret/index.ts'
import type { EnvRow, Holder, StoreMeta } from '../state/index.ts'
import { FileSpool, type Spool, type Store } from '../store/index.ts'

/** Of an engine: what every call shares. */
export interface Surroundings {
  readonly clock: Clock
  readonly parallelism: number | undefined
  readonly key: KeyChoice | undefined
  /** Folder for what is kept beside the snapshots. */
  readonly home: string | undefined
  readonly providers: readonly Pick<ResourceFn, 'type'>[] | undefined
}

export interface CallParts {
  readonly store: Store
  readonly env: EnvRow
  readonly meta: StoreMeta
  readonly holder: Holder
  readonly program: AnyApp | undefined
  /** A key may be made. */
  readonly create: boolean
  readonly emit: (event: EngineEvent) => void
}

/** Everything the engine may touch in one call. Fails HF4301, HF4302. */
export async function makeContext(s: Surroundings, c: CallParts): Promise<EngineContext> {
  const root = resolve('.')
  const home = s.home === undefined ? undefined : resolve(s.home)
  const ring = s.key === undefined && home === undefined ? undefined : openRing(keySource(s.key, root, home ?? root, variablesOf(s.key)), c.meta, c.create)
  const redactor = makeRedactor()
  const assets = openAssets(root, home ?? resolve(root, '.holdfast'))
  const host: Host = {
    root, home: home ?? resolve(root, '.holdfast'), env: { id: c.env.id, app: c.env.app, name: c.env.name },
    assetPath: assets.pathOf, redact: redactor.text, secrets: redactor.secrets,
  }
  return {
    store: c.store, clock: s.clock, random: systemRandom, ids: makeIds(s.clock, systemRandom), types: await typesOf(s.providers), env: c.env, host, ring, redactor,
    holder: c.holder, emit: c.emit, ...(home === undefined ? {} : { spool: spoolIn(home) }),
    asset: assets.take, keepAssets: assets.keep, pruneAssets: assets.prune, hook: declaredHook, policies: [...(c.program?.policies ?? [])],
    parallelism: s.parallelism ?? limits.parallelLocal, serial: false,
  }
}

/** The one variable that was named; no other decides about a key here. */
const variablesOf = (key: KeyChoice | undefined): Readonly<Record<string, string | undefined>> => (key?.kind === 'env' ? { [key.name]: process.env[key.name] } : {})

async function typesOf(providers: Surroundings['providers']): Promise<TypeRegistry> {
  const all = await allTypes()
  if (!providers) return all
  const named = new Set(providers.map((p) => p.type))
  return makeRegistry([...declaredTypes(), ...all.all()].filter((t) => named.has(t.type)))
}

/** A file appears when there is something to keep, and not before: who embeds the engine is not surprised by folders. */
function spoolIn(home: string): Spool {
  const files = new FileSpool(resolve(home, 'spool'))
  return { reserve: () => {}, put: (...a) => files.put(...a), list: (...a) => files.list(...a), drop: (name) => files.drop(name), end: () => {} }
}
