import { failure } from '../../base/index.ts'
import { printDocument } from '../document.ts'
import type { Io } from '../io.ts'
import { globalFlags, verbs, type FlagSpec, type VerbSpec } from '../table.ts'
import type { Verb } from '../verb.ts'

export const help: Verb = async (io, { args, flags: { json } }) => {
  if (args.length === 0 || args[0] === 'all') {
    if (json) printHelp(io, verbs)
    else io.out(overview(io, args[0] === 'all'))
    return 0
  }
  const name = args.join(' ')
  const found = verbs.filter((v) => v.name === name)
  const group = verbs.filter((v) => v.name.startsWith(`${name} `))
  if (found.length + group.length === 0) throw failure('HF1001', { message: `There is no verb ${name}.`, hint: 'holdfast help all' })
  helpFor(io, [...found, ...group], json)
  return 0
}

export function helpFor(io: Io, specs: readonly VerbSpec[], json: boolean): void {
  if (json) printHelp(io, specs)
  else io.out(`${specs.map((v) => ownHelp(io, v)).join('\n')}\nFlags for all verbs:\n${rows(globalFlags)}`)
}

/** The table of verbs as it stands, or the part of it that was asked for. */
function printHelp(io: Io, specs: readonly VerbSpec[]): void {
  const described = specs.map(({ name, args, summary, daily = false, own = [] }) => ({ name, ...(args === undefined ? {} : { args }), summary, daily, flags: own }))
  printDocument(io, { app: null, env: null }, { verbs: described, flags: globalFlags })
}

const ownHelp = (io: Io, spec: VerbSpec): string => `${io.paintOut.bold(usageOf(spec))}\n  ${spec.summary}\n${spec.own?.length ? `\n${rows(spec.own)}` : ''}`

function overview(io: Io, all: boolean): string {
  const { bold } = io.paintOut
  const shown = verbs.filter((v) => all || v.daily)
  const width = Math.max(...shown.map((v) => words(v).length)) + 2
  const lines = shown.map((v) => `  ${words(v).padEnd(width)}${v.summary}`)
  return `${bold('holdfast')} <verb> [flags]\n\n${lines.join('\n')}\n\n${all ? `Flags for all verbs:\n${rows(globalFlags)}` : 'More: holdfast help all. One verb: holdfast help VERB.\n'}`
}

const words = (v: VerbSpec): string => `${v.name}${v.args ? ` ${v.args}` : ''}`
const usageOf = (v: VerbSpec): string => `holdfast ${words(v)} [flags]`

function rows(flags: readonly FlagSpec[]): string {
  const width = Math.max(...flags.map((f) => f.flags.length)) + 2
  return flags.map((f) => `  ${f.flags.padEnd(width)}${f.summary}\n`).join('')
}
