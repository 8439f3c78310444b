import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { tryWriteWhole } from './home.ts'

/** What the loader's thread tells the main thread about every module of the program. */
export type LoaderMessage =
  | { readonly kind: 'file'; readonly path: string; readonly digest: string; readonly map?: MapPlace }
  | { readonly kind: 'syntax'; readonly path: string; readonly line: number; readonly column: number; readonly text: string; readonly lineText: string }

/** `holdfast-package:NAME?FILE_URL`: the package that FILE would import. Node has no other way to ask. */
export const PACKAGE_SCHEME = 'holdfast-package:'

/** A source map lies in the cache, or travels with the message where there is no cache. */
export type MapPlace = { readonly file: string } | { readonly text: string }

export interface Transformed {
  readonly code: string
  readonly digest: string
  readonly map: MapPlace
}

/** The place and words of a syntax error, out of esbuild's. */
export class SyntaxFailure extends Error {
  override readonly name = 'SyntaxFailure'
  readonly line: number
  readonly column: number
  readonly lineText: string
  constructor(text: string, place: { readonly line: number; readonly column: number; readonly lineText: string } | null) {
    super(text)
    this.line = place?.line ?? 1
    this.column = (place?.column ?? 0) + 1
    this.lineText = place?.lineText ?? ''
  }
}

/** The last line of a cached file: one that was cut off by a power failure lacks it. */
const COMPLETE = '\n//# whole\n'
const CACHED_FILES_MAX = 4096
const TARGET = 'node20.19'
const SERVICE_MS_MAX = 15_000

/**
 * TypeScript to JavaScript, one file, types stripped and enums compiled. `import.meta.url` stays the file's.
 *
 * Takes    `version`: of Holdfast, which pins the version of esbuild; part of the cache's key with the text.
 * Costs    one hash and one read when the text was seen before; esbuild is not even imported then.
 * Fails    {@link SyntaxFailure}.
 */
export async function transformFile(path: string, source: Uint8Array, cacheFolder: string | undefined, version: string): Promise<Transformed> {
  const digest = createHash('sha256').update(source).digest('hex')
  const loader = 'ts'
  const name = createHash('sha256').update(`${version}\0${TARGET}\0${loader} with imports\0${digest}`).digest('hex').slice(0, 40)
  const codeFile = cacheFolder && join(cacheFolder, `${name}.js`)
  if (codeFile !== undefined) {
    const cached = readIfThere(codeFile)
    if (cached?.endsWith(COMPLETE)) return { code: cached, digest, map: { file: `${codeFile}.map` } }
  }
  const { transform, transformSync } = await import('esbuild')
  const text = Buffer.from(source.buffer, source.byteOffset, source.byteLength).toString('utf8')
  const options = {
    loader, format: 'esm', target: TARGET, platform: 'node', sourcemap: 'external', sourcesContent: false, sourcefile: path, logLevel: 'silent',
    // A file whose names are not used any more is still loaded: the types of resources that it declares are needed to delete what was made with them.
    tsconfigRaw: { compilerOptions: { importsNotUsedAsValues: 'preserve' } as object },
  } as const
  let result
  try {
    // The main thread stands still meanwhile, so nobody else could end a wait for a service that never answers.
    result = await within(SERVICE_MS_MAX, transform(text, options), () => transformSync(text, options))
  } catch (e) {
    throw syntaxFailure(e) ?? e
  }
  const code = withoutTypePackages(result.code, Buffer.from(source).toString('utf8')) + COMPLETE
  if (codeFile === undefined) return { code, digest, map: { text: result.map } }
  prune(cacheFolder as string)
  const mapFile = `${codeFile}.map`
  // The map first: code in the cache promises a map beside it.
  const kept = tryWriteWhole(mapFile, result.map) && tryWriteWhole(codeFile, code)
  return { code, digest, map: kept ? { file: mapFile } : { text: result.map } }
}

/** What `promise` gives, or, when that takes longer than `ms`, what `otherwise` gives. */
export function within<T>(ms: number, promise: Promise<T>, otherwise: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      try {
        resolve(otherwise())
      } catch (e) {
        reject(e)
      }
    }, ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** A package of which only types were named may have nothing to run; one that is imported for its own sake stays. */
function withoutTypePackages(code: string, source: string): string {
  return code.replace(/^import "([^."\/][^"]*)";$/gm, (line, name: string) => (new RegExp(`^\\s*import\\s*(['"])${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\1`, 'm').test(source) ? line : ''))
}

function syntaxFailure(e: unknown): SyntaxFailure | undefined {
  const first = (e as { errors?: { text: string; location: { line: number; column: number; lineText: string } | null }[] }).errors?.[0]
  return first && new SyntaxFailure(first.text, first.location)
}

/** Where the mistake in a plain JavaScript file is, if there is one. */
export async function plainSyntaxFailure(path: string): Promise<SyntaxFailure | undefined> {
  const { transform } = await import('esbuild')
  try {
    await transform(readFileSync(path, 'utf8'), { loader: 'js', format: 'esm', sourcefile: path, logLevel: 'silent' })
    return undefined
  } catch (e) {
    return syntaxFailure(e)
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

let pruned = false
/** Once per process and only when something is added: the older half goes when there are too many. */
function prune(folder: string): void {
  if (pruned) return
  pruned = true
  try {
    const names = readdirSync(folder).filter((n) => n.endsWith('.js') || n.endsWith('.js.map'))
    if (names.length <= CACHED_FILES_MAX) return
    const byAge = names.map((n) => ({ n, at: statSync(join(folder, n)).mtimeMs })).sort((a, b) => a.at - b.at)
    for (const { n } of byAge.slice(0, byAge.length >> 1)) rmSync(join(folder, n), { force: true })
  } catch {
    // No cache folder yet, or another process prunes too.
  }
}
