import type { FlowState } from '../../state/index.ts'
import type { Vertex } from './compile.ts'
import { ends, type Atom } from './motion.ts'

/** What a flow at rest has come through, beside the states of its tasks. */
export interface Ending {
  /** An undo had failed before this run began. */
  readonly wasStuck: boolean
  /** A failure was left as it is. */
  readonly halted: boolean
  readonly suspending: boolean
  /** A controller waits for its next attempt. */
  readonly waiting: boolean
}

/** The state of the flow, from that of its tasks: it is never called reverted while anything stands. */
export function outcomeOf(atoms: readonly Atom[], target: ReadonlySet<Vertex> | undefined, { wasStuck, halted, suspending, waiting }: Ending): FlowState {
  const real = atoms.filter((a) => !ends(a))
  const wanted = target ? real.filter((a) => target.has(a.v)) : real
  if (real.some((a) => a.state === 'REVERT_FAILURE')) return wasStuck ? 'STUCK' : 'FAILURE'
  if (wanted.every((a) => (a.state === 'SUCCESS' && a.intention === 'EXECUTE') || a.state === 'IGNORE')) return 'SUCCESS'
  if (halted) return 'FAILURE'
  if (suspending && (waiting || real.some((a) => goesOn(a, target)))) return 'SUSPENDED'
  return real.every((a) => a.state === 'REVERTED' || a.state === 'PENDING' || a.state === 'IGNORE') ? 'REVERTED' : 'PARTIALLY_REVERTED'
}

/** It would go on if it might. */
const goesOn = (a: Atom, target: ReadonlySet<Vertex> | undefined): boolean => a.state === 'REVERTING' || a.state === 'RUNNING'
  || (a.standing === 0 && (a.state === 'SUCCESS' || a.state === 'FAILURE') && (a.intention === 'REVERT' || a.intention === 'RETRY'))
  || (a.missing === 0 && a.state === 'PENDING' && a.intention === 'EXECUTE' && (!target || target.has(a.v)))
