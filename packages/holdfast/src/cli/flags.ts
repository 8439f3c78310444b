import { Command, CommanderError, Option } from 'commander'
import { resolve } from 'node:path'
import { failure, parseDuration, type Millis } from '../base/index.ts'
import { globalFlags, verbs, type FlagSpec, type VerbSpec } from './table.ts'
import type { ColorChoice } from './paint.ts'
import type { Call, Flags } from './verb.ts'

export interface Parsed {
  readonly spec: VerbSpec
  readonly call: Call
  readonly color: ColorChoice
  readonly help: boolean
}

type Raw = Record<string, string | boolean | string[] | undefined>

/**
 * Reads the words after `holdfast`. Flags for all verbs stand before or after the verb.
 * Fails HF1001.
 */
export function parseArgs(words: readonly string[], variables: Readonly<Record<string, string | undefined>>, cwd: string): Parsed {
  refuseFlagAsValue(words)
  let found: { spec: VerbSpec; args: string[]; raw: Raw } | undefined
  const program = new Command('holdfast')
  quiet(program)
  addFlags(program, globalFlags)
  const groups = new Map<string, Command>()
  for (const spec of verbs) {
    const [first, second] = spec.name.split(' ') as [string, string | undefined]
    let parent = program
    if (second !== undefined) {
      parent = groups.get(first) ?? quiet(program.command(first))
      groups.set(first, parent)
    }
    const command = quiet(parent.command(`${second ?? first}${spec.args ? ` ${spec.args}` : ''}`))
    if (second === undefined) groups.set(first, command)
    addFlags(command, spec.own ?? [])
    command.action(() => {
      found = { spec, args: command.processedArgs.flat().filter((a): a is string => typeof a === 'string'), raw: command.optsWithGlobals() }
    })
  }
  for (const [name, group] of groups) {
    if (verbs.some((v) => v.name === name)) continue
    group.argument('[word]').action(() => {
      if (group.args.length > 0 || program.opts<Raw>().help !== true) throw badVerb(name, group.args[0])
      found = { spec: verbs.find((v) => v.name === 'help') as VerbSpec, args: [name], raw: program.opts<Raw>() }
    })
  }
  try {
    program.parse(['node', 'holdfast', ...words])
  } catch (e) {
    if (e instanceof CommanderError) {
      // Help is asked for also where something is still missing.
      // Without a verb there is nothing else to give.
      const help = e.code === 'commander.help' ? verbs.find((v) => v.name === 'help') : words.includes('--help') || words.includes('-h') ? specOf(words) : undefined
      if (help) return { spec: help, call: { verb: help.name, args: [], flags: flagsOf({ json: words.includes('--json') }, variables, cwd) }, color: 'auto', help: true }
      throw usage(e, words)
    }
    throw e
  }
  const raw = found?.raw ?? program.opts<Raw>()
  const spec = found?.spec ?? (verbs.find((v) => v.name === 'help') as VerbSpec)
  return {
    spec, help: raw.help === true, color: (raw.color as ColorChoice | undefined) ?? 'auto',
    call: { verb: spec.name, args: found?.args ?? [], flags: flagsOf(raw, variables, cwd) },
  }
}

function quiet(command: Command): Command {
  return command.exitOverride().helpOption(false).helpCommand(false).allowExcessArguments(false).showSuggestionAfterError(true).configureOutput({ writeErr: () => {}, writeOut: () => {} })
}

function addFlags(command: Command, specs: readonly FlagSpec[]): void {
  for (const spec of specs) {
    const option = new Option(spec.flags, spec.summary)
    if (spec.choices) option.choices([...spec.choices])
    if (spec.many) option.default([]).argParser((value: string, all: string[]) => [...all, value])
    command.addOption(option)
  }
}

function flagsOf(raw: Raw, variables: Readonly<Record<string, string | undefined>>, cwd: string): Flags {
  const text = (k: string): string | undefined => raw[k] as string | undefined
  const shared = new Set(globalFlags.map((f) => new Option(f.flags).attributeName()))
  const folder = resolve(cwd, text('cwd') ?? '.')
  const json = raw.json === true
  const events = text('events')
  if (json && events === '-') throw failure('HF1001', { message: '--json and --events - both write to stdout.', hint: 'Write the events to a file: --events FILE.' })
  return {
    env: text('env') ?? variables.HOLDFAST_ENV,
    cwd: folder,
    config: text('config') ?? variables.HOLDFAST_CONFIG,
    set: (raw.set as string[] | undefined) ?? [],
    json, events,
    yes: raw.yes === true,
    input: raw.input !== false && !variables.HOLDFAST_NO_INPUT,
    quiet: raw.quiet === true,
    verbose: raw.verbose === true,
    concurrency: count('--concurrency', text('concurrency') ?? variables.HOLDFAST_CONCURRENCY, 1),
    lockTimeoutMs: duration('--lock-timeout', text('lockTimeout')) ?? 0,
    target: (raw.target as string[] | undefined) ?? [],
    exclude: (raw.exclude as string[] | undefined) ?? [],
    targetDependents: raw.targetDependents === true,
    excludeDependents: raw.excludeDependents === true,
    replace: (raw.replace as string[] | undefined) ?? [],
    unprotect: (raw.unprotect as string[] | undefined) ?? [],
    allowDeletes: count('--allow-deletes', text('allowDeletes'), 0),
    exitCode: raw.exitCode === true,
    onFailure: (raw.onFailure as Flags['onFailure'] | undefined) ?? 'revert',
    own: Object.fromEntries(Object.entries(raw).filter(([k]) => !shared.has(k))) as Flags['own'],
  }
}

export function count(flag: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined || text === '') return undefined
  const n = Number(text)
  if (!/^\d+$/.test(text) || n < least) throw failure('HF1001', { message: `${flag} ${text}: a whole number${least > 0 ? ` from ${least}` : ''} is needed.` })
  return n
}

export function duration(flag: string, text: string | undefined): Millis | undefined {
  if (text === undefined) return undefined
  const ms = parseDuration(text)
  if (ms === undefined) throw failure('HF1001', { message: `${flag} ${text}: a duration such as 0s, 500ms, 30s or 5m is needed.` })
  return ms
}

/** The verb that the words begin with, flags aside. */
/** Where the value of a flag was left out, the flag behind it would be taken for the value. What is meant so is written `--flag=--value`. */
function refuseFlagAsValue(words: readonly string[]): void {
  const options = [...globalFlags, ...(specOf(words)?.own ?? [])].map((f) => new Option(f.flags))
  const named = (word: string | undefined) => options.find((o) => o.long === word || o.short === word)
  for (let i = 0; i + 1 < words.length; i++) {
    if (words[i] === '--') return
    const flag = named(words[i])
    if (!flag?.required) continue
    const next = words[++i] as string
    if (named(next)) throw failure('HF1001', { message: `${words[i - 1]} needs a value, and ${next} is a flag of its own.` })
  }
}

function specOf(words: readonly string[]): VerbSpec | undefined {
  const plain = words.filter((w) => !w.startsWith('-'))
  return verbs.find((v) => v.name === plain.slice(0, 2).join(' ')) ?? verbs.find((v) => v.name === plain[0])
}

function badVerb(group: string, word: string | undefined) {
  const known = verbs.filter((v) => v.name.startsWith(`${group} `)).map((v) => v.name.slice(group.length + 1))
  return failure('HF1001', { message: word === undefined ? `${group} needs one more word.` : `There is no ${group} ${word}.`, hint: `Known are ${known.join(', ')}: \`holdfast help all\`.` })
}

function usage(e: CommanderError, words: readonly string[]) {
  const spec = specOf(words)
  const [first = '', suggestion] = e.message.replace(/^error: /, '').split('\n')
  const text = `${first.replace(/\.$/, '')}.${suggestion ? ` ${suggestion.replace(/^\(|\)$/g, '')}` : ''}`
  return failure('HF1001', { message: `${text.charAt(0).toUpperCase()}${text.slice(1)}`, hint: spec ? `holdfast help ${spec.name}` : 'holdfast help' })
}
