import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire, register } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads'
import { holdfastVersion, type Site } from '../base/index.ts'
import { loadFailure } from './load-failure.ts'
import { decodeMappings, originalPlace, type DecodedMap } from './source-map.ts'
import { PACKAGE_SCHEME, plainSyntaxFailure, type LoaderMessage, type MapPlace } from './transform.ts'

export type SyntaxMessage = Extract<LoaderMessage, { kind: 'syntax' }>

/**
 * Imports the user's modules, TypeScript or not, on every Node the same way.
 *
 * Always true: one hook per process; what it saw is taken over synchronously, so a place can be mapped while a module still runs.
 */
export interface Loader {
  /** Fails HF1003 with the place in the user's text. */
  load(file: string): Promise<Record<string, unknown>>
  /** Imports a package as `from` would. Fails HF1003. */
  loadPackage(name: string, from: string): Promise<void>
  /** From a place in the JavaScript that ran to the place in the user's file. What it gave, and the site of every failure of {@link load}, it gives back as it is. */
  mapSite(site: Site): Site
  /** Digest over every file of the program that was loaded; undefined when the hook was not needed (plain JavaScript). */
  digest(): string | undefined
}

export function makeLoader(home: string): Loader {
  const files = new Map<string, { readonly digest: string; readonly map: MapPlace | undefined }>()
  const decoded = new Map<string, DecodedMap | undefined>()
  const original = new WeakSet<Site>()
  let port: MessagePort | undefined
  let syntax: SyntaxMessage | undefined

  async function startHook(): Promise<void> {
    if (port) return
    await preload()
    const { port1, port2 } = new MessageChannel()
    port1.unref()
    port = port1
    const cacheFolder = existsSync(home) ? join(home, 'cache') : undefined
    withoutDeprecation(() => register(new URL('./loader-hooks.js', import.meta.url), {
      data: { port: port2, cacheFolder, ownUrl: import.meta.url, version: holdfastVersion }, transferList: [port2],
    }))
  }

  function takeOver(): void {
    if (!port) return
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
      const message = next.message as LoaderMessage
      if (message.kind === 'file') files.set(message.path, { digest: message.digest, map: message.map })
      else syntax = message
    }
  }

  const mapSite = (site: Site): Site => {
    if (original.has(site)) return site
    const path = site.file.startsWith('file:') ? fileURLToPath(site.file) : site.file
    if (!files.has(path)) takeOver()
    if (!decoded.has(path)) decoded.set(path, readMap(files.get(path)?.map))
    const map = decoded.get(path)
    const place = map && originalPlace(map, site.line, site.column)
    const found = { file: path, line: place?.line ?? site.line, column: place?.column ?? site.column }
    original.add(found)
    return found
  }

  return {
    async loadPackage(name, from) {
      await startHook()
      const url = `${PACKAGE_SCHEME}${name}?${pathToFileURL(from).href}`
      try {
        await import(url)
      } catch (e) {
        takeOver()
        throw loadFailure(e, from, syntax, mapSite)
      }
    },
    async load(file) {
      const url = pathToFileURL(file).href
      syntax = undefined
      try {
        if (port === undefined && isPlainJs(file) && canResolveHoldfast(file)) {
          try {
            return await import(url) as Record<string, unknown>
          } catch (e) {
            // A plain program may still import a TypeScript file; nothing of it has run when linking failed.
            if (!['ERR_UNKNOWN_FILE_EXTENSION', 'ERR_MODULE_NOT_FOUND'].includes((e as NodeJS.ErrnoException).code ?? '')) throw e
            await startHook()
            return await import(`${url}?hooked`) as Record<string, unknown>
          }
        }
        await startHook()
        return await import(url) as Record<string, unknown>
      } catch (e) {
        takeOver()
        if (e instanceof SyntaxError) syntax ??= await syntaxOf([...files.keys(), file].reverse())
        const failed = loadFailure(e, file, syntax, mapSite)
        if (failed.site) original.add(failed.site)
        throw failed
      }
    },
    mapSite,
    digest() {
      takeOver()
      if (files.size === 0) return undefined
      const hash = createHash('sha256')
      for (const path of [...files.keys()].sort()) hash.update(`${files.get(path)?.digest}\n`)
      return hash.digest('hex')
    },
  }
}

/**
 * What nearly every program imports is loaded before the hook is there: each module after it costs a question to the other thread, and zod alone has a hundred.
 * When the program has another copy of the package, this one is loaded for nothing.
 */
async function preload(): Promise<void> {
  const own = ['root.js', 'local.js', 'random.js'].map((name) => new URL(`./${name}`, import.meta.url)).filter((url) => existsSync(url))
  await Promise.all(own.map((url) => import(url.href)))
}

/** Node does not tell where in a plain JavaScript module the mistake is; esbuild does. */
async function syntaxOf(candidates: readonly string[]): Promise<SyntaxMessage | undefined> {
  for (const path of candidates) {
    if (!isPlainJs(path)) continue
    const found = await plainSyntaxFailure(path)
    if (found) return { kind: 'syntax', path, line: found.line, column: found.column, text: found.message, lineText: found.lineText }
  }
  return undefined
}

const isPlainJs = (file: string): boolean => /\.m?js$/.test(file)

function canResolveHoldfast(file: string): boolean {
  try {
    createRequire(file).resolve('holdfast/package.json')
    return true
  } catch {
    return false
  }
}

function readMap(place: MapPlace | undefined): DecodedMap | undefined {
  if (!place) return undefined
  try {
    const text = 'text' in place ? place.text : readFileSync(place.file, 'utf8')
    return decodeMappings((JSON.parse(text) as { mappings: string }).mappings)
  } catch {
    return undefined // without its map, a place is that of the generated text
  }
}

/** Newer versions of Node say that `register` will go; that is for us to hear, not for the user. */
function withoutDeprecation(act: () => void): void {
  const settings = process as { noDeprecation?: boolean }
  const before = settings.noDeprecation
  settings.noDeprecation = true
  try {
    act()
  } finally {
    settings.noDeprecation = before ?? false
  }
}
