import { systemClock, systemRandom } from '../base/index.ts'
import { MemoryStore } from '../store/index.ts'
import type { Permit } from './permit.ts'
import { checkedConfig } from './sqlite.ts'
import { StoreBackend } from './store-backend.ts'

export interface MemoryBackendConfig {
  /** Shares the state of another one: two backends over one store, or one that is opened again. */
  readonly of?: MemoryBackend
  readonly permit?: Permit
  readonly requiredOutputs?: Readonly<Record<string, readonly string[]>>
}

const KEY_BYTES = 32
const KINDS = { of: 'object', permit: 'function', requiredOutputs: 'object' } as const

/** The founding contract in memory: for tests, and for what need not survive the process. */
export class MemoryBackend extends StoreBackend {
  readonly #tables: MemoryStore['tables']
  readonly #key: Uint8Array

  constructor(config: MemoryBackendConfig = {}) {
    const { of, permit, requiredOutputs } = checkedConfig(config, KINDS, []) as MemoryBackendConfig
    const tables = of ? of.#tables : new MemoryStore({ clock: systemClock, random: systemRandom }).tables
    const key = of ? of.#key : systemRandom.bytes(KEY_BYTES)
    super({
      capabilities: { name: 'memory', durable: false, severalWriters: true }, permit, requiredOutputs,
      connect: async () => ({
        store: new MemoryStore({ clock: systemClock, random: systemRandom, tables }), identity: tables,
        keys: { read: () => Uint8Array.from(key), create: () => Uint8Array.from(key) },
      }),
    })
    this.#tables = tables
    this.#key = key
  }
}
