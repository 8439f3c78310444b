import { readStatus } from '../../engine/index.ts'
import { statusScreen } from '../screen/status.ts'
import { withProject } from '../session.ts'
import type { Verb } from '../verb.ts'

const UNRELIABLE = 12

export const status: Verb = (io, call) => withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
  const read = await readStatus(s.cx)
  const doc = { ...read, warnings: [...read.warnings, ...s.opened.warnings] }
  if (call.flags.json) s.print(doc)
  else io.out(statusScreen(doc, s.where, io.paintOut))
  return call.flags.exitCode && !doc.reliable ? UNRELIABLE : 0
})
