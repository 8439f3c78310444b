import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { failure, systemRandom } from '../base/index.ts'
import { createKeyFile, keyFromText, makeKeyring, readKeyFile, type Keyring } from '../secret/index.ts'
import type { StoreMeta } from '../state/index.ts'
import type { KeyChoice } from './define.ts'

export type KeySource =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'none'; readonly variable: string }

/** Variables before the project file before `.holdfast/key`. */
export function keySource(choice: KeyChoice | undefined, base: string, home: string, variables: Readonly<Record<string, string | undefined>>): KeySource {
  if (variables.HOLDFAST_KEY) return { kind: 'text', text: variables.HOLDFAST_KEY }
  if (variables.HOLDFAST_KEY_FILE) return { kind: 'file', path: resolve(base, variables.HOLDFAST_KEY_FILE) }
  if (choice?.kind === 'env') {
    const text = variables[choice.name]
    return text ? { kind: 'text', text } : { kind: 'none', variable: choice.name }
  }
  return { kind: 'file', path: choice ? resolve(base, choice.path) : resolve(home, 'key') }
}

export const hasKeyFile = (source: KeySource): boolean => source.kind === 'file' && existsSync(source.path)

/**
 * The key of a store, made when it is needed for the first time.
 *
 * Gives    undefined when there is none and none may be made: the store was sealed with a key that is not here, or nothing is to be written.
 * Fails    HF4302 for the key of another store, HF4301 for one that cannot be read.
 */
export function openRing(source: KeySource, meta: StoreMeta, create: boolean): Keyring | undefined {
  const key = readKey(source, create && meta.keyCheck === undefined)
  if (!key) return undefined
  const ring = makeKeyring(key, meta.storeId, systemRandom)
  key.fill(0)
  if (meta.keyCheck !== undefined && meta.keyCheck !== ring.keyCheck) {
    throw failure('HF4302', { message: `${source.kind === 'file' ? `The key ${source.path}` : 'The key given by the environment'} does not belong to this state.` })
  }
  return ring
}

function readKey(source: KeySource, create: boolean): Uint8Array | undefined {
  switch (source.kind) {
    case 'text': return keyFromText(source.text)
    case 'file': return readKeyFile(source.path) ?? (create ? createKeyFile(source.path, systemRandom) : undefined)
    case 'none':
      if (create) throw failure('HF4301', { message: `The variable ${source.variable} holds no key.`, hint: `Set ${source.variable} to 64 hex characters, for instance from:\n    openssl rand -hex 32` })
      return undefined
  }
}
