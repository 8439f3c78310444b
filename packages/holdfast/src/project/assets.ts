import { copyFileSync, chmodSync, existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, symlinkSync, utimesSync } from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { failure, makeFolders } from '../base/index.ts'
import type { Value } from '../model/index.ts'
import { openStatCache } from './asset-cache.ts'
import { hashAsset, type AssetState } from './asset-hash.ts'
import { tryWriteWhole } from './home.ts'

export interface Asset {
  readonly path: string
  readonly digest: string
}

/**
 * The files and trees that a program names, and their bytes as they were when they were applied.
 *
 * Always true: a kept asset is whole (it appears by a rename); its path and digest decide where it lies.
 */
export interface Assets {
  /** `{ path, digest }` as it is now; asked twice, hashed once. Fails HF1207. */
  take(path: string, ignore: readonly string[]): Value
  /** Copies bytes into `.holdfast/assets`; what is there already costs nothing. Fails HF1207 when a file changed since it was taken. */
  keep(assets: readonly Asset[]): Promise<void>
  /** Removes kept bytes that are not `live`; what was kept or asked for within the last day stays, for a run of another environment that has just begun. */
  prune(live: ReadonlySet<string>): void
  /** The user's file while it has that digest, else the kept bytes. */
  pathOf(asset: Asset): string
  /** Files that differ between two states of a tree, or of a single file; undefined when one of them is not known. */
  changedFiles(before: string, after: string): { readonly changed: readonly string[]; readonly total: number } | undefined
  save(): void
}

export function openAssets(root: string, home: string): Assets {
  const cache = openStatCache(home)
  const states = new Map<string, AssetState>()
  /** How the trees of this process were taken, to take them again. */
  const ignores = new Map<string, readonly string[]>()
  const kept = join(home, 'assets')

  const state = (path: string, ignore: readonly string[]): AssetState => {
    const key = `${path}\0${ignore.join('\0')}`
    let s = states.get(key)
    if (!s) states.set(key, (s = hashAsset(resolve(root, path), ignore, cache, path)))
    return s
  }
  const keptPath = (a: Asset): string => join(kept, bare(a.digest), basename(resolve(root, a.path)))
  const indexFile = (digest: string): string => join(kept, `${bare(digest)}.index`)
  const keyOf = (a: Asset): string => `${a.path}\0${a.digest}`

  const index = (digest: string): { readonly ignore: readonly string[]; readonly files: Record<string, string> } | undefined => {
    try {
      return JSON.parse(readFileSync(indexFile(digest), 'utf8')) as { ignore: string[]; files: Record<string, string> }
    } catch {
      return undefined // a single file, or a tree that was never kept
    }
  }
  const ignoreOf = (a: Asset): readonly string[] => ignores.get(keyOf(a)) ?? index(a.digest)?.ignore ?? []

  /** A single file is a tree of one. */
  const filesOf = (digest: string): ReadonlyMap<string, string> | undefined => {
    for (const [key, s] of states) if (s.digest === digest) return s.files ?? new Map([[basename(resolve(root, key.split('\0')[0] as string)), digest]])
    const saved = index(digest)
    if (saved) return new Map(Object.entries(saved.files))
    const [name, ...more] = namesIn(join(kept, bare(digest)))
    return name === undefined || more.length > 0 ? undefined : new Map([[name, digest]])
  }

  return {
    take(path, ignore) {
      const s = state(path, ignore)
      const asset: Asset = { path: shownPath(root, path), digest: s.digest }
      ignores.set(keyOf(asset), ignore)
      return { path: asset.path, digest: asset.digest }
    },

    async keep(assets) {
      for (const a of assets) {
        const to = keptPath(a)
        if (existsSync(to)) {
          const now = new Date()
          utimesSync(dirname(to), now, now)
          continue
        }
        const from = resolve(root, a.path)
        const ignore = ignoreOf(a)
        const s = state(a.path, ignore)
        if (s.digest !== a.digest) throw changedSince(a)
        if (s.files && !existsSync(indexFile(a.digest))) tryWriteWhole(indexFile(a.digest), JSON.stringify({ ignore, files: Object.fromEntries(s.files) }))
        const aside = `${dirname(to)}.${process.pid}.new`
        rmSync(aside, { recursive: true, force: true })
        try {
          copyAsset(from, join(aside, basename(to)), s)
          // What lies there must be what the digest says, also when the file changed while it was copied.
          if (hashAsset(join(aside, basename(to)), [], noCache, a.path).digest !== a.digest) throw changedSince(a)
          makeFolders(dirname(to), 0o700)
          if (!existsSync(to)) renameSync(join(aside, basename(to)), to)
        } finally {
          rmSync(aside, { recursive: true, force: true })
        }
      }
    },

    prune(live) {
      const bares = new Set([...live].map(bare))
      for (const name of namesIn(kept)) {
        if (bares.has(name.replace(/\.index$/, ''))) continue
        const at = join(kept, name)
        if (Date.now() - lstatSync(at).mtimeMs > PRUNE_AFTER_MS) rmSync(at, { recursive: true, force: true })
      }
    },

    pathOf(a) {
      const own = resolve(root, a.path)
      const saved = keptPath(a)
      if (!existsSync(saved)) return own
      try {
        // Read anew: the file may have changed since the plan.
        const fresh = hashAsset(own, ignoreOf(a), cache, a.path)
        return fresh.digest === a.digest ? own : saved
      } catch {
        return saved
      }
    },

    changedFiles(before, after) {
      const a = filesOf(before)
      const b = filesOf(after)
      if (!a || !b) return undefined
      const changed = [...new Set([...a.keys(), ...b.keys()])].filter((f) => a.get(f) !== b.get(f)).sort()
      return { changed, total: b.size }
    },

    save: () => cache.save(),
  }
}

const PRUNE_AFTER_MS = 86_400_000

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return [] // it was never kept
  }
}

const noCache = { get: () => undefined, put: () => undefined, save: () => undefined }
const bare = (digest: string): string => digest.replace(/^sha256:/, '')
const changedSince = (a: Asset) => failure('HF1207', { message: `The asset ${a.path} changed while it was planned.`, hint: 'Run the command again.' })

/** Relative to the program, with forward slashes: the state does not depend on where the project lies. */
function shownPath(root: string, path: string): string {
  const below = relative(root, resolve(root, path)).split(sep).join('/')
  return below === '' ? '.' : below
}

function copyAsset(from: string, to: string, s: AssetState): void {
  if (!s.files) return copyOne(from, to, false)
  makeFolders(to, 0o700)
  for (const name of s.files.keys()) copyOne(join(from, name), join(to, name), true)
}

function copyOne(from: string, to: string, keepLinks: boolean): void {
  makeFolders(dirname(to), 0o700)
  if (keepLinks && lstatSync(from).isSymbolicLink()) return symlinkSync(readlinkSync(from), to)
  const stats = statSync(from)
  if (!stats.isFile()) throw failure('HF1207', { message: `${from} is not a file.` })
  copyFileSync(from, to)
  chmodSync(to, 0o600 | (stats.mode & 0o100)) // what can be run can still be run
}
