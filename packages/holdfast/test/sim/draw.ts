import { withExtras } from './extras.ts'
import { withParts } from './parts.ts'
import { withWords } from './words.ts'
import { drawTimes } from './kinds.ts'
import { Stream } from './random.ts'
import type { Command, CommandStep, CrashPoint, Rates, Scenario, Step, Try } from './scenario.ts'
import { drawWorkload, type Program, type Workload } from './workload.ts'

/**
 * The life of a seed. Most are short: few nodes, one or two commands with trouble, and what must hold afterwards; that is where a seed costs least and
 * most of what breaks shows. A share of them is long: many nodes, and one command after the other on what the last one left.
 */
export function drawScenario(seed: number): Scenario {
  const r = new Stream(seed, 'scenario')
  const shape = drawShape(r)
  const calm = r.chance(shape === 'long' ? 0.25 : 0.12)
  const trouble = calm ? none : drawTrouble(r, shape)
  const secrets = r.chance(0.5)
  const persons = r.chance(0.3)
  const work = withExtras(new Stream(seed, 'extras'), drawWorkload(new Stream(seed, 'workload'), { secrets, persons, shape }))
  const steps = withParts(new Stream(seed, 'parts'), calm || persons, withWords(new Stream(seed, 'words'), calm, stepsOf(new Draw(r, trouble, calm), shape, work)), work)
  return {
    seed, shape, calm, sameHost: r.chance(0.5), parallelism: r.chance(0.4) ? 1 : r.between(2, 4), slowReads: r.chance(0.15), realKey: r.chance(0.06), secrets,
    ...(!calm && r.chance(0.15) ? { foreign: `n${r.between(1, 6)}` } : {}),
    kinds: drawTimes(new Stream(seed, 'setting')), programs: programsOf(work, steps), steps, ...(calm ? {} : { rates: trouble.rates }),
  }
}

const shapes = [['first', 0.27], ['change', 0.57], ['on the last', 0.76], ['destroy', 0.87], ['long', 1]] as const
export type Shape = (typeof shapes)[number][0]

function drawShape(r: Stream): Shape {
  const x = r.fraction()
  return (shapes.find(([, until]) => x < until) ?? shapes[0])[0]
}

/** What goes wrong in a seed, and how often: each kind is absent in half of all seeds (spec/reliability.md 2.3). */
interface Trouble {
  readonly rates: Rates
  readonly crash: number
  readonly pause: number
  readonly rival: number
  readonly cancel: number
}
const none: Trouble = { rates: { reject: 0, requestLost: 0, replyLost: 0, late: 0, partial: 0, hang: 0, slowCommit: 0, full: 0 }, crash: 0, pause: 0, rival: 0, cancel: 0 }

function drawTrouble(r: Stream, shape: Shape): Trouble {
  // A short life has few calls, so more of them go wrong.
  const k = shape === 'long' ? 1 : 2
  return {
    rates: {
      reject: r.swarm(0.15 * k), requestLost: r.swarm(0.15 * k), replyLost: r.swarm(0.15 * k), late: r.swarm(0.15 * k), partial: r.swarm(0.1 * k), hang: r.swarm(0.05 * k),
      slowCommit: r.swarm(0.01 * k), full: r.swarm(0.05 * k),
    },
    crash: r.swarm(shape === 'long' ? 0.8 : 1.4), pause: r.swarm(0.3 * k), rival: r.swarm(0.5), cancel: r.swarm(0.2 * k),
  }
}

/** Draws commands and what happens to the processes that carry them out. */
class Draw {
  readonly r: Stream
  readonly #t: Trouble
  readonly #calm: boolean

  constructor(r: Stream, trouble: Trouble, calm: boolean) {
    this.r = r
    this.#t = trouble
    this.#calm = calm
  }

  apply(program: string, revert: number): Command {
    return { do: 'apply', program, onFailure: this.r.chance(revert) ? 'revert' : 'keep' }
  }

  /** `other`: what a rival applies, who is not of one mind with this one. */
  step(name: string, command: Command, other: string, triesMax: number): CommandStep {
    const n = this.#calm ? 1 : this.r.between(1, triesMax)
    return { name, command, tries: Array.from({ length: n }, () => this.#try(command, other)) }
  }

  #try(command: Command, other: string): Try {
    const { r } = this
    const rival = r.chance(this.#t.rival)
    return {
      ...this.#fate(),
      patienceMs: r.chance(0.5) ? r.between(31_000, 60_000) : r.between(40_000, 400_000), restMs: r.between(25_000, 35_000),
      ...(rival ? {
        rival: {
          afterMs: r.below(500), command: r.pick<Command>([{ do: 'apply', program: other, onFailure: 'revert' }, { do: 'destroy' }, { do: 'revert' }, command]),
          how: { ...this.#fate(), lockTimeoutMs: r.chance(0.3) ? 40_000 : 0, patienceMs: 0, restMs: 0 },
        },
      } : {}),
    }
  }

  #fate(): Omit<Try, 'patienceMs' | 'restMs'> {
    const { r } = this
    const t = this.#t
    const out: { -readonly [k in keyof Try]?: Try[k] } = {}
    if (r.chance(t.crash)) {
      const phase = r.chance(0.5) ? 'before' as const : 'after' as const
      const near = r.chance(0.4)
      const points: readonly CrashPoint[] = [
        { at: 'commit', n: r.between(1, near ? 8 : 30), phase }, { at: 'call', n: r.between(1, near ? 3 : 12), phase }, { at: 'await', n: r.between(1, near ? 25 : 90), phase },
      ]
      const which = r.below(4)
      if (which < 3) out.crash = points[which]
      else out.killedAfterMs = r.below(near ? 300 : 20_000)
    }
    if (r.chance(t.pause)) out.pause = { afterMs: r.below(r.chance(0.7) ? 400 : 5_000), forMs: r.between(20_000, 120_000) }
    if (r.chance(t.cancel)) {
      out.stopAfterMs = r.below(800)
      if (r.chance(0.4)) out.abortAfterMs = r.between(500, 3000)
    }
    if (r.chance(0.8)) out.person = true
    return out
  }
}

const protectedIn = (p: Program): boolean => p.some((n) => n.protect)

function stepsOf(d: Draw, shape: Shape, w: Workload): Step[] {
  const { r } = d
  const steps: Step[] = []
  const converge = (name: string, to: string | undefined) => void steps.push({ name, to })
  const base = () => void steps.push({ name: 'base', to: 'v1', once: true })
  const unprotected = (program: 'v1' | 'v2') => (protectedIn(w[program]) ? `${program} unprotected` : program)
  /** To nothing: what is protected is not protected any more first. */
  const away = (program: 'v1' | 'v2', destroy?: CommandStep) => {
    if (protectedIn(w[program])) converge('open', unprotected(program))
    if (destroy) steps.push(destroy)
    converge('away', undefined)
  }
  const then = () => r.chance(0.2) ? [d.step('back', { do: 'revert' }, 'v1', 2)] : r.chance(0.2) ? [d.step('again', { do: 'resume' }, 'v1', 2)] : []
  switch (shape) {
    case 'first':
      // What is protected in v2 is not deleted for v1.
      if (protectedIn(w.v1) || protectedIn(w.v2)) steps.push(d.step('first', d.apply('v1', 0.75), 'v1', 3))
      else steps.push(d.step('first', d.apply(r.chance(0.35) ? 'broken' : 'v1', 0.75), 'v2', 3))
      converge('settle', 'v1')
      if (r.chance(0.25)) away('v1')
      break
    case 'change':
      base()
      steps.push(d.step('change', d.apply(r.chance(0.4) ? 'broken' : 'v2', 0.75), 'v1', 2), ...then())
      converge('settle', 'v2')
      if (r.chance(0.2)) away('v2')
      break
    case 'on the last':
      steps.push(d.step('first', d.apply('v1', 0.6), 'v1', 2), d.step('change', d.apply(r.chance(0.5) ? 'broken' : 'v2', 0.6), 'v1', 2), ...then())
      converge('settle', 'v2')
      if (r.chance(0.2)) away('v2')
      break
    case 'destroy':
      base()
      away('v1', d.step('destroy', { do: 'destroy' }, unprotected('v1'), 2))
      break
    case 'long': {
      if (r.chance(0.15)) steps.push(d.step('failing', d.apply('broken', 1), 'v1', 3))
      steps.push(d.step('first', d.apply('v1', 0.8), 'v1', 3))
      steps.push(d.step('change', d.apply(r.chance(0.5) ? 'broken' : 'v2', 0.7), 'v1', 3))
      if (r.chance(0.3)) steps.push(d.step('back', { do: 'revert' }, 'v1', 3))
      else if (r.chance(0.3)) steps.push(d.step('again', { do: 'resume' }, 'v1', 3))
      if (r.chance(0.5)) steps.push(d.step('second', d.apply('v2', 1), 'v2', 3))
      // What was protected in v1 may be renamed in v2; going back would delete it.
      const last = r.chance(0.8) || protectedIn(w.v1) || protectedIn(w.v2) ? 'v2' : 'v1'
      converge('settle', last)
      away(last, r.chance(0.4) ? d.step('destroy', { do: 'destroy' }, unprotected(last), 2) : undefined)
      break
    }
    default: shape satisfies never
  }
  return steps
}

/** Those that a step names. */
function programsOf(w: Workload, steps: readonly Step[]): Scenario['programs'] {
  const open = (p: Program): Program => p.map((n) => ({ ...n, protect: false }))
  const all: Record<string, Program> = { v1: w.v1, v2: w.v2, broken: w.broken, 'v1 unprotected': open(w.v1), 'v2 unprotected': open(w.v2) }
  const named = new Set<string>()
  const note = (c: Command) => { if (c.do === 'apply') named.add(c.program) }
  for (const s of steps) {
    if (!('command' in s)) {
      if (s.to !== undefined) named.add(s.to)
      continue
    }
    note(s.command)
    for (const t of s.tries) if (t.rival) note(t.rival.command)
  }
  return Object.fromEntries(Object.entries(all).filter(([name]) => named.has(name)))
}
