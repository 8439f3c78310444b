import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { failure, type Site } from '../base/index.ts'
import type { StatCache } from './asset-cache.ts'

/** A file or tree as it is now. */
export interface AssetState {
  /** `sha256:` and 64 hex characters. */
  readonly digest: string
  /** Of a tree: digest of every file by its path below the tree, in order; undefined for a single file. */
  readonly files: ReadonlyMap<string, string> | undefined
}

/** Never part of an asset: our own folder, and the history of the sources. */
const ALWAYS_IGNORED = new Set(['.holdfast', '.git'])

/**
 * Digest of a file, or of a tree: over the sorted paths and contents of its files. Modes and times do not count; a link counts by where it points.
 *
 * Takes    `ignore`: globs of names (`*.log`), or of paths below the tree when they hold a slash (`build/**`).
 * Costs    one stat per file when nothing changed since the cache was written (10,000 files: bench/assets).
 * Fails    HF1207.
 */
export function hashAsset(path: string, ignore: readonly string[], cache: StatCache, shown: string, site?: Site): AssetState {
  try {
    const stats = statSync(path)
    if (!stats.isDirectory()) return { digest: `sha256:${fileDigest(path, stats, cache)}`, files: undefined }
    const files = new Map<string, string>()
    walk(path, '', ignoredBy(ignore), cache, files)
    const hash = createHash('sha256').update('holdfast:tree\n')
    let lines = ''
    for (const [name, digest] of files) lines += `${digest} ${JSON.stringify(name)}\n`
    return { digest: `sha256:${hash.update(lines).digest('hex')}`, files }
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code
    if (code === undefined) throw e
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`
    throw failure('HF1207', { message: `The asset ${shown} ${why}.`, site, cause: e })
  }
}

function walk(folder: string, below: string, ignored: (path: string, name: string) => boolean, cache: StatCache, out: Map<string, string>): void {
  const entries = readdirSync(folder, { withFileTypes: true })
  entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  for (const entry of entries) {
    const { name } = entry
    if (ALWAYS_IGNORED.has(name)) continue
    const relative = below === '' ? name : `${below}/${name}`
    if (ignored(relative, name)) continue
    const path = join(folder, name)
    if (entry.isDirectory()) walk(path, relative, ignored, cache, out)
    else if (entry.isSymbolicLink()) out.set(relative, createHash('sha256').update(`link\0${readlinkSync(path)}`).digest('hex'))
    else if (entry.isFile()) out.set(relative, fileDigest(path, lstatSync(path), cache))
  }
}

function fileDigest(path: string, stats: Stats, cache: StatCache): string {
  const known = cache.get(path, stats)
  if (known !== undefined) return known
  const digest = createHash('sha256').update(readFileSync(path)).digest('hex')
  cache.put(path, stats, digest)
  return digest
}

/** `*` stands for anything but a slash, `**` for anything, `?` for one character. */
export function ignoredBy(globs: readonly string[]): (path: string, name: string) => boolean {
  if (globs.length === 0) return () => false
  const tests = globs.map((glob) => {
    const bare = glob.replace(/^\.?\//, '').replace(/\/(?:\*\*)?$/, '')
    return { onPath: glob.replace(/\/$/, '').includes('/'), re: globRegExp(bare) }
  })
  return (path, name) => tests.some((t) => t.re.test(t.onPath ? path : name))
}

function globRegExp(glob: string): RegExp {
  const body = glob.replace(/\*\*\/|\*\*|[*?]|[.+^${}()|[\]\\]/g, (m) => {
    if (m === '**/') return '(?:.*/)?'
    if (m === '**') return '.*'
    if (m === '*') return '[^/]*'
    if (m === '?') return '[^/]'
    return `\\${m}`
  })
  return new RegExp(`^${body}$`)
}
