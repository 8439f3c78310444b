import { existsSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { makeFolders, sha256hex } from '../../base/index.ts'

/**
 * Which folders hold data (`data: true`), and which commands have filled them to the end.
 *
 * Always true: what completed a folder goes with it into the trash and comes back with it, so that a database that was
 * initialised once is not initialised again, and one that was left half-way is not taken for whole.
 */
interface Holder {
  readonly path: string
  /** Paths below the holder (`''`: itself) whose command ended well. */
  readonly completed: readonly string[]
  /** A person took it out of the trash; nobody owns it until a create takes it over. */
  readonly restored?: boolean
}

const fileOf = (home: string, path: string): string => join(home, 'holders', `${sha256hex(path).slice(0, 32)}.json`)

function readHolder(home: string, path: string): Holder | undefined {
  const file = fileOf(home, path)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Holder) : undefined
}

export function noteHolder(home: string, path: string, completed: readonly string[] = [], restored = false): void {
  const file = fileOf(home, path)
  makeFolders(dirname(file), 0o700)
  writeFileSync(`${file}.new`, JSON.stringify({ path, completed, ...(restored ? { restored } : {}) } satisfies Holder), { mode: 0o600, flush: true })
  renameSync(`${file}.new`, file)
}

/** Keeps what was completed when the holder is noted already. */
export function ensureHolder(home: string, path: string): void {
  if (!readHolder(home, path)) noteHolder(home, path)
}

/** Gives what was completed in it. */
export function dropHolder(home: string, path: string): readonly string[] {
  const holder = readHolder(home, path)
  if (!holder) return []
  rmSync(fileOf(home, path), { force: true })
  try {
    rmdirSync(join(home, 'holders'))
  } catch {
    // There are others.
  }
  return holder.completed
}

export const isRestored = (home: string, path: string): boolean => readHolder(home, path)?.restored === true

export const completedIn = (home: string, holder: string): readonly string[] => readHolder(home, holder)?.completed ?? []

/** The data holder that `path` is, or lies in. */
export function holderOf(home: string, path: string): string | undefined {
  if (!existsSync(join(home, 'holders'))) return undefined
  for (let at = path; ; at = dirname(at)) {
    if (existsSync(fileOf(home, at))) return at
    if (at === dirname(at)) return undefined
  }
}

const below = (holder: string, path: string): string => relative(holder, path).split(sep).join('/')

export const isCompleted = (home: string, holder: string, path: string): boolean => completedIn(home, holder).includes(below(holder, path))

export function markCompleted(home: string, holder: string, path: string): void {
  const known = completedIn(home, holder)
  const name = below(holder, path)
  if (!known.includes(name)) noteHolder(home, holder, [...known, name])
}
