import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { systemClock, type Millis } from '../../../base/index.ts'

/** Names one process for ever: a pid alone is reused, a pid with its start time within one boot is not. */
export interface ProcessId {
  readonly pid: number
  /** Clock ticks since boot on Linux (`/proc/PID/stat`, field 22); the text of `ps -o lstart` elsewhere. */
  readonly start: string
  readonly boot: string
}

interface Stat {
  readonly state: string
  readonly parent: number
  readonly group: number
  readonly start: string
}

const linux = process.platform === 'linux'
const POLL_MS = 20

let boot: string | undefined
/** Changes with every start of the machine. */
export function bootId(): string {
  boot ??= linux ? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() : execFileSync('sysctl', ['-n', 'kern.boottime'], { encoding: 'utf8' }).trim()
  return boot
}

/** The name of the program may hold spaces and parentheses, so fields are counted from its last parenthesis. */
function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const f = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state: f[0] as string, parent: Number(f[1]), group: Number(f[2]), start: f[19] as string }
  } catch {
    return undefined
  }
}

/** Start time of a process that lives; undefined for none and for one that is dead but not yet collected by its parent. */
function startOf(pid: number): string | undefined {
  if (linux) {
    const s = readStat(pid)
    return s === undefined || isDead(s) ? undefined : s.start
  }
  try {
    const [state, ...start] = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim().split(/\s+/)
    return state === undefined || state.startsWith('Z') ? undefined : start.join(' ')
  } catch {
    return undefined
  }
}

/** Identity of a process that lives now. */
export function identify(pid: number): ProcessId | undefined {
  const start = startOf(pid)
  return start === undefined ? undefined : { pid, start, boot: bootId() }
}

export const isAlive = (id: ProcessId): boolean => id.boot === bootId() && startOf(id.pid) === id.start

const isDead = (s: Stat): boolean => s.state === 'Z' || s.state === 'X'

function allProcesses(): readonly { readonly pid: number; readonly stat: Stat }[] {
  const all: { pid: number; stat: Stat }[] = []
  for (const name of readdirSync('/proc')) {
    if (name.charCodeAt(0) < 48 || name.charCodeAt(0) > 57) continue
    const stat = readStat(Number(name))
    if (stat && !isDead(stat)) all.push({ pid: Number(name), stat })
  }
  return all
}

/** The process, its group, and everything that descends from it. Linux; elsewhere the process alone. */
export function family(pid: number): readonly number[] {
  if (!linux) return [pid]
  const all = allProcesses()
  const found = new Set<number>([pid])
  for (let before = 0; before !== found.size; ) {
    before = found.size
    for (const p of all) if (p.stat.group === pid || found.has(p.stat.parent)) found.add(p.pid)
  }
  return [...found]
}

/** Whether anybody of the group lives. The system also counts members that are dead and not yet collected, which may stay for ever. */
export const groupLives = (pid: number): boolean => signalGroup(pid, 0) && (!linux || allProcesses().some((p) => p.stat.group === pid))

/** Sends a signal to the whole group of a process that leads one; false: nobody is left in it. */
export function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal)
    return true
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * Ends a program that has lost its supervisor.
 *
 * Takes  what was written about it when it was started; nothing is sent unless pid, start time and boot are still the same.
 * Gives  when nobody of its group is left: its stop signal first, SIGKILL to the group after `withinMs`.
 */
export async function endProcess(id: ProcessId, signal: NodeJS.Signals, withinMs: Millis): Promise<void> {
  if (!isAlive(id)) return
  const until = systemClock.mono() + withinMs
  try {
    process.kill(id.pid, signal)
  } catch {
    return
  }
  while (isAlive(id) && systemClock.mono() < until) await systemClock.sleep(POLL_MS)
  // The leader's number is not given to anybody else while its group has members, so the group is still the one that was proven.
  signalGroup(id.pid, 'SIGKILL')
  while (isAlive(id)) await systemClock.sleep(POLL_MS)
}
