import { exitCodeOf, simulate as simulateRun, type RunDocument, type SimulateOptions } from '../../engine/index.ts'
import { simulationScreen } from '../screen/simulation.ts'
import { withProject } from '../session.ts'
import type { Verb } from '../verb.ts'
import { planRef } from './apply.ts'
import { planRequest } from './plan.ts'

/** Exit 0 when the run would be applied, and when it was told to fail and does; else as the run would end. */
export const simulate: Verb = (io, call) => withProject(io, call, { access: 'read' }, async (s) => {
  const { flags } = call
  const what = call.args[0] === undefined ? planRequest(s, flags) : planRef(call.args[0], flags.cwd)
  const fail = ((flags.own.fail as unknown as readonly string[] | undefined) ?? []).map(failing)
  const doc = await simulateRun(s.cx, what, { onFailure: flags.onFailure, fail })
  s.progress.end()
  if (flags.json) s.print(doc)
  else io.out(simulationScreen(doc, s.where, io.paintOut))
  return fail.length > 0 ? 0 : exitCodeOf({ ...doc, error: doc.failure } as unknown as RunDocument)
})

/** `web/api`: whatever is done to it. `web/api.delete`: that alone. */
export function failing(word: string): SimulateOptions['fail'][number] {
  const [, address, op] = /^(.+)\.(create|update|delete)$/.exec(word) ?? []
  return address === undefined ? { address: word } : { address, op: op as 'create' | 'update' | 'delete' }
}
