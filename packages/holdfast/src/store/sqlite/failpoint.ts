import { assert } from '../../base/index.ts'

/**
 * Counts durable commits of the process, whichever thread makes them, and dies at the one that a test names (contract.md section 5).
 * Heartbeats are not counted. Nothing here does anything without HOLDFAST_TEST=1 but count.
 */
export interface Failpoint {
  /** Just before the database is told to commit. */
  before(): void
  /** The commit is durable; nobody has been told. */
  after(): void
}

/** Shared with the writer thread, so that both count in one place. */
let counter = new Int32Array(new SharedArrayBuffer(4))

export const commitsMade = (): number => Atomics.load(counter, 0)
export const sharedCounter = (): SharedArrayBuffer => counter.buffer as SharedArrayBuffer
export function useCounter(buffer: SharedArrayBuffer): void {
  counter = new Int32Array(buffer)
}

export interface FailpointSetting {
  readonly kind: 'none' | 'count' | 'kill'
  readonly n: number
  readonly when: 'before' | 'after'
}
const NONE: FailpointSetting = { kind: 'none', n: 0, when: 'before' }

/** Reads HOLDFAST_FAILPOINT, honoured only under HOLDFAST_TEST=1: `commit:N:before`, `commit:N:after` or `count`. */
export function failpointSetting(env: Readonly<Record<string, string | undefined>>): FailpointSetting {
  const text = env.HOLDFAST_FAILPOINT
  if (env.HOLDFAST_TEST !== '1' || !text || text.startsWith('spool:')) return NONE // that one is the spool's
  if (text === 'count') return { ...NONE, kind: 'count' }
  const m = /^commit:(\d+):(before|after)$/.exec(text)
  assert(m, `HOLDFAST_FAILPOINT: ${text} is none of commit:N:before, commit:N:after, count, spool:STEP`)
  return { kind: 'kill', n: Number(m[1]), when: m[2] as 'before' | 'after' }
}

export function makeFailpoint(setting: FailpointSetting): Failpoint {
  const dieAt = (when: FailpointSetting['when'], n: number) => {
    if (setting.kind === 'kill' && setting.when === when && setting.n === n) process.kill(process.pid, 'SIGKILL')
  }
  return {
    before: () => dieAt('before', commitsMade() + 1),
    after: () => dieAt('after', Atomics.add(counter, 0, 1) + 1),
  }
}
