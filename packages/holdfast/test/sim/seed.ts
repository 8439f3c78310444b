import { setSecret } from '../../src/engine/index.ts'
import { start, type Attempt, type Job } from './holder.ts'
import { Kernel, type Process, type Violation } from './kernel.ts'
import { Lab, MARKER } from './lab.ts'
import { Stream } from './random.ts'
import type { CrashPoint } from './store.ts'
import { audit } from './watch.ts'
import { DECLARED_SECRET, drawWorkload, type Program } from './workload.ts'
import { noCallFaults, type CallFaults } from './world.ts'

export interface SeedResult {
  readonly seed: number
  readonly events: number
  readonly crashes: number
  readonly digest: string
  readonly violation: Violation | undefined
  readonly trace: readonly string[] | undefined
}

const EVENTS_MAX = 60_000
/** Applies that may be needed once nothing goes wrong any more. */
const CONVERGE_MAX = 3

/** Faults of a seed: each kind is absent in half of all seeds (spec/reliability.md 2.3). */
interface Trouble {
  readonly calm: boolean
  readonly calls: CallFaults
  readonly slowCommit: number
  readonly full: number
  readonly crash: number
  readonly pause: number
  readonly rival: number
  readonly cancel: number
}

function drawTrouble(r: Stream): Trouble {
  if (r.chance(0.25)) return { calm: true, calls: noCallFaults, slowCommit: 0, full: 0, crash: 0, pause: 0, rival: 0, cancel: 0 }
  return {
    calm: false,
    calls: { reject: r.swarm(0.15), requestLost: r.swarm(0.15), replyLost: r.swarm(0.15), late: r.swarm(0.15), partial: r.swarm(0.1), hang: r.swarm(0.05) },
    slowCommit: r.swarm(0.01), full: new Stream(r.u32(), 'full').swarm(0.05), crash: r.swarm(0.8), pause: r.swarm(0.3), rival: r.swarm(0.5), cancel: r.swarm(0.2),
  }
}

/** One life of an environment: applied, changed, taken back, interrupted, converged, destroyed. */
export function runSeed(seed: number, trace: boolean): SeedResult {
  const lab = new Lab(new Kernel(seed, trace))
  lab.kernel.run(() => new Life(lab).live(), EVENTS_MAX)
  return resultOf(lab)
}

/** As {@link runSeed}, where continuations cannot be drained at once. */
export async function runSeedByTurns(seed: number, trace: boolean): Promise<SeedResult> {
  const lab = new Lab(new Kernel(seed, trace))
  await lab.kernel.runByTurns(() => new Life(lab).live(), EVENTS_MAX)
  return resultOf(lab)
}

const resultOf = ({ kernel, crashes }: Lab): SeedResult =>
  ({ seed: kernel.seed, events: kernel.events, crashes, digest: kernel.digest, violation: kernel.violation, trace: kernel.lines })

class Life {
  readonly #lab: Lab
  readonly #r: Stream
  readonly #trouble: Trouble
  readonly #attempts: Attempt[] = []

  constructor(lab: Lab) {
    this.#lab = lab
    this.#r = new Stream(lab.kernel.seed, 'scenario')
    this.#trouble = drawTrouble(this.#r)
  }

  async live(): Promise<void> {
    const { kernel, world } = this.#lab
    const r = this.#r
    const secrets = r.chance(0.5)
    const work = drawWorkload(new Stream(kernel.seed, 'workload'), { secrets, persons: r.chance(0.3) })
    if (secrets) await this.#setSecret()
    if (!this.#trouble.calm && r.chance(0.15)) world.foreign(this.#lab.kinds.B, { name: `n${r.between(1, 6)}`, size: 0, zone: 'f', refs: [] })
    const foreign = [...world.objects.values()]

    this.#faults(true)
    if (r.chance(0.15)) await this.#phase([{ kind: 'apply', program: work.broken, onFailure: 'revert' }], work.v1)
    await this.#phase([{ kind: 'apply', program: work.v1, onFailure: r.chance(0.8) ? 'revert' : 'keep' }], work.v1)
    const change: Job = { kind: 'apply', program: r.chance(0.5) ? work.broken : work.v2, onFailure: r.chance(0.7) ? 'revert' : 'keep' }
    const then: Job[] = r.chance(0.3) ? [{ kind: 'revert' }] : r.chance(0.3) ? [{ kind: 'resume' }] : []
    await this.#phase([change, ...then], work.v1)
    if (r.chance(0.5)) await this.#phase([{ kind: 'apply', program: work.v2, onFailure: 'revert' }], work.v2)

    this.#faults(false)
    for (const o of foreign) {
      kernel.check(world.objects.get(o.id) === o && o.spec.zone === 'f', 'I-PROT', () => `${o.id} of somebody else was touched`)
      world.objects.delete(o.id)
    }
    // What was protected in v1 may be renamed in v2; going back would delete it.
    const last = r.chance(0.8) || [...work.v1, ...work.v2].some((n) => n.protect) ? work.v2 : work.v1
    await this.#converge(last, 'at the end')
    const unprotected = last.map((n) => ({ ...n, protect: false }))
    if (last.some((n) => n.protect)) await this.#converge(unprotected, 'without protection')
    if (r.chance(0.4)) {
      this.#faults(true)
      await this.#phase([{ kind: 'destroy' }], unprotected)
      this.#faults(false)
    }
    await this.#converge(undefined, 'after destroy')
    await this.#allEnded()
    audit(this.#lab, 'after destroy')
    kernel.check(world.objects.size === 0, 'I-ORPHAN', () => `after destroy ${[...world.objects.keys()].join(' ')} exist`)
    if (this.#trouble.calm) {
      kernel.check(world.orderRefusals === 0, 'I-ORDER', () => 'the world refused a deletion because something still refers to the object')
      kernel.check(world.nameRefusals === 0, 'I-CLAIM', () => 'a creation found its name taken')
    }
    if (kernel.seed % 4 === 0) await this.#scan()
  }

  #faults(on: boolean): void {
    const t = this.#trouble
    this.#lab.world.faults = on ? t.calls : noCallFaults
    this.#lab.storeFaults = { slowCommit: on ? t.slowCommit : 0, full: on ? t.full : 0 }
  }

  async #setSecret(): Promise<void> {
    const { cx } = this.#lab.process(undefined)
    await setSecret(cx, DECLARED_SECRET, `pw-${this.#lab.kernel.seed}${MARKER}`)
  }

  /** Some commands, one after the other, while things go wrong. */
  async #phase(jobs: readonly Job[], other: Program): Promise<void> {
    const r = this.#r
    for (const job of jobs) {
      for (let tries = this.#trouble.calm ? 1 : r.between(1, 3); tries > 0; tries--) {
        const a = this.#start(job)
        if (r.chance(this.#trouble.rival)) {
          await this.#sleep(r.below(500))
          this.#start(r.pick<Job>([{ kind: 'apply', program: other, onFailure: 'revert' }, { kind: 'destroy' }, { kind: 'revert' }, job]), r.chance(0.3) ? 40_000 : 0)
        }
        await this.#wait(a)
        if (this.#lab.kernel.violation) return
        if (!this.#lab.sameHost && a.process.dead) await this.#sleep(r.between(25_000, 35_000))
        if (this.#trouble.calm) this.#expectCalm(a, job)
        if (a.doc && ['applied', 'unchanged', 'reverted', 'kept'].includes(a.doc.outcome)) break
      }
    }
  }

  #expectCalm(a: Attempt, job: Job): void {
    const { kernel } = this.#lab
    const code = a.code ?? (a.doc?.error?.code as string | undefined)
    const fine = code === undefined || code === 'HF6005' || (job.kind === 'resume' && code === 'HF2401') || code === 'HF5001' || (code === 'HF3101' && job.kind !== 'destroy' && (a.doc?.outcome !== 'incomplete' || this.#lab.world.circles > 0))
    kernel.check(fine, 'I-CALM', () => `${job.kind} ended with ${a.doc?.outcome ?? 'a failure'}: ${code} ${a.doc?.error?.address ?? ''} ${a.doc?.error?.message ?? ''}`)
  }

  #start(job: Job, lockTimeoutMs = 0): Attempt {
    const r = this.#r
    const t = this.#trouble
    const { kernel } = this.#lab
    let crash: CrashPoint | undefined
    let killMs: number | undefined
    if (r.chance(t.crash)) {
      const at = r.below(3)
      const phase = r.chance(0.5) ? 'before' as const : 'after' as const
      if (at === 0) crash = { at: 'commit', n: r.between(1, r.chance(0.3) ? 8 : 40), phase }
      else if (at === 1) crash = { at: 'call', n: r.between(1, r.chance(0.3) ? 3 : 15), phase }
      else killMs = r.below(r.chance(0.5) ? 300 : 20_000)
    }
    const { process, cx } = this.#lab.process(crash)
    const stop = new AbortController()
    const abort = new AbortController()
    if (killMs !== undefined) kernel.after(killMs, () => process.kill('at some moment'))
    if (r.chance(t.pause)) this.#pause(process)
    if (r.chance(t.cancel)) {
      kernel.after(r.below(800), () => process.deliver(() => stop.abort(new Error('interrupted'))))
      if (r.chance(0.4)) kernel.after(r.between(500, 3000), () => process.deliver(() => abort.abort(new Error('interrupted twice'))))
    }
    const a = start(this.#lab, process, cx, job, { lockTimeoutMs, person: r.chance(0.8), calm: t.calm, stop: stop.signal, abort: abort.signal })
    this.#attempts.push(a)
    return a
  }

  #pause(process: Process): void {
    this.#lab.kernel.after(this.#r.below(this.#r.chance(0.7) ? 400 : 5_000), () => process.pause(this.#r.between(20_000, 120_000)))
  }

  /** Until the process has ended, or has been silent for so long that its operator starts another. */
  #wait(a: Attempt): Promise<void> {
    const patience = this.#r.chance(0.5) ? this.#r.between(31_000, 60_000) : this.#r.between(40_000, 400_000)
    return new Promise((resolve) => {
      const cancel = this.#lab.kernel.after(patience, resolve)
      a.ended.then(() => {
        cancel()
        resolve()
      }, () => undefined)
    })
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#lab.kernel.after(ms, resolve))
  }

  async #allEnded(): Promise<void> {
    for (const a of this.#attempts) await a.ended
  }

  /** Once nothing goes wrong any more, few applies lead to what the program says, and then there is nothing to do. */
  async #converge(program: Program | undefined, when: string): Promise<void> {
    const { kernel } = this.#lab
    await this.#allEnded()
    let job: Job = program ? { kind: 'apply', program, onFailure: 'revert' } : { kind: 'destroy' }
    let last: Attempt | undefined
    for (let i = 0; i <= CONVERGE_MAX; i++) {
      if (kernel.violation) return
      const { process, cx } = this.#lab.process(undefined)
      last = start(this.#lab, process, cx, job, { lockTimeoutMs: 300_000, person: true, calm: this.#trouble.calm })
      await last.ended
      if (kernel.violation) return
      if (last.doc?.outcome === 'unchanged' && last.empty === true) return audit(this.#lab, when)
      // What failed half-way can only be made anew, and what is protected is not: its operator gives the protection up.
      const refused = last.code ?? last.doc?.error?.code
      if (refused === 'HF5001' && job.kind === 'apply') job = { ...job, program: job.program.map((n) => ({ ...n, protect: false })) }
    }
    kernel.fail('I-CONV', `${when}: after ${CONVERGE_MAX} applies there is still something to do: ${last?.code ?? `${last?.doc?.outcome} ${last?.doc?.error?.code ?? ''} ${last?.doc?.error?.message ?? ''}`}`)
  }

  /** No secret stands in the store, in clear or in hex. (Every fourth seed: it reads the whole store.) */
  async #scan(): Promise<void> {
    const { kernel, tables } = this.#lab
    const hex = Buffer.from(MARKER).toString('hex')
    for (const table of [tables.txs, tables.plans, tables.tasks, tables.outputs, tables.runs, tables.events, tables.resources]) {
      const text = JSON.stringify([...table.values()], (_, v: unknown) => (v instanceof Map ? [...v.values()] : v))
      kernel.check(!text.includes(MARKER) && !text.includes(hex), 'I-SECRET', () => `the store holds a secret: ${text.slice(Math.max(0, text.indexOf(MARKER) - 80), text.indexOf(MARKER) + 20)}`)
    }
  }
}
