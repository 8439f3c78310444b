import { canonical, failure, parseCanonical } from '../base/index.ts'
import type { Keyring } from '../secret/index.ts'
import type { Plan } from './plan.ts'

const LABEL = 'holdfast:plan:1'

/**
 * The plan as text: a line that tells what it is, with a MAC under the environment's key, and the plan as canonical JSON.
 * An edited or foreign one is refused. Holds no secret in clear.
 */
export function writePlan(plan: Plan, ring: Keyring | undefined): string {
  const body = canonical(plan)
  return `${JSON.stringify({ holdfast: 'plan', v: 1, mac: ring?.mac(LABEL, body) ?? '' })}\n${body}\n`
}

/** Fails HF2402: not a plan, edited, or of another key; HF4301 without a key. */
export function readPlan(text: string, ring: Keyring | undefined): Plan {
  const [head = '', body = ''] = text.split('\n', 2)
  let header: { holdfast?: unknown; mac?: unknown } | null
  try {
    header = JSON.parse(head) as typeof header
  } catch (cause) {
    throw failure('HF2402', { message: 'This is not a plan.', cause })
  }
  if (header?.holdfast !== 'plan' || typeof header.mac !== 'string') throw failure('HF2402', { message: 'This is not a plan.' })
  if (!ring) throw failure('HF4301', { message: 'The plan cannot be checked without the key of the state.' })
  if (header.mac !== ring.mac(LABEL, body)) throw failure('HF2402', { message: 'The plan was edited, or was made with another key.' })
  return parseCanonical(body) as Plan
}
