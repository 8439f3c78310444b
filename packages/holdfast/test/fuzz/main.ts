import { plantMutant, type MutantName } from '../../src/base/index.ts'
import type { FuzzCase } from './case.ts'
import { drawCase } from './draw.ts'
import { runCase } from './run.ts'
import { shrink } from './shrink.ts'
import { writeTest } from './write.ts'

/**
 * The part of `npm run fuzz` that runs in a process of its own: cases from..from+count-1, one line of JSON for all of them.
 *
 * Takes    `{ from, count, mutant?, trace?, stopAtFirst? }` as JSON in argv[2].
 * Gives    `{ cases, ops, calls, commits, codes, digests, cpuMs, failures }`.
 */
interface Request {
  readonly from: number
  readonly count: number
  readonly mutant?: MutantName
  readonly trace?: boolean
  readonly stopAtFirst?: boolean
  /** Folder into which failing cases are written as tests, as small as they get. */
  readonly small?: string
}

const request = JSON.parse(process.argv[2] ?? '{}') as Request
const failures: { seed: number; rule: string; message: string; case: FuzzCase }[] = []
const total = { cases: 0, ops: 0, calls: 0, commits: 0 }
const codes: Record<string, number> = {}
const digests: string[] = []
let at = request.from

// A rejection that nobody handles would end the program of a user.
process.on('unhandledRejection', (e) => {
  failures.push({ seed: at, rule: 'b', message: `a rejection was not handled: ${e instanceof Error ? e.stack : String(e)}`, case: drawCase(at) })
})

plantMutant(request.mutant)
const before = process.cpuUsage()
for (; at < request.from + request.count; at++) {
  const drawn = drawCase(at)
  const result = await runCase(drawn, request.trace === true)
  total.cases++
  total.ops += result.ops
  total.calls += result.calls
  total.commits += result.commits
  for (const [k, n] of Object.entries(result.codes)) codes[k] = (codes[k] ?? 0) + n
  digests.push(result.digest)
  if (result.trace) process.stderr.write(`${JSON.stringify(drawn)}\n${result.trace.join('\n')}\n`)
  if (!result.violation) continue
  let found = { fuzz: drawn, violation: result.violation }
  if (request.small !== undefined) {
    found = await shrink(drawn, result.violation)
    writeTest(`${request.small}/case-${at}.test.ts`, found.fuzz, found.violation)
  }
  failures.push({ seed: at, ...found.violation, case: found.fuzz })
  if (request.stopAtFirst) break
}
process.stdout.write(`${JSON.stringify({ ...total, codes, digests, cpuMs: process.cpuUsage(before).user / 1000, failures })}\n`)
