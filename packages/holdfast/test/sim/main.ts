import { plantMutant, type MutantName } from '../../src/base/index.ts'
import { forbidTime, probeDrain } from './drain.ts'
import { runSeed, runSeedByTurns, type SeedResult } from './seed.ts'

/**
 * The part of `npm run sim` that runs in a process of its own: seeds from..from+count-1, one line of JSON for all of them.
 *
 * Takes    `{ from, count, mutant?, trace?, stopAtFirst? }` as JSON in argv[2].
 * Gives    `{ digests, events, crashes, failures, wallMs }`.
 */
interface Request {
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

/** Whether to go on with the next seed. */
function note(result: SeedResult): boolean {
  digests.push(result.digest)
  events += result.events
  crashes += result.crashes
  const { violation } = result
  if (violation) failures.push({ seed: result.seed, invariant: violation.invariant, message: violation.message })
  if (result.trace) process.stderr.write(`${result.trace.join('\n')}\n`)
  return !(violation && request.stopAtFirst)
}

function main(): void {
  const quick = probeDrain()
  plantMutant(request.mutant)
  const startedAt = process.hrtime.bigint()
  const restore = forbidTime()
  const end = () => {
    restore()
    process.stdout.write(`${JSON.stringify({ digests, events, crashes, failures, wallMs: Number((process.hrtime.bigint() - startedAt) / 1_000_000n) })}\n`)
  }
  const seeds = Array.from({ length: request.count }, (_, i) => request.from + i)
  if (quick) {
    for (const seed of seeds) if (!note(runSeed(seed, request.trace === true))) break
    end()
    return
  }
  void (async () => {
    for (const seed of seeds) if (!note(await runSeedByTurns(seed, request.trace === true))) break
    end()
  })()
}

// A rejection that nobody handles would end the program of a user.
process.on('unhandledRejection', (e) => {
  failures.push({ seed: request.from + digests.length, invariant: 'I-BUG', message: `a rejection was not handled: ${e instanceof Error ? e.stack : String(e)}` })
})

// From a macrotask: inside the microtask that runs the top of a module nothing can be drained.
setImmediate(main)
