import { failure, registry, type FailureCode } from '../../base/index.ts'
import { printDocument } from '../document.ts'
import type { Verb } from '../verb.ts'

export const explain: Verb = async (io, { args, flags }) => {
  const code = (args[0] as string).toUpperCase()
  if (!Object.hasOwn(registry, code)) throw failure('HF6008', { message: `There is no code ${args[0]}.` })
  const { summary, causes, fixes, exit } = registry[code as FailureCode]
  if (flags.json) {
    printDocument(io, { app: null, env: null }, { code, summary, causes, fixes, exit })
    return 0
  }
  const { bold } = io.paintOut
  const list = (title: string, items: readonly string[]): string => `\n${title}\n${items.map((t) => `  ${t}\n`).join('')}`
  io.out(`${bold(code)}  ${summary}\n${list('Causes', causes)}${list('What to do', fixes)}\nA command that ends with it exits with ${exit}.\n`)
  return 0
}
