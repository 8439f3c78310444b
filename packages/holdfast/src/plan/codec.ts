import { canonical, failure, type Plain } from '../base/index.ts'
import { hides, isSecret, SecretValue, type ExprNode, type Value } from '../model/index.ts'
import { decodeDoc, encodeDoc, type Keyring } from '../secret/index.ts'
import type { Plan, PlannedChange } from './plan.ts'

const LABEL = 'holdfast:plan:1'
/** Where a sealed part of a plan belongs; to which plan, its transaction says. */
const PLACE = { table: 'plan', row: 'plan', field: 'plan', type: 'holdfast:plan' }

/**
 * The plan as text: a line that tells what it is, with a MAC under the environment's key, and the plan as canonical JSON.
 * An edited or foreign one is refused. Holds no secret in clear: expressions in which one may stand are sealed as a whole.
 *
 * Fails    HF4301 when something must be sealed and there is no key.
 */
export function writePlan(plan: Plan, ring: Keyring | undefined): string {
  const stored = mapExprs(plan, (e, secret) => (secret || hides(e) ? new SecretValue('', () => e as unknown as Plain) as never : e))
  const body = stored === plan ? canonical(plan) : encodeDoc(stored as unknown as Value, { ...PLACE, tx: plan.id }, ring)
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
  return mapExprs(decodeDoc(body, PLACE, ring) as unknown as Plan, (e) => (isSecret(e) ? SecretValue.reveal(e) as unknown as ExprNode : e))
}

/** The plan with every expression of it replaced; itself, where nothing is another. `secret`: it is the inputs of a type that has secret ones. */
function mapExprs(plan: Plan, f: (e: ExprNode, secret: boolean) => ExprNode): Plan {
  const of = (e: ExprNode | undefined, secret = false): ExprNode | undefined => e && f(e, secret)
  let changed = false
  const changes = plan.changes.map((c): PlannedChange => {
    const inputs = of(c.inputs, c.sealed)
    const when = of(c.options?.replaceWhen)
    if (inputs === c.inputs && when === c.options?.replaceWhen) return c
    changed = true
    return { ...c, inputs, ...(c.options && when ? { options: { ...c.options, replaceWhen: when } } : {}) }
  })
  const outputs = of(plan.outputs)
  return changed || outputs !== plan.outputs ? { ...plan, changes, outputs } : plan
}
