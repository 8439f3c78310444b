import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { makeIds, systemClock, systemRandom, type EpochMs, type Millis } from '../base/index.ts'
import type { Holder } from '../state/index.ts'

const ids = makeIds(systemClock, systemRandom)

/** This process, as a lease names it. A new id with every call: one process may hold several leases one after the other. */
export const currentHolder = (): Holder => ({ id: ids.next('h'), host: hostname(), bootId: bootId(), pid: process.pid, startedAt: startOf(process.pid) ?? '', bootAt: Date.now() - sinceBoot() })

/**
 * Whether the process behind a lease still runs. `undefined`: it cannot be told from here (another machine, another boot, another
 * container), so only time can end the lease. Never says `false` by guessing: the same pid with another start time is another process.
 */
export function holderAlive(holder: Holder): boolean | undefined {
  if (holder.host !== hostname() || holder.bootId !== bootId()) return undefined
  if (process.platform === 'linux') {
    const start = startOf(holder.pid)
    return start !== undefined && start === holder.startedAt
  }
  try {
    process.kill(holder.pid, 0)
    return true
  } catch (e) {
    return (e as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/**
 * By how much the clock of this machine was put on since the holder noted it (negative: back); 0 for holders elsewhere, whose clocks nobody sees from here.
 * While a machine sleeps its clock goes on and its processes do not: that counts, too.
 */
export function clockPutOn(holder: Holder, nowMs: EpochMs): Millis {
  if (holder.bootAt === undefined || holder.host !== hostname() || holder.bootId !== bootId()) return 0
  const by = nowMs - sinceBoot() - holder.bootAt
  return Math.abs(by) < SLEWED_MS ? 0 : by
}
/** Clocks are set right by so much all the time, and two looks at two clocks are not one. */
const SLEWED_MS = 1_000

/** Milliseconds on a clock that nobody can set, the same for every process of this machine. */
const sinceBoot = (): Millis => Number(process.hrtime.bigint() / 1_000_000n)

let knownBoot: string | undefined
/** The boot, and the pid namespace: two containers with one host name do not mistake each other's pids for their own. */
function bootId(): string {
  if (knownBoot !== undefined) return knownBoot
  try {
    knownBoot = `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    knownBoot = ''
  }
  return knownBoot
}

/** Start time of a process in clock ticks since boot; undefined when it is gone, or dead and not yet reaped. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command name stands in parentheses and may hold blanks: fields are counted after the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
