import { setSecret } from '../../src/engine/index.ts'
import { start, type Attempt, type Job } from './holder.ts'
import { Shared, SHARED } from './extras.ts'
import type { Process } from './kernel.ts'
import { MARKER, type Lab } from './lab.ts'
import { isConverge, type Command, type CommandStep, type ConvergeStep, type Scenario, type Try } from './scenario.ts'
import { audit } from './watch.ts'
import { Watching } from './watching.ts'
import { DECLARED_SECRET } from './workload.ts'
import type { WorldObject } from './world.ts'

/** Applies that may be needed once nothing goes wrong any more. */
const CONVERGE_MAX = 3

/** Lives a scenario: applied, changed, taken back, interrupted, converged, destroyed. */
export class Life {
  readonly #lab: Lab
  readonly #scenario: Scenario
  readonly #attempts: Attempt[] = []
  #foreign: readonly WorldObject[] = []
  readonly #shared: Shared

  constructor(lab: Lab) {
    this.#lab = lab
    this.#scenario = lab.scenario
    this.#shared = new Shared(lab)
  }

  async live(): Promise<void> {
    const { kernel, world, kinds } = this.#lab
    const scenario = this.#scenario
    kernel.count(`life ${scenario.shape}${scenario.calm ? ', calm' : ''}`)
    if (scenario.secrets) await setSecret(this.#lab.process('secret', undefined).cx, DECLARED_SECRET, `pw-${kernel.seed}${MARKER}`)
    if (scenario.foreign !== undefined) world.foreign(kinds.B, { name: scenario.foreign, size: 0, zone: 'f', refs: [] })
    this.#foreign = [...world.objects.values()]
    this.#shared.put()
    const watching = kernel.seed % 5 === 0 ? new Watching(this.#lab) : undefined
    for (const step of scenario.steps) {
      this.#lab.fate.on = !isConverge(step)
      if (isConverge(step)) await this.#converge(step)
      else await this.#command(step)
      if (kernel.violation) return
    }
    await this.#allEnded()
    audit(this.#lab, 'at the end')
    if (scenario.calm) {
      kernel.check(world.orderRefusals === 0, 'I-ORDER', () => 'the world refused a deletion because something still refers to the object')
      kernel.check(world.nameRefusals === 0, 'I-CLAIM', () => 'a creation found its name taken')
    }
    watching?.end()
    this.#lab.told.end()
    if (kernel.seed % 4 === 0) await this.#scan()
  }

  /** One command, begun again until it has an outcome, while things go wrong. */
  async #command(step: CommandStep): Promise<void> {
    const { kernel } = this.#lab
    for (const [i, how] of step.tries.entries()) {
      const a = this.#start(`${step.name}.${i + 1}`, step.command, how)
      if (how.rival) {
        await this.#sleep(how.rival.afterMs)
        kernel.count('rival')
        this.#start(`${step.name}.${i + 1}+`, how.rival.command, how.rival.how)
      }
      await this.#wait(a, how.patienceMs)
      if (kernel.violation) return
      if (!this.#scenario.sameHost && a.process.dead) await this.#sleep(how.restMs)
      if (this.#scenario.calm) this.#expectCalm(a, step.command)
      if (a.doc && ['applied', 'unchanged', 'reverted', 'kept'].includes(a.doc.outcome)) return
    }
  }

  #expectCalm(a: Attempt, command: Command): void {
    const { kernel } = this.#lab
    const code = a.code ?? (a.doc?.error?.code as string | undefined)
    const fine = code === undefined || code === 'HF6005' || (command.do === 'resume' && code === 'HF2401') || code === 'HF5001' || (code === 'HF3101' && command.do !== 'destroy' && (a.doc?.outcome !== 'incomplete' || this.#lab.world.circles > 0))
    kernel.check(fine, 'I-CALM', () => `${command.do} ended with ${a.doc?.outcome ?? 'a failure'}: ${code} ${a.doc?.error?.address ?? ''} ${a.doc?.error?.message ?? ''}`)
  }

  #job(c: Command): Job {
    return c.do === 'apply' ? { do: 'apply', program: this.#scenario.programs[c.program] ?? [], onFailure: c.onFailure, part: c.part, refresh: c.refresh } : c
  }

  #start(name: string, command: Command, how: Try): Attempt {
    const { kernel } = this.#lab
    const { process, cx } = this.#lab.process(name, how.crash)
    const stop = how.stopAfterMs === undefined ? undefined : new AbortController()
    const abort = how.abortAfterMs === undefined ? undefined : new AbortController()
    const { killedAfterMs, pause } = how
    if (killedAfterMs !== undefined) {
      kernel.after(killedAfterMs, () => {
        if (!process.dead && !a.done) kernel.count('crash at some moment')
        if (!a.done) process.kill(`after ${killedAfterMs} ms`)
      })
    }
    if (pause) kernel.after(pause.afterMs, () => this.#pause(process, a, pause.forMs))
    if (stop) kernel.after(how.stopAfterMs as number, () => process.deliver(() => {
      if (!a.done) kernel.count('cancelled')
      stop.abort(new Error('interrupted'))
    }))
    if (abort) kernel.after(how.abortAfterMs as number, () => process.deliver(() => {
      if (!a.done) kernel.count('cancelled twice')
      abort.abort(new Error('interrupted twice'))
    }))
    const a = start(this.#lab, process, cx, this.#job(command), { lockTimeoutMs: how.lockTimeoutMs ?? 0, person: how.person === true, calm: this.#scenario.calm, stop: stop?.signal, abort: abort?.signal })
    this.#attempts.push(a)
    return a
  }

  #pause(process: Process, a: Attempt, ms: number): void {
    if (process.dead || a.done) return
    const holds = [...this.#lab.tables.leases.values()].some((l) => l.holder.pid === process.pid)
    this.#lab.kernel.count(holds ? 'pause of a holder' : 'pause')
    process.pause(ms)
  }

  /** Until the process has ended, or has been silent for so long that its operator starts another. */
  #wait(a: Attempt, patienceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#lab.kernel.after(patienceMs, resolve)
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

  async #converge({ name, to, once }: ConvergeStep): Promise<void> {
    const { kernel, world } = this.#lab
    await this.#allEnded()
    for (const o of this.#foreign) {
      kernel.check(world.objects.get(o.id) === o && o.spec.zone === 'f', 'I-PROT', () => `${o.id} of somebody else was touched`)
      world.objects.delete(o.id)
    }
    this.#foreign = []
    this.#shared.replace()
    let job: Job = to === undefined ? { do: 'destroy' } : { do: 'apply', program: this.#scenario.programs[to] ?? [], onFailure: 'revert' }
    let last: Attempt | undefined
    for (let i = 0; i <= CONVERGE_MAX; i++) {
      if (kernel.violation) return
      const { process, cx } = this.#lab.process(`${name}.${i + 1}`, undefined)
      last = start(this.#lab, process, cx, job, { lockTimeoutMs: 300_000, person: true, calm: this.#scenario.calm })
      await last.ended
      if (kernel.violation) return
      if (once && last.doc?.outcome === 'applied') return
      if (last.doc?.outcome === 'unchanged' && last.empty === true) return this.#converged(name, to)
      // What failed half-way can only be made anew, and what is protected is not: its operator gives the protection up.
      const refused = last.code ?? last.doc?.error?.code
      if (refused === 'HF5001' && job.do === 'apply') job = { ...job, program: job.program.map((n) => ({ ...n, protect: false })) }
    }
    kernel.fail('I-CONV', `${name}: after ${CONVERGE_MAX} applies there is still something to do: ${last?.code ?? `${last?.doc?.outcome} ${last?.doc?.error?.code ?? ''} ${last?.doc?.error?.message ?? ''}`}`)
  }

  #converged(name: string, to: string | undefined): void {
    audit(this.#lab, name)
    this.#lab.rules.tables(name)
    this.#shared.check(name)
    if (to === undefined) this.#nothingLeft()
  }

  #nothingLeft(): void {
    const { kernel, world, rules } = this.#lab
    const left = [...world.objects.values()].filter((o) => (o.mark ? !rules.retained.has(o.mark.uid) : !o.id.startsWith(SHARED)))
    kernel.check(left.length === 0, 'I-ORPHAN', () => `after destroy ${left.map((o) => o.id).join(' ')} exist`)
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
