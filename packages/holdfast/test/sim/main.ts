import { plantMutant, type MutantName } from '../../src/base/index.ts'
import { drawScenario } from './draw.ts'
import { forbidTime, immediate, probeDrain } from './drain.ts'
import { minimise } from './minimise.ts'
import { runScenario, runSeed, runSeedByTurns, type LifeResult } from './seed.ts'
import { traceTest } from './write-trace.ts'

/**
 * The part of `npm run sim` that runs in a process of its own: seeds from..from+count-1, one line of JSON for all of them.
 *
 * Takes    `{ from, count, mutant?, trace?, stopAtFirst? }` as JSON in argv[2].
 * Gives    `{ digests, events, crashes, failures, counts, cpuMs, wallMs }`.
 */
interface Request {
  /** Write the first finding as a trace test instead: path of the simulation's folder as the test will see it. */
  readonly traceFrom?: string
  readonly from: number
  readonly count: number
  readonly mutant?: MutantName
  readonly trace?: boolean
  readonly stopAtFirst?: boolean
}

const request = JSON.parse(process.argv[2] ?? '{}') as Request

const digests: string[] = []
const failures: { seed: number; invariant: string; message: string }[] = []
let events = 0
let crashes = 0
const counts: Record<string, number> = {}

/** Whether to go on with the next seed. */
function note(result: LifeResult): boolean {
  digests.push(result.digest)
  events += result.events
  crashes += result.crashes
  for (const [what, n] of result.counts) counts[what] = (counts[what] ?? 0) + n
  const { violation } = result
  if (violation) failures.push({ seed: result.seed, invariant: violation.invariant, message: violation.message })
  if (result.trace) process.stderr.write(`${result.trace.join('\n')}\n`)
  return !(violation && request.stopAtFirst)
}

/** The failing life of a seed, as small as it gets, as a test. Under a mutant it is one that passes without. */
function writeTrace(seed: number, from: string): string | undefined {
  const scenario = drawScenario(seed)
  const first = runScenario(scenario, false)
  if (!first.violation) return undefined
  const { invariant } = first.violation
  const small = minimise(scenario, first, (s, r) => {
    if (r.violation?.invariant !== invariant) return false
    if (request.mutant === undefined) return true
    plantMutant(undefined)
    const { violation } = runScenario(s, false)
    plantMutant(request.mutant)
    return !violation
  })
  return traceTest(small.scenario, small.result, from, request.mutant)
}

function main(): void {
  const quick = probeDrain()
  plantMutant(request.mutant)
  if (request.traceFrom !== undefined) {
    process.stdout.write(JSON.stringify({ text: quick ? writeTrace(request.from, request.traceFrom) : undefined }))
    return
  }
  const startedAt = process.hrtime.bigint()
  const restore = forbidTime()
  const end = () => {
    restore()
    process.stdout.write(`${JSON.stringify({ digests, events, crashes, failures, counts, cpuMs: Math.round(process.cpuUsage().user / 1000), wallMs: Number((process.hrtime.bigint() - startedAt) / 1_000_000n) })}\n`)
  }
  const seeds = Array.from({ length: request.count }, (_, i) => request.from + i)
  const trace = request.trace === true
  if (!quick) {
    void (async () => {
      for (const seed of seeds) if (!note(await runSeedByTurns(seed, trace))) break
      end()
    })()
    return
  }
  let at = 0
  const some = () => {
    for (let n = 0; n < SEEDS_PER_TURN; n++) {
      if (at === seeds.length || !note(runSeed(seeds[at++] as number, trace))) return end()
    }
    immediate(some)
  }
  some()
}

/** Then comes a turn of the event loop: what weak references lead to is let go of only there. */
const SEEDS_PER_TURN = 20

// A rejection that nobody handles would end the program of a user.
process.on('unhandledRejection', (e) => {
  failures.push({ seed: request.from + digests.length, invariant: 'I-BUG', message: `a rejection was not handled: ${e instanceof Error ? e.stack : String(e)}` })
})

// From a macrotask: inside the microtask that runs the top of a module nothing can be drained.
setImmediate(main)
