import { failure } from '../../base/index.ts'
import { showResource } from '../../engine/index.ts'
import { logLines } from '../../project/index.ts'
import { duration } from '../flags.ts'
import { watchInterrupts } from '../interrupt.ts'
import { withProject } from '../session.ts'
import type { Verb } from '../verb.ts'

export const logs: Verb = (io, call) => {
  const { own, json } = call.flags
  const sinceMs = duration('--since', own.since as string | undefined)
  const follow = own.follow === true
  if (json && follow) throw failure('HF1001', { message: '--json prints one document, and --follow has no end.' })
  return withProject(io, call, { access: 'read', programOptional: true }, async (s) => {
    const address = call.args[0] as string
    const { logPath } = ((await showResource(s.cx, address, { open: true })).outputs ?? {}) as { logPath?: unknown }
    if (typeof logPath !== 'string') throw failure('HF6001', { address, message: `${address} writes no log.`, hint: 'Only what runs as a Process does.' })
    const stop = new AbortController()
    const interrupts = watchInterrupts(() => {}, process.exit)
    interrupts.stop.addEventListener('abort', () => stop.abort())
    try {
      const lines: string[] = []
      for await (const line of await logLines(s.opened.root, logPath, { follow, signal: stop.signal, ...(sinceMs !== undefined && { since: Date.now() - sinceMs }) })) {
        if (json) lines.push(line)
        else io.out(`${line}\n`)
      }
      if (json) s.print({ address, lines })
      return 0
    } finally {
      interrupts.end()
    }
  })
}
