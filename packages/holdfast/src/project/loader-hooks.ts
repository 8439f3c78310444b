// Runs in the loader's own thread (module.register). A separate file of the package: it has no state in common with the program.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import type { LoadHook, ResolveHook } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { MessagePort } from 'node:worker_threads'
import { PACKAGE_SCHEME, SyntaxFailure, transformFile, type LoaderMessage } from './transform.ts'

export interface HookData {
  readonly port: MessagePort
  readonly cacheFolder: string | undefined
  /** A module of our package: what the user's folder does not have is resolved from here. */
  readonly ownUrl: string
  readonly version: string
}

let data: HookData | undefined

export function initialize(given: HookData): void {
  data = given
}

const tell = (message: LoaderMessage): void => data?.port.postMessage(message)

/** What is written in TypeScript programs, and what the file may be called then. */
const OTHER_ENDINGS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/\.js$/, ['.ts']],
  [/\.mjs$/, ['.mts']],
  [/(?:^|\/)[^/.]+$/, ['.ts', '.mts']],
]
const OURS = /^(?:holdfast|zod)(?:\/|$)/

export const resolve: ResolveHook = async (specifier, context, next) => {
  if (specifier.startsWith(PACKAGE_SCHEME)) {
    const at = specifier.indexOf('?')
    return resolve(specifier.slice(PACKAGE_SCHEME.length, at), { ...context, parentURL: specifier.slice(at + 1) }, next)
  }
  try {
    return await next(specifier, context)
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'ERR_UNSUPPORTED_DIR_IMPORT') throw e
    if (/^(?:\.{1,2}\/|\/|file:)/.test(specifier)) {
      for (const [ending, others] of OTHER_ENDINGS) {
        if (!ending.test(specifier)) continue
        for (const other of others) {
          const candidate = ending.source.startsWith('(?:') ? specifier + other : specifier.replace(ending, other)
          const url = new URL(candidate, context.parentURL)
          if (url.protocol === 'file:' && existsSync(fileURLToPath(url))) return next(candidate, context)
        }
      }
    } else if (OURS.test(specifier) && data) {
      try {
        return await next(specifier, { ...context, parentURL: data.ownUrl })
      } catch {
        throw e // the user's folder is what the message should name
      }
    }
    throw e
  }
}

export const load: LoadHook = async (url, context, next) => {
  if (!url.startsWith('file:')) return next(url, context)
  const path = fileURLToPath(url)
  if (/\.m?ts$/.test(path)) {
    try {
      const { code, digest, map } = await transformFile(path, readFileSync(path), data?.cacheFolder, data?.version ?? '')
      tell({ kind: 'file', path, digest, map })
      return { format: 'module', source: code, shortCircuit: true }
    } catch (e) {
      if (e instanceof SyntaxFailure) tell({ kind: 'syntax', path, line: e.line, column: e.column, text: e.message, lineText: e.lineText })
      throw e
    }
  }
  const loaded = await next(url, context)
  if (!path.includes('/node_modules/') && data && !url.startsWith(new URL('.', data.ownUrl).href)) {
    const bytes = loaded.source ?? readFileSync(path)
    tell({ kind: 'file', path, digest: createHash('sha256').update(bytes as Uint8Array | string).digest('hex') })
  }
  return loaded
}
