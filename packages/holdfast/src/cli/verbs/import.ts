import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { failure } from '../../base/index.ts'
import { importState } from '../../project/index.ts'
import { printDocument } from '../document.ts'
import type { Verb } from '../verb.ts'

export const stateImport: Verb = async (io, call) => {
  const { flags } = call
  const file = call.args[0] as string
  const input = file === '-' ? io.stdin : createReadStream(resolve(flags.cwd, file))
  const broken = new Promise<never>((_, reject) => input.once('error', reject))
  broken.catch(() => {}) // raced below
  try {
    // Begins to read when it is asked: what is read earlier would be lost.
    const lines = (async function* () {
      yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
    })()
    const { storeId, schema, rows, path, hasKey } = await Promise.race([importState({ cwd: flags.cwd, config: flags.config, env: flags.env, set: flags.set, variables: io.variables }, lines), broken])
    if (flags.json) printDocument(io, { app: null, env: flags.env ?? null }, { storeId, schema, rows })
    else io.out(`Imported ${Object.entries(rows).filter(([t]) => t !== 'meta').map(([t, n]) => `${n} ${t}`).join(', ')} into ${path}.\n`)
    if (!hasKey) io.err('The sealed values in it open with the key of the exported state only: put it beside the state, or set HOLDFAST_KEY.\n')
    return 0
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).syscall === undefined ? undefined : (e as NodeJS.ErrnoException).code
    if (code === undefined) throw e
    throw failure('HF1001', { message: `${file} cannot be read: ${code}.`, cause: e })
  }
}
