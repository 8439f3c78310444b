import { readdirSync, readFileSync, renameSync, rmSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, makeFolders as makePlain } from '../../../base/index.ts'
import { isAlive, type ProcessId } from './identity.ts'
import type { Running, Stop } from './protocol.ts'

/** Files of one Process object. The folder exists only while it has a supervisor, or a program that lost its supervisor. */
export interface Place {
  readonly run: string
  /** Log file, absolute, and as outputs name it: relative to the program's folder. */
  readonly log: string
}

export const PID_FILE = 'pid'
const STATUS_FILE = 'status.json'
export const SOCKET_FILE = 'ctl.sock'

export function placeOf(home: string, uid: string): Place {
  assert(/^[A-Za-z0-9_-]{1,64}$/.test(uid), `placeOf: ${uid} is no uid`)
  return { run: join(home, 'run', uid), log: join(home, 'logs', `${uid}.log`) }
}

export function makeFolders(home: string, place: Place): void {
  for (const dir of [home, join(home, 'run'), join(home, 'logs'), place.run]) makePlain(dir, 0o700)
}

/** A program as it was started. It is written down before the program's first instruction runs (see generation.ts). */
export interface ChildRecord {
  readonly id: ProcessId
  readonly key: string
  readonly stop: Stop
}

/** What the next supervisor, and `delete`, need to know when this one dies. No secret stands here. */
export interface Status {
  readonly v: 1
  readonly state: 'idle' | 'starting' | 'ready' | 'waiting' | 'stopping'
  readonly supervisor: ProcessId
  readonly running: Running | null
  readonly children: readonly ChildRecord[]
  readonly restarts: number
  readonly listen: number | null
  readonly lastExit: { readonly pid: number; readonly code: number | null; readonly signal: string | null; readonly at: string } | null
}

/** Replaces the file as a whole, so a reader never sees half of it. */
export function writeStatus(run: string, status: Status): void {
  const next = join(run, `${STATUS_FILE}.next`)
  writeFileSync(next, `${JSON.stringify(status)}\n`, { mode: 0o600 })
  renameSync(next, join(run, STATUS_FILE))
}

export function readStatus(run: string): Status | undefined {
  try {
    return JSON.parse(readFileSync(join(run, STATUS_FILE), 'utf8')) as Status
  } catch {
    return undefined
  }
}

/** Programs that still run although the supervisor that started them may be dead. */
export const liveChildren = (run: string): readonly ChildRecord[] => (readStatus(run)?.children ?? []).filter((c) => isAlive(c.id))

export function readPid(run: string): (ProcessId & { readonly store: string; readonly uid: string; readonly ordinal: number }) | undefined {
  try {
    return JSON.parse(readFileSync(join(run, PID_FILE), 'utf8'))
  } catch {
    return undefined
  }
}

/** Removes the folder when nobody needs it. A supervisor that starts in it at this moment fails, and is started again by whoever asked for it. */
export function removePlace(run: string): void {
  for (const name of [STATUS_FILE, `${STATUS_FILE}.next`]) rmSync(join(run, name), { force: true })
  try {
    rmdirSync(run)
  } catch {
    // Somebody else works in it already: the folder is theirs.
  }
}

/** Leftovers of processes that died while they tried to become the supervisor. */
export const claimsIn = (run: string): readonly string[] => readdirSync(run).filter((n) => n.startsWith('claim.'))
