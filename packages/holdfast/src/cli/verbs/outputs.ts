import { failure } from '../../base/index.ts'
import { readOutputs } from '../../engine/index.ts'
import { DOCUMENT_VERSION } from '../document.ts'
import { outputLines, outputText } from '../screen/result.ts'
import { withProject } from '../session.ts'
import type { Verb } from '../verb.ts'

export const outputs: Verb = (io, call) => {
  const reveal = call.flags.own.reveal === true
  return withProject(io, call, { access: reveal ? 'write' : 'read', programOptional: true }, async (s) => {
    const all = await readOutputs(s.cx, { reveal })
    const [name] = call.args
    if (name !== undefined && !Object.hasOwn(all, name)) {
      throw failure('HF6004', { message: `There is no output ${name} in ${s.where.app}/${s.where.env}.`, ...(Object.keys(all).length > 0 && { hint: `There is: ${Object.keys(all).join(', ')}.` }) })
    }
    const shown = name === undefined ? all : { [name]: all[name] }
    // A person asked for the clear text: it is all that is not masked.
    const write = reveal ? io.outClear : io.out
    if (call.flags.json) write(`${JSON.stringify({ v: DOCUMENT_VERSION, ...s.where, outputs: shown })}\n`)
    else if (name !== undefined) write(`${outputText(all[name], io.paintOut)}\n`)
    else write(Object.keys(all).length === 0 ? 'No outputs.\n' : outputLines(all, io.paintOut))
    return 0
  })
}
