import { failure } from '../../base/index.ts'
import type { EventRow } from '../../state/index.ts'
import { DOCUMENT_VERSION } from '../document.ts'
import { count } from '../flags.ts'
import { watchInterrupts } from '../interrupt.ts'
import { withProject } from '../session.ts'
import type { Verb } from '../verb.ts'

/** Every event of the environment, one a line, until it is interrupted; that is how it ends well. */
export const stateWatch: Verb = (io, call) => {
  const { own, json } = call.flags
  const from = count('--from', own.from as string | undefined, 0)
  return withProject(io, call, { access: 'read', programOptional: true }, async ({ cx, where }) => {
    const env = await cx.store.env(where.app, where.env)
    if (!env) throw failure('HF1302', { message: `${where.app}/${where.env} has no state to watch.`, hint: 'It has one from its first plan or apply on.' })
    const interrupts = watchInterrupts(() => {}, process.exit)
    const stop = new AbortController()
    interrupts.stop.addEventListener('abort', () => stop.abort())
    // A reader that went away (`| head`) has seen enough.
    process.stdout.once('error', () => stop.abort())
    const line = (e: EventRow) => (json
      ? JSON.stringify({ v: DOCUMENT_VERSION, ...where, seq: e.seq, n: e.n, at: new Date(e.at).toISOString(), kind: e.kind, data: JSON.parse(e.data) })
      : `${e.seq}  ${new Date(e.at).toISOString()}  ${e.kind}  ${e.data}`)
    try {
      if (!json) io.err(`Watching ${where.app}/${where.env} at commit ${env.seq}, revision ${env.revision}; Ctrl-C ends it.\n`)
      for await (const e of cx.store.watch(env.id, { from: from ?? env.seq, signal: stop.signal })) io.out(`${line(e)}\n`)
      return 0
    } finally {
      interrupts.end()
    }
  })
}
