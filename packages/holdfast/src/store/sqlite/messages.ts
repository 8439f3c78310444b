import { Bug, failure, isFailure, type FailureCode, type Millis } from '../../base/index.ts'
import type { Acquired, GrantRequest, HandOver } from '../grant.ts'
import type { LeaseRow } from '../../state/index.ts'
import type { Committed } from '../port.ts'
import type { TxResult } from './core.ts'
import type { Cell } from './driver.ts'

/** What the writer thread is started with. */
export interface WriterData {
  readonly path: string
  readonly counter: SharedArrayBuffer
}

export type ToWriter =
  | { readonly t: 'commit'; readonly id: number; readonly cells: Cell[] }
  | { readonly t: 'acquire'; readonly id: number; readonly request: GrantRequest }
  | { readonly t: 'transfer'; readonly id: number; readonly wish: HandOver }
  | { readonly t: 'leave'; readonly id: number; readonly ticket: number }
  | { readonly t: 'release'; readonly id: number; readonly scope: string; readonly fence: number }
  | { readonly t: 'keep'; readonly scope: string; readonly fence: number; readonly ttlMs: Millis; readonly everyMs: Millis }
  | { readonly t: 'unkeep'; readonly fence: number }
  | { readonly t: 'close'; readonly id: number }

export type FromWriter =
  | { readonly t: 'ready' }
  | { readonly t: 'committed'; readonly id: number; readonly results: readonly (Committed | SentError)[] }
  | { readonly t: 'acquired'; readonly id: number; readonly result: Acquired }
  | { readonly t: 'transferred'; readonly id: number; readonly granted: LeaseRow }
  | { readonly t: 'done'; readonly id: number }
  | { readonly t: 'failed'; readonly id: number; readonly error: SentError }
  | { readonly t: 'lost'; readonly scope: string; readonly fence: number; readonly reason: string }

/** An error on its way between threads: a failure keeps its code, anything else is a bug. */
export interface SentError {
  readonly code: string | undefined
  readonly message: string
  readonly hint: string | undefined
  readonly address: string | undefined
  readonly details: Readonly<Record<string, unknown>> | undefined
}

export function sendError(e: unknown): SentError {
  if (isFailure(e)) return { code: e.code, message: e.message, hint: e.hint, address: e.address, details: e.details }
  return { code: undefined, message: e instanceof Error ? e.message : String(e), hint: undefined, address: undefined, details: undefined }
}

export function receiveError(e: SentError): Error {
  if (e.code === undefined) return new Bug(e.message)
  return failure(e.code as FailureCode, {
    message: e.message, ...(e.hint === undefined ? {} : { hint: e.hint }), ...(e.address === undefined ? {} : { address: e.address }), ...(e.details ? { details: e.details } : {}),
  })
}

export const sendResult = (r: TxResult): Committed | SentError => (r instanceof Error ? sendError(r) : r)

