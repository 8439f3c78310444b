import { failure, registry } from '../../base/index.ts'
import { printDocument } from '../document.ts'
import type { Verb } from '../verb.ts'

export const explain: Verb = async (io, { args, flags }) => {
  const code = (args[0] as string).toUpperCase()
  const known = await entryOf(code)
  if (!known) throw failure('HF6008', { message: `There is no code ${args[0]}.` })
  const { summary, causes, fixes, exit } = known
  if (flags.json) {
    printDocument(io, { app: null, env: null }, { code, summary, causes, fixes, ...(exit === undefined ? {} : { exit }) })
    return 0
  }
  const { bold } = io.paintOut
  const list = (title: string, items: readonly string[]): string => `\n${title}\n${items.map((t) => `  ${t}\n`).join('')}`
  io.out(`${bold(code)}  ${summary}\n${list('Causes', causes)}${list('What to do', fixes)}${exit === undefined ? '' : `\nA command that ends with it exits with ${exit}.\n`}`)
  return 0
}

interface Entry { readonly summary: string; readonly causes: readonly string[]; readonly fixes: readonly string[]; readonly exit?: number }

/** Failures of commands, and errors that a program meets at `holdfast/backend`: these end no command. */
async function entryOf(code: string): Promise<Entry | undefined> {
  if (Object.hasOwn(registry, code)) return registry[code as keyof typeof registry]
  const { backendErrorCodes } = await import('../../backend/index.ts')
  if (!Object.hasOwn(backendErrorCodes, code)) return undefined
  const { summary, help } = backendErrorCodes[code as keyof typeof backendErrorCodes]
  return { summary, causes: ['A call of holdfast/backend was refused, or loadBackend() failed.'], fixes: [help] }
}
