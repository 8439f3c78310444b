import { dirname, join, resolve } from 'node:path'
import { systemRandom } from '../base/index.ts'
import { createKeyFile, keyFromText, readKeyFile } from '../secret/index.ts'
import { openSqliteStore } from '../store/index.ts'
import { BackendInitializationError, CanNotFindResourceStateFile } from './errors.ts'
import type { Permit } from './permit.ts'
import { StoreBackend } from './store-backend.ts'

export interface SqliteBackendConfig {
  /** The state file; that of a project is `.holdfast/state.db`. */
  readonly path: string
  /** Default true. With false, a missing file is an error (CanNotFindResourceStateFile). */
  readonly create?: boolean
  /** Default: HOLDFAST_KEY, HOLDFAST_KEY_FILE, or the file `key` beside the state; made when the first secret is sealed. */
  readonly keyFile?: string
  readonly permit?: Permit
  readonly requiredOutputs?: Readonly<Record<string, readonly string[]>>
}

const KINDS = { path: 'string', create: 'boolean', keyFile: 'string', permit: 'function', requiredOutputs: 'object' } as const

/** The founding contract on a state file: the one that `holdfast apply` uses, or one of its own. */
export class SqliteBackend extends StoreBackend {
  constructor(config: SqliteBackendConfig) {
    const { path, create = true, keyFile, permit, requiredOutputs } = checkedConfig(config, KINDS, ['path']) as unknown as SqliteBackendConfig
    const file = resolve(path)
    super({
      capabilities: { name: 'sqlite', durable: true, severalWriters: true }, permit, requiredOutputs,
      async connect() {
        const store = await openSqliteStore({ path: file, createIfMissing: create, commits: 'single' } as { readonly path: string; readonly createIfMissing: false })
        if (!store) throw new CanNotFindResourceStateFile(`There is no state file at ${file}.`)
        const { HOLDFAST_KEY: text, HOLDFAST_KEY_FILE: named } = process.env
        const place = keyFile ?? (named || undefined)
        const key = place === undefined ? join(dirname(file), 'key') : resolve(place)
        const given = keyFile === undefined && text ? text : undefined
        return {
          store, identity: file,
          keys: { read: () => (given === undefined ? readKeyFile(key) : keyFromText(given)), create: () => (given === undefined ? createKeyFile(key, systemRandom) : keyFromText(given)) },
        }
      },
    })
  }
}

/** Keys only in what is said: a value may be a secret. Fails BackendInitializationError CONFIG_INVALID. */
export function checkedConfig(config: unknown, kinds: Readonly<Record<string, string>>, needed: readonly string[]): Record<string, unknown> {
  const bad = (why: string) => new BackendInitializationError(`The configuration of the backend is not valid: ${why}.`, undefined, [], { code: 'CONFIG_INVALID' })
  if (typeof config !== 'object' || config === null || Array.isArray(config)) throw bad('it must be an object')
  const given = config as Record<string, unknown>
  for (const key of needed) if (given[key] === undefined || given[key] === '') throw bad(`\`${key}\` is missing`)
  for (const key of Object.keys(given)) {
    const kind = kinds[key]
    if (kind === undefined) throw bad(`there is no key \`${key}\`; the keys are ${Object.keys(kinds).join(', ')}`)
    if (given[key] !== undefined && typeof given[key] !== kind) throw bad(`\`${key}\` must be a ${kind}`)
  }
  return given
}
