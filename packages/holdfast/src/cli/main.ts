import { processIo, type Io } from './io.ts'
import { reportFailure } from './report.ts'
import { verbs } from './table.ts'
import type { Call, Flags } from './verb.ts'

/** Runs one command and gives its exit code. Everything heavy is loaded by the verb that needs it. */
export async function main(words: readonly string[]): Promise<number> {
  const quick = quickCall(words)
  let io: Io = processIo('auto')
  // What cannot be read is reported in the form that was asked for.
  let json = words.includes('--json')
  let verbose = words.includes('--verbose') || words.includes('-v')
  try {
    if (quick) return await (await verbNamed(quick.verb).load())(io, quick)
    const { parseArgs } = await import('./flags.ts')
    const parsed = parseArgs(words, io.variables, io.cwd)
    if (parsed.color !== 'auto') io = processIo(parsed.color)
    json = parsed.call.flags.json
    verbose = parsed.call.flags.verbose
    if (parsed.help && parsed.spec.name !== 'help') {
      ;(await import('./verbs/help.ts')).helpFor(io, [parsed.spec], json)
      return 0
    }
    return await (await parsed.spec.load())(io, parsed.call)
  } catch (e) {
    return reportFailure(io, e, json, verbose)
  } finally {
    await printCommits(io)
  }
}

const verbNamed = (name: string) => verbs.find((v) => v.name === name) as (typeof verbs)[number]

/** What is asked for most often by other programs needs no parser: `version`, `help`, `explain CODE`, each with --json at most. */
function quickCall(words: readonly string[]): Call | undefined {
  const plain = words.filter((w) => w !== '--json')
  const json = plain.length < words.length
  const call = (verb: string, args: readonly string[]): Call => ({ verb, args, flags: { ...noFlags, cwd: process.cwd(), json } })
  if (plain.length === 1 && (plain[0] === 'version' || plain[0] === '--version' || plain[0] === '-V')) return call('version', [])
  if (plain.length === 0 || (plain.length === 1 && (plain[0] === 'help' || plain[0] === '--help' || plain[0] === '-h'))) return call('help', [])
  if (plain[0] === 'help' && !plain.some((w) => w.startsWith('-'))) return call('help', plain.slice(1))
  if (plain.length === 2 && plain[0] === 'explain' && !plain[1]?.startsWith('-')) return call('explain', plain.slice(1))
  return undefined
}

const noFlags: Flags = {
  env: undefined, cwd: '', config: undefined, set: [], json: false, events: undefined, yes: false, input: true, quiet: false, verbose: false,
  concurrency: undefined, lockTimeoutMs: 0, target: [], exclude: [], targetDependents: false, excludeDependents: false, replace: [], unprotect: [], allowDeletes: undefined, exitCode: false, onFailure: 'revert', own: {},
}

/** For those who check (contract.md 5): the last line on stderr. */
async function printCommits(io: Io): Promise<void> {
  if (io.variables.HOLDFAST_TEST !== '1' || io.variables.HOLDFAST_FAILPOINT !== 'count') return
  const { commitsMade } = await import('../store/index.ts')
  io.err(`${JSON.stringify({ commits: commitsMade() })}\n`)
}
