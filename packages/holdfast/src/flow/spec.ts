import type { Millis } from '../base/index.ts'

/**
 * One task of a flow.
 *
 * `after`          ids of tasks that must have succeeded (or were skipped) before it starts. Ids that are not in the flow are ignored.
 * `limit`          a class with its own parallelism (a resource type); '' for none.
 * `undo`           how it is taken back: nothing to do, or two halves. *Withdraw* removes what the task made, after the withdrawals of all that came
 *                  after it. *Restore* brings back what was there, after that and after the restores of `restoreAfter` (decisions 1.3).
 *                  `freedBy`: tasks that took what this one gave up; it cannot be brought back before they are. `makes`: it makes something that those
 *                  behind it may come to refer to; it is withdrawn when they are restored, unless their restore in turn has to wait for that.
 *                  `within`: tasks that made what this one's object was moved into. What goes would take it along, so it is restored before, and
 *                  rather than after what it reads.
 * `done`           it has ended before this flow began: well, so only its undo may be asked for, or with an unknown outcome, so what it may refer
 *                  to is kept.
 */
export interface TaskSpec {
  readonly id: string
  readonly after: readonly string[]
  readonly limit: string
  readonly undo: 'none' | { readonly restoreAfter: readonly string[]; readonly freedBy?: readonly string[]; readonly makes?: boolean; readonly within?: readonly string[] }
  readonly retries: number
  readonly deadlineMs: Millis | undefined
  readonly done: false | true | 'unknown'
}

export interface FlowSpec {
  readonly tasks: readonly TaskSpec[]
  /** Most tasks that run at the same time. */
  readonly parallelism: number
  /** The same per class; a class that is not named has no limit of its own. */
  readonly limits: Readonly<Record<string, number>>
  /** What a failure leads to: take back, stop and keep, or go on with all that does not wait for what failed. A cancellation takes back or keeps. */
  readonly onFailure: 'revert' | 'keep' | 'continue'
  /** Who cancelled says, once all that ran has ended, whether to take back or to keep. */
  readonly asks?: boolean
}

const task = (id: string, more: Partial<TaskSpec>): TaskSpec => ({ id, after: [], limit: '', undo: { restoreAfter: [] }, retries: 0, deadlineMs: undefined, done: false, ...more })

type Given = Partial<Omit<TaskSpec, 'id' | 'after'>> & { readonly id: string }

/** Tasks that run one after the other, in the order given. */
export const linear = (tasks: readonly Given[]): TaskSpec[] => tasks.map((t, i) => task(t.id, { ...t, after: i ? [(tasks[i - 1] as Given).id] : [] }))
/** Tasks that do not wait for each other. */
export const unordered = (tasks: readonly Given[]): TaskSpec[] => tasks.map((t) => task(t.id, t))
/** Tasks that wait for what they name. */
export const graph = (tasks: readonly (Given & { readonly after?: readonly string[] })[]): TaskSpec[] => tasks.map((t) => task(t.id, t))
