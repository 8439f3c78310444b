import { canonical, isFailure, parseCanonical, textOf } from '../../base/index.ts'
import type { FlowTaskRow } from '../../state/index.ts'
import { Failure, type FailureDoc } from './failure.ts'
import { failing } from './kinds.ts'
import { kindOf, type Atom } from './motion.ts'
import type { HistoryEntry } from './port.ts'

/** Canonical JSON of a value that a task gave. Fails HF3214 with the path of what cannot be stored. */
export function encodeValue(value: unknown, what: string): string | undefined {
  if (value === undefined) return undefined
  try {
    return canonical(value)
  } catch (e) {
    throw failing('HF3214', { message: `${what} cannot be stored: ${isFailure(e) ? e.message : textOf(e)}`, cause: e })
  }
}
export const decodeValue = (text: string | undefined): unknown => (text === undefined ? undefined : parseCanonical(text))

/** How far a body is: between 0 and 1. */
export const clamped = (done: number): number => Math.min(1, Math.max(0, Number(done) || 0))
export const encodeProgress = (task: string, done: number, details: unknown): string => encodeValue({ done, ...(details === undefined ? {} : { details }) }, `The progress of ${task}`) as string

const encodeFailure = (f: Failure | undefined): string | undefined => f && JSON.stringify(f)
const decodeFailure = (text: string | undefined): Failure | undefined => (text === undefined ? undefined : Failure.from(JSON.parse(text) as FailureDoc))

/** What of an atom is kept, and under which number. `encoded`: its result, encoded when it was given. */
export function rowOf(a: Atom, at: number, encoded: string | undefined, progress: string | undefined): FlowTaskRow {
  return {
    at, name: a.v.name, kind: kindOf(a), state: a.state, intention: a.intention, attempt: a.attempt, epoch: a.epoch,
    result: encoded, failure: encodeFailure(a.failure), undoResult: encodeValue(a.undoResult, `What the undo of ${a.v.name} returned`), undoFailure: encodeFailure(a.undoFailure),
    history: a.history.length === 0 ? undefined : canonical(a.history.map((h) => ({ value: h.value, failures: Object.fromEntries(Object.entries(h.failures).map(([k, f]) => [k, f.toJSON()])) }))),
    wakeAt: a.wakeAt, progress,
  }
}

export function restore(a: Atom, row: FlowTaskRow): void {
  const history = (decodeValue(row.history) ?? []) as { readonly value: unknown; readonly failures: Readonly<Record<string, FailureDoc>> }[]
  Object.assign(a, {
    state: row.state, intention: row.intention, attempt: row.attempt, epoch: row.epoch, result: decodeValue(row.result), failure: decodeFailure(row.failure),
    undoResult: decodeValue(row.undoResult), undoFailure: decodeFailure(row.undoFailure), wakeAt: row.wakeAt, completed: row.at,
    history: history.map((h): HistoryEntry => ({ value: h.value, failures: Object.fromEntries(Object.entries(h.failures).map(([k, f]) => [k, Failure.from(f)])) })),
  } satisfies Partial<Atom>)
}
