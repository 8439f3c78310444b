import { isFailure } from '../../src/base/index.ts'
import type { EngineContext, RunSession, SettleHow } from '../../src/engine/index.ts'
import type { TxRow } from '../../src/state/index.ts'
import { liesBeyond } from '../support/held.ts'
import { kindOf, type Inputs } from './kinds.ts'
import type { Lab } from './run.ts'
import { specText } from './world.ts'

/** A person looks into the world and says what is there, of every change that nobody else can settle, unless it lies beyond what the session holds. */
export async function settleAll(lab: Lab, cx: EngineContext, session: RunSession, retry: boolean): Promise<void> {
  for (const tx of await cx.store.txs({ unresolved: true, status: 'unknown' })) {
    if (liesBeyond(lab.tables, cx, tx.address)) continue
    const how = retry && harmless(lab, tx) ? { kind: 'retry' as const } : whatIsThere(lab, tx)
    lab.note(() => `settles ${tx.op} ${tx.address} ${JSON.stringify(how)}`)
    try {
      await session.settle(tx.token, how)
    } catch (e) {
      if (!isFailure(e)) throw e
      lab.note(() => `cannot settle: ${e.code} ${e.message}`)
    }
  }
}

/** What is sent again does nothing twice. */
const harmless = (lab: Lab, tx: TxRow): boolean => tx.op !== 'create' || kindOf(tx.type).create === 'A' || lab.world.ours(tx).length === 0

function whatIsThere(lab: Lab, tx: TxRow): SettleHow {
  const [o] = lab.world.ours(tx)
  if (tx.op === 'create') return o ? { kind: 'adopt', id: o.id } : { kind: 'absent' }
  if (tx.op === 'delete') return { kind: 'to', state: o ? 'previous' : 'new' }
  if (!o) return { kind: 'to', state: 'previous' }
  const wanted = lab.checks.opened(tx, 'inputs', tx.target.inputs) as unknown as Inputs
  if (specText(o.spec) === specText(wanted)) return { kind: 'to', state: 'new' }
  const before = lab.checks.opened(tx, 'inputs', tx.target.prior?.inputs ?? '{}') as unknown as Inputs
  // Neither: the person puts it back by hand.
  if (specText(o.spec) !== specText(before)) o.spec = before
  return { kind: 'to', state: 'previous' }
}
