import { failure, HoldfastError, inWords, isFailure, textOf } from '../base/index.ts'
import type { Holder } from '../state/index.ts'
import type { SnapshotMutation } from './ports.ts'

/** The target provider knows no target of that name. */
export class TargetNotFound extends HoldfastError {
  constructor(name: string) {
    super('HF6011', { message: `There is no target ${inWords(name)}.`, details: { target: name } })
  }
}

/** Another live holder is at work on the target. */
export class MutationOpen extends HoldfastError {
  constructor(name: string, by: Holder) {
    super('HF4204', { message: `${name} is being changed by ${by.id} (pid ${by.pid} on ${by.host}).`, details: { target: name, holder: by.id, host: by.host, pid: by.pid } })
  }
}

const NAME_BYTES_MAX = 255

/** Fails HF1305: a target is named by segments of `A-Z a-z 0-9 . _ -` with `/` between them, none of them `.` or `..`, 1 to 255 bytes in all. */
export function checkTargetName(name: string): void {
  const segments = typeof name === 'string' ? name.split('/') : []
  const good = segments.length > 0 && segments.every((s) => /^[A-Za-z0-9._-]+$/.test(s) && s !== '.' && s !== '..') && name.length <= NAME_BYTES_MAX
  if (!good) throw failure('HF1305', { message: `${inWords(name)} cannot be the name of a target.` })
}

/** What a provider that keeps snapshots as a whole, or the engine, says of one that contradicts itself. */
export const damaged = (target: string, why: string): HoldfastError => failure('HF4011', { message: `The snapshot of ${textOf(target)} is damaged: ${textOf(why)}.`, details: { target } })

/** What it says of one that a newer version wrote. */
export const newer = (target: string, v: unknown): HoldfastError =>
  failure('HF4002', { message: `The snapshot of ${textOf(target)} has version ${textOf(v)}, which this program does not know.`, hint: 'Use the newer version of Holdfast.', details: { target, v } })

/** The snapshot provider could not do what was asked of it: the run ends where it stands. */
export const notKept = (target: string, what: string, cause: unknown): HoldfastError =>
  failure('HF4006', {
    message: `The snapshot of ${target} could not be written: ${what}${cause instanceof Error ? `: ${isFailure(cause) ? `${cause.code} ` : ''}${cause.message}` : ''}`,
    hint: 'Mend what keeps the snapshots, then apply again: what was done is known, or is looked up.', cause,
  })

/** What a provider of targets or of snapshots throws when it is asked; what has a code of its own keeps it. `silent`: what is said may hold a secret. */
export async function fromProvider<T>(what: string, ask: () => T | Promise<T>, silent = false): Promise<T> {
  try {
    return await ask()
  } catch (e) {
    if (isFailure(e)) throw e
    throw failure('HF4012', { message: `${what} failed${silent ? '' : `: ${(e instanceof Error ? e.message : textOf(e)).replace(/\.$/, '')}`}.`, cause: silent ? undefined : e })
  }
}

/** What `beginMutation` gave. Fails when it cannot be ended: a mark that nobody can take away again is none. */
export function asMutation(given: SnapshotMutation | undefined): SnapshotMutation {
  if (typeof given?.end !== 'function') throw new Error('beginMutation gave nothing that can be ended')
  return given
}

const elsewhere = failure('HF4301').hint
const KEY_HINT = 'Give the engine the `home` that its key lies in, or the place of the key as `key`: keyFile(path) or keyEnv(name).'

/** Where the way out of a missing key would lead to the folder of a project: an engine is told where its key is by whoever made it. */
export function aboutKey(e: unknown): unknown {
  if (!isFailure(e) || e.code !== 'HF4301' || e.hint !== elsewhere) return e
  return failure('HF4301', { message: e.message, hint: KEY_HINT, ...(e.address === undefined ? {} : { address: e.address }), site: e.site, cause: e })
}

/** The same in the document of a run. */
export function documentAboutKey<T>(result: T): T {
  const { error } = result as { readonly error?: { readonly code?: string; readonly hint?: string } }
  return error?.code === 'HF4301' && error.hint === elsewhere ? { ...result, error: { ...error, hint: KEY_HINT } } : result
}
