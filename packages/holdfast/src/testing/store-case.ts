import assert from 'node:assert/strict'
import { isFailure, type FailureCode } from '../base/index.ts'
import type { Store } from '../store/index.ts'
import { createEnv, ENV, runRow } from './store-fixtures.ts'

/** One fresh store. */
export interface StoreSubject {
  readonly store: Store
  /** Closes the store and opens it again on what it kept. A store that keeps nothing leaves it out. */
  reopen?(): Promise<Store>
  /** Another store on the same data, as another process would have it. */
  second?(): Promise<Store>
  /** Closes whatever is open. */
  close(): Promise<void>
}

/** A case that leaves rows which no engine would write, or no store that is open: nothing can be examined after it. */
export const NO_DOCTOR = 'no doctor'

/** One promise of the port: how it is seen to be kept. What it leaves is examined then: in the subject's store, or in the one that it gives because it has closed that. */
export type Case = (subject: StoreSubject) => Promise<void | Store | typeof NO_DOCTOR>

export const ALREADY = { env: ENV }
export const started = async (store: Store): Promise<void> => {
  await store.commit([createEnv(), { t: 'run.put', row: runRow() }, { t: 'env.open', env: ENV, run: 'r-1' }], ALREADY)
}

export async function refused(code: FailureCode, act: Promise<unknown>): Promise<Error & { address?: string | undefined; details?: Readonly<Record<string, unknown>> | undefined }> {
  try {
    await act
  } catch (e) {
    assert(isFailure(e), `expected ${code}, got ${String(e)}`)
    assert.equal(e.code, code)
    return e
  }
  throw new assert.AssertionError({ message: `expected ${code}, but it was accepted` })
}

export async function isBug(act: Promise<unknown>): Promise<void> {
  await assert.rejects(act, (e: Error) => e.name === 'Bug')
}

export async function dump(store: Store): Promise<string[]> {
  const lines: string[] = []
  for await (const line of store.export()) lines.push(line)
  return lines
}

export const addresses = async (store: Store, view: Parameters<Store['resources']>[1]) => (await store.resources(ENV, view)).map((r) => `${r.address}@${r.since}`)
