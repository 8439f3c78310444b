import { createRequire } from 'node:module'
import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { AbstractBackend, BACKEND_BRAND, backendMethods, CONTRACT_VERSION, type Backend } from './contract.ts'
import { BackendError, NotImplemented } from './errors.ts'
import { loadErrors, type LoadCode, type LoadErrors } from './load-error.ts'

/** Which backend, and with which configuration: plain values, as they stand in a file. */
export interface BackendConfiguration {
  /** `holdfast/backend`, the name of a package, a path (relative to `from`) or a `file:` address. */
  readonly module: string
  /** The class in it: it extends AbstractBackend and is constructed with `config` alone. */
  readonly export: string
  readonly config: Readonly<Record<string, unknown>>
}

export interface LoadOptions {
  /** Folder from which paths and packages are looked for. Default: the current folder. */
  readonly from?: string
}

const OURS = 'holdfast/backend'

/**
 * Loads a backend and opens it: the next call finds its store.
 *
 * Gives    an instance of the named class.
 * Fails    BackendInitializationError with a code: CONFIG_INVALID (the three settings, the backend's own schema or its constructor), MODULE_NOT_FOUND, MODULE_THREW,
 *          EXPORT_NOT_FOUND, NOT_A_BACKEND (another class, the abstract one, or one that lacks methods), CONTRACT_VERSION_MISMATCH, CONNECT_FAILED, SCHEMA_TOO_NEW,
 *          SCHEMA_MIGRATION_REQUIRED, STORE_CORRUPT. The message names module, export and keys of the configuration, never a value of it.
 */
export async function loadBackend(configuration: BackendConfiguration, options: LoadOptions = {}): Promise<Backend> {
  const given: Partial<Record<keyof BackendConfiguration, unknown>> = typeof configuration === 'object' && configuration !== null ? configuration : {}
  const errors = loadErrors({ module: given.module, export: given.export, config: given.config })
  const { module, export: name, config } = checked(given, errors)
  const loaded = await importModule(module, resolve(options.from ?? process.cwd()), errors)
  if (!(name in loaded) || loaded[name] === undefined) throw errors.error('EXPORT_NOT_FOUND', `the module has no export ${name}`)
  const Class = backendClass(loaded[name], errors)
  checkBySchema(Class, config, errors)
  const backend = construct(Class, config, errors)
  shakeHands(Class, backend, errors)
  try {
    await backend.open()
  } catch (e) {
    await backend.close().catch(() => {}) // it never opened; the reason is what counts
    throw errors.error(openCode(e), 'it cannot be opened', e)
  }
  return backend
}

function checked(given: Partial<Record<keyof BackendConfiguration, unknown>>, errors: LoadErrors): BackendConfiguration {
  for (const key of ['module', 'export'] as const) {
    if (typeof given[key] !== 'string' || given[key] === '') throw errors.error('CONFIG_INVALID', `\`${key}\` must be a text and is ${kindOf(given[key])}`)
  }
  const { config } = given
  if (typeof config !== 'object' || config === null || Array.isArray(config)) throw errors.error('CONFIG_INVALID', `\`config\` must be an object and is ${kindOf(config)}`)
  return given as BackendConfiguration
}

const kindOf = (v: unknown): string => (v === undefined ? 'missing' : v === null ? 'null' : v === '' ? 'empty' : Array.isArray(v) ? 'a list' : `a ${typeof v}`)

async function importModule(module: string, from: string, errors: LoadErrors): Promise<Record<string, unknown>> {
  // Ours is this copy of the code, wherever it was installed.
  if (module === OURS) return import('./index.ts')
  const url = locate(module, from)
  if (url === undefined) throw errors.error('MODULE_NOT_FOUND', 'there is no such module')
  const allowExit = forbidExit()
  try {
    return await import(/* @vite-ignore */ url)
  } catch (e) {
    throw errors.error('MODULE_THREW', 'the module failed while it was loaded', e)
  } finally {
    allowExit()
  }
}

let loading = 0
let { exit } = process

/** A module that ends the process while it is imported would take the caller along without a word: it fails instead. */
function forbidExit(): () => void {
  if (loading++ === 0) {
    exit = process.exit
    process.exit = ((code?: unknown) => {
      throw new Error(`it called process.exit(${code ?? ''})`)
    }) as typeof process.exit
  }
  return () => {
    if (--loading === 0) process.exit = exit
  }
}

/** The address of a module; undefined where there is none. Nothing is run. */
function locate(module: string, from: string): string | undefined {
  const path = module.startsWith('file:') ? fileURLToPath(module) : isAbsolute(module) ? module : /^\.\.?(\/|$)/.test(module) ? resolve(from, module) : undefined
  const places = path === undefined ? [join(from, 'from.js'), fileURLToPath(import.meta.url)] : [join(from, 'from.js')]
  for (const place of places) {
    const require = createRequire(place)
    try {
      const found = require.resolve(path ?? module)
      return isAbsolute(found) ? pathToFileURL(found).href : found
    } catch {
      const esm = path === undefined ? importTarget(module, require) : undefined
      if (esm !== undefined) return esm
    }
  }
  return undefined
}

/** A package whose `exports` speak to `import` alone is not found by `require.resolve`. */
function importTarget(module: string, require: NodeJS.Require): string | undefined {
  const [name = '', subpath = ''] = /^((?:@[^/]+\/)?[^/]+)(\/.+)?$/.exec(module)?.slice(1) ?? []
  for (const folder of require.resolve.paths(module) ?? []) {
    let manifest: { readonly exports?: unknown }
    try {
      manifest = require(join(folder, name, 'package.json')) as typeof manifest
    } catch {
      continue
    }
    const { exports } = manifest
    const bySubpath = typeof exports === 'object' && exports !== null && Object.keys(exports).some((k) => k.startsWith('.'))
    const target = targetOf(bySubpath ? (exports as Record<string, unknown>)[`.${subpath}`] : subpath === '' ? exports : undefined)
    return target === undefined ? undefined : pathToFileURL(join(folder, name, target)).href
  }
  return undefined
}

const CONDITIONS = new Set(['node', 'import', 'module-sync', 'default'])

function targetOf(target: unknown): string | undefined {
  if (typeof target === 'string') return target
  if (typeof target !== 'object' || target === null) return undefined
  for (const [condition, inner] of Object.entries(target)) {
    const found = CONDITIONS.has(condition) ? targetOf(inner) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

interface BackendClass {
  new (config: Readonly<Record<string, unknown>>): Backend
  /** A schema of the configuration: anything with `safeParse`, such as one of zod. */
  readonly configSchema?: { safeParse(config: unknown): { readonly success: boolean; readonly error?: { readonly issues: readonly { readonly path: readonly PropertyKey[] }[] } } }
}

/** By a mark and not by `instanceof`: the backend may extend the AbstractBackend of another copy of this package. */
function backendClass(found: unknown, errors: LoadErrors): BackendClass {
  if (typeof found !== 'function') throw errors.error('NOT_A_BACKEND', `the export is ${kindOf(found)} and no class`)
  if (Reflect.get(found, BACKEND_BRAND) !== true) throw errors.error('NOT_A_BACKEND', 'the class does not extend AbstractBackend')
  if (Object.hasOwn(found, BACKEND_BRAND)) throw errors.error('NOT_A_BACKEND', 'AbstractBackend is what a backend extends')
  return found as unknown as BackendClass
}

function checkBySchema(Class: BackendClass, config: Readonly<Record<string, unknown>>, errors: LoadErrors): void {
  let answer: ReturnType<NonNullable<BackendClass['configSchema']>['safeParse']> | undefined
  try {
    answer = Class.configSchema?.safeParse(config)
  } catch (e) {
    throw errors.error('CONFIG_INVALID', 'its schema of the configuration failed', e)
  }
  if (!answer || answer.success) return
  const keys = [...new Set((answer.error?.issues ?? []).map((i) => (i.path.length > 0 ? i.path.map(String).join('.') : 'an unknown key')))]
  throw errors.error('CONFIG_INVALID', `the configuration does not fit at ${keys.join(', ') || 'some key'}`)
}

function construct(Class: BackendClass, config: Readonly<Record<string, unknown>>, errors: LoadErrors): Backend {
  try {
    return new Class(config)
  } catch (e) {
    if (e instanceof NotImplemented) throw errors.error('NOT_A_BACKEND', 'the class is abstract', e)
    throw errors.error(e instanceof BackendError ? openCode(e, 'CONFIG_INVALID') : 'CONFIG_INVALID', 'it does not take the configuration', e)
  }
}

/** The handshake: the same version of the contract, what it can do, and a method of its own for each of the contract. */
function shakeHands(Class: BackendClass, backend: Backend, errors: LoadErrors): void {
  if (backend.contractVersion !== CONTRACT_VERSION) {
    throw errors.error('CONTRACT_VERSION_MISMATCH', `it keeps version ${String(backend.contractVersion)} of the contract, and this is version ${CONTRACT_VERSION}`)
  }
  if (typeof backend.capabilities !== 'object' || backend.capabilities === null || typeof backend.capabilities.name !== 'string') throw errors.error('NOT_A_BACKEND', 'it does not say what it can do (`capabilities`)')
  let abstract: object = Class
  while (!Object.hasOwn(abstract, BACKEND_BRAND)) abstract = Object.getPrototypeOf(abstract) as object
  const inherited = (abstract as typeof AbstractBackend).prototype
  const lacking = backendMethods.filter((m) => m !== 'open' && m !== 'close' && (typeof backend[m] !== 'function' || backend[m] === inherited[m]))
  if (lacking.length > 0) throw errors.error('NOT_A_BACKEND', `it lacks ${lacking.join(', ')}`)
}

const openCodes: ReadonlySet<string> = new Set<LoadCode>(['CONFIG_INVALID', 'CONNECT_FAILED', 'SCHEMA_TOO_NEW', 'SCHEMA_MIGRATION_REQUIRED', 'STORE_CORRUPT'])
const openCode = (e: unknown, otherwise: LoadCode = 'CONNECT_FAILED'): LoadCode => {
  const code = (e as { code?: unknown } | null)?.code
  return typeof code === 'string' && openCodes.has(code) ? code as LoadCode : otherwise
}
