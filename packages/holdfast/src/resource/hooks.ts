import { failure, mutant, type HoldfastError } from '../base/index.ts'
import type { HookPoint, Value } from '../model/index.ts'
import type { HookContext } from '../program/index.ts'
import { ask, openInputs } from './call.ts'
import { callTargetOf, openOutputs, type Change } from './change.ts'
import type { Fields } from './facts.ts'
import type { EnvState } from './state.ts'

/** A hook as a step names it. */
export interface NamedHook {
  readonly point: HookPoint
  readonly name: string
}

const points = {
  create: { before: 'beforeCreate', after: 'afterCreate' },
  update: { before: 'beforeUpdate', after: 'afterUpdate' },
  delete: { before: 'beforeDelete', after: 'afterDelete' },
} as const

/** The hook of a step, if its node names one. What is taken back runs none: a hook that failed may be why. */
export function hookOf(change: Pick<Change, 'op' | 'undo' | 'hooks'>, when: 'before' | 'after' | 'error'): NamedHook | undefined {
  if (!change.hooks || change.op === 'read' || change.undo || (when === 'before' && change.op === 'delete' && mutant('before-hook-forgotten'))) return undefined
  const point: HookPoint = when === 'error' ? 'onError' : points[change.op][when]
  const name = change.hooks[point]
  return name === undefined ? undefined : { point, name }
}

export type HookAnswer = { readonly ok: true; readonly retry: boolean } | { readonly ok: false; readonly error: HoldfastError }

/**
 * Runs a hook under the deadline of its step. Never rejects.
 *
 * Gives    what it answered, or HF3120 with what it threw, redacted.
 */
export async function runHook(state: EnvState, hook: NamedHook, change: Change, outputs: Fields | undefined, attempt: number, signal: AbortSignal, error?: HoldfastError): Promise<HookAnswer> {
  const { cx } = state
  const { address, site } = change
  const failed = (why: string): HookAnswer => ({ ok: false, error: failure('HF3120', { address, site, message: `${address}: the hook ${hook.name} (${hook.point}) failed: ${why}` }) })
  const run = cx.hook?.(hook.name)
  if (!run) return failed('no hook of that name is declared any more.')
  cx.emit({ type: 'task.progress', node: address, message: `hook ${hook.name} (${hook.point})` })
  const answer = await ask(state, address, site, signal, async () => {
    const context: HookContext = {
      address, op: change.op as HookContext['op'], inputs: openInputs(state, change.type, change.inputs, callTargetOf(change)), attempt, signal,
      ...(outputs && Object.keys(outputs).length > 0 ? { outputs: openOutputs(state, outputs as Readonly<Record<string, Value | undefined>>) } : {}),
      ...(error ? { error: { code: error.code, message: error.message } } : {}),
      log: (message) => cx.emit({ type: 'log', node: address, message: cx.redactor.text(String(message)) }),
    }
    return run(context)
  })
  switch (answer.kind) {
    case 'applied': return { ok: true, retry: answer.raw === 'retry' }
    case 'rejected': return failed(answer.error.message.replace(`${address}: `, ''))
    case 'unknown': return failed(answer.timedOut ? 'the deadline of the step passed before it ended.' : answer.evidence)
    case 'notOurs': return failed(answer.message)
  }
}
