import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock, systemRandom } from '../../../base/index.ts'
import type { Mark } from '../../../model/index.ts'
import { identify, isAlive, type ProcessId } from './identity.ts'
import { claimsIn, PID_FILE, readPid } from './place.ts'

const CLAIM_WAIT_MS = 5_000

/**
 * Makes this process the only supervisor of the folder.
 *
 * Gives   true: the pid file names this process. False: another one lives, or wins this moment.
 * Why two steps: the file of a dead supervisor must be replaced, and two heirs that both judged it dead must not both replace it. So heirs first
 * take a lock that cannot outlive its holder: each writes a file named after itself, then looks for others. Of two that write and then look, at least
 * one sees the other and steps back; a file of a dead process counts for nothing. Whoever sees nobody replaces the pid file.
 */
export async function claimPlace(run: string, mark: Mark): Promise<boolean> {
  const me = identify(process.pid)
  if (me === undefined) return false
  const until = systemClock.mono() + CLAIM_WAIT_MS
  const own = `claim.${me.pid}.${Buffer.from(me.start).toString('hex')}`
  try {
    while (systemClock.mono() < until) {
      const holder = readPid(run)
      if (holder && isAlive(holder)) return false
      writeFileSync(join(run, own), JSON.stringify(me), { mode: 0o600 })
      if (!someoneElseClaims(run, own)) return takePidFile(run, own, me, mark)
      rmSync(join(run, own), { force: true })
      await systemClock.sleep(5 + ((systemRandom.bytes(1)[0] as number) % 50))
    }
    return false
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return false // the folder was removed meanwhile; whoever needs it makes it again
    throw e
  } finally {
    rmSync(join(run, own), { force: true })
  }
}

function someoneElseClaims(run: string, own: string): boolean {
  let other = false
  for (const name of claimsIn(run)) {
    if (name === own) continue
    const [, pid, startHex] = name.split('.')
    const now = identify(Number(pid))
    if (now && Buffer.from(now.start).toString('hex') === startHex) other = true
    else rmSync(join(run, name), { force: true }) // of a dead process: the name is never used again
  }
  return other
}

function takePidFile(run: string, own: string, me: ProcessId, mark: Mark): boolean {
  const file = join(run, PID_FILE)
  const holder = readPid(run)
  if (holder && isAlive(holder)) return false
  rmSync(file, { force: true })
  writeFileSync(join(run, own), `${JSON.stringify({ ...me, store: mark.store, uid: mark.uid, ordinal: mark.ordinal })}\n`, { mode: 0o600 })
  linkSync(join(run, own), file) // exclusive, and complete from its first moment
  return true
}

/** Gives the folder up. Only the own pid file is removed. */
export function leavePlace(run: string): void {
  const file = join(run, PID_FILE)
  try {
    if ((JSON.parse(readFileSync(file, 'utf8')) as ProcessId).pid === process.pid) rmSync(file, { force: true })
  } catch {
    // it is gone already
  }
}
