import { isFailure, makeIds, type HoldfastError } from '../../src/base/index.ts'
import { beginRun, exitCodeOf, makePlan, readDrift, repairOf, type EngineContext, type PlannedRun, type RunDocument, type RunSession } from '../../src/engine/index.ts'
import { emptyTables, type Tables } from '../../src/journal/index.ts'
import type { HookPoint } from '../../src/model/index.ts'
import type { HookContext } from '../../src/program/index.ts'
import { makeRegistry } from '../../src/provider/index.ts'
import { makeKeyring, makeRedactor, type Keyring } from '../../src/secret/index.ts'
import { schemaVersion } from '../../src/store/index.ts'
import { Stream } from '../sim/random.ts'
import type { CaseResult, FuzzCase, Op, Program, Violation } from './case.ts'
import { Checks } from './check.ts'
import { StateFile } from './file.ts'
import { kinds, typesFor } from './kinds.ts'
import { settleAll } from './person.ts'
import { Process, ProcessStore, type Committed } from './process.ts'
import { APP, graphOf } from './program.ts'
import { moved } from './replay.ts'
import { ProcessClock, Time, turn } from './time.ts'
import { World } from './world.ts'

/** Runs that may be needed once nothing goes wrong any more. */
const CONVERGE_MAX = 4
/** Turns of one operation, at most. */
const TURNS_MAX = 3000
const STORE_ID = 'st-fuzz'
/** In one case of so many it is looked after each operation whether the state can be moved to another store. */
const MOVE_EVERY = 16
const KEY = new Uint8Array(32).fill(7)

let ring: Keyring | undefined

export class Broken extends Error {
  readonly violation: Violation
  constructor(rule: string, message: string) {
    super(message)
    this.violation = { rule, message }
  }
}

/** What an operation came to. */
export interface Outcome {
  readonly op: Op
  readonly process: Process
  planned: PlannedRun | undefined
  doc: RunDocument | undefined
  /** Failure that ended it before there was a document. */
  error: HoldfastError | undefined
  code: number | undefined
  /** Effects and mutating calls before it, after it. */
  readonly effectsFrom: number
  callsFrom: number
}

/** One case: the store's tables, the world, and one process after the other between them. */
export class Lab {
  readonly fuzz: FuzzCase
  /** Those of the case, and what an operator makes of them when the protection is in the way. */
  readonly programs: Program[]
  readonly time = new Time()
  readonly world = new World()
  readonly tables: Tables
  readonly ring: Keyring
  readonly storeId = STORE_ID
  readonly commits: Committed[] = []
  readonly lines: string[] | undefined
  readonly checks: Checks
  readonly codes: Record<string, number> = {}
  /** Where the truth is kept, beside the tables. */
  file: StateFile | undefined
  ops = 0
  #processes = 0
  /** The newest stored plan, and of what it is. */
  #stored: { readonly id: string; readonly of: string; readonly seq: number | undefined } | undefined
  /** Something was written since the stored plan was made that the present command carries out. */
  movedOn = false
  /** Words of the last command: it may go on in the part that it left. */
  #partOf = ''
  readonly #turns: Stream
  readonly #bytes: Stream

  constructor(fuzz: FuzzCase, trace: boolean) {
    this.fuzz = fuzz
    this.programs = [...fuzz.programs]
    this.lines = trace ? [] : undefined
    this.#turns = new Stream(fuzz.seed, 'turns')
    this.#bytes = new Stream(fuzz.seed, 'bytes')
    ring ??= makeKeyring(KEY, STORE_ID, new Stream(0, 'seal'))
    this.ring = ring
    this.tables = emptyTables({ storeId: STORE_ID, schema: schemaVersion, createdAt: this.time.now, keyCheck: undefined })
    this.checks = new Checks(this)
    this.world.watcher = this.checks
    for (const { id, kind, ...spec } of fuzz.exists ?? []) this.world.place(id, kinds[kind], { ...spec, refs: [] })
    this.world.now = () => this.time.now
    if (trace) this.world.note = (line) => this.note(line)
  }

  note(line: () => string): void {
    this.lines?.push(line())
  }

  process(end: Op['end']): { readonly process: Process; readonly cx: EngineContext } {
    const n = ++this.#processes
    this.time.now += 1000
    const process = new Process(`h-${n}`, this.time, this.#turns, this.fuzz.turnsMax, end)
    const ids = makeIds(process.clock, this.#bytes)
    const store = new ProcessStore(process, this.tables, this.#bytes, (c) => {
      this.commits.push(c)
      this.note(() => `commit ${summary(c)}`)
      this.checks.committed(c)
    }, this.file)
    const env = { id: 'e-fuzz', app: APP, name: 'default', revision: 0, partial: false, seq: 0, openRun: undefined }
    const cx: EngineContext = {
      store: this.file?.over(store) ?? store, clock: process.clock, random: this.#bytes, ids, types: makeRegistry(typesFor(this.world, process)), env,
      host: { root: '/', home: '/', env: { id: env.id, app: env.app, name: env.name }, assetPath: (a) => a.path, redact: (s) => s, secrets: () => [] },
      ring: this.ring, redactor: makeRedactor(), holder: { id: process.id, host: 'host', bootId: 'boot', pid: 1, startedAt: '0' },
      hook: (name) => (h) => this.#hook(process, name as HookPoint, h),
      emit: this.lines ? (e) => this.note(() => `event ${e.type} ${e.node ?? ''} ${e.message ?? ''}`) : () => undefined,
      asset: (path) => ({ path, digest: 'sha256:0' }), keepAssets: async () => undefined, parallelism: this.fuzz.parallelism, serial: false,
    }
    return { process, cx }
  }

  /** What a program's hook does: nothing, unless a fault says otherwise. One for errors wants another attempt, up to the third. */
  async #hook(process: Process, point: HookPoint, h: HookContext): Promise<'retry' | undefined> {
    const way = process.pause()
    if (way) await way
    if (process.dead) return new Promise(() => {})
    const fault = this.world.fault('hook', String(h.inputs.name))
    this.note(() => `hook ${point} ${h.address} ${h.op} ${fault ?? ''}`)
    if (point !== 'onError') this.checks.hooks.ran(point, h, fault === undefined)
    if (fault?.startsWith('hang')) return new Promise(() => {})
    if (fault !== undefined) throw new Error(`the hook of ${h.address} does not like it`)
    return point === 'onError' && h.attempt < 3 ? 'retry' : undefined
  }

  /** One operation as a process of its own, and every check after it. */
  async carryOut(op: Op): Promise<Outcome> {
    this.ops++
    this.time.now += op.waitMs ?? 0
    for (const d of op.drift ?? []) this.checks.drifted(this.world.drift(d.name, d.what, (o) => this.checks.seenBy(op, o, d.what)), d.what)
    this.world.faults = [...(op.faults ?? [])]
    const { process, cx } = this.process(op.end)
    this.note(() => `--- ${process.id} ${JSON.stringify(op)}`)
    const out: Outcome = { op, process, planned: undefined, doc: undefined, error: undefined, code: undefined, effectsFrom: this.world.effects.length, callsFrom: this.world.mutations }
    this.checks.begin(out)
    await this.#drive(process, this.#command(cx, process, op, out))
    this.world.faults = []
    this.time.clear()
    if (process.died) {
      await this.#compare()
      await this.file?.reopen()
    }
    if (this.fuzz.seed % MOVE_EVERY === 0) {
      const differs = await moved(this.tables, process.clock, this.#bytes)
      if (differs !== undefined) throw new Broken('e', `the state that was exported and imported has other ${differs}`)
    }
    const code = process.died ? 'dead' : String(out.code)
    this.codes[code] = (this.codes[code] ?? 0) + 1
    this.note(() => `=== ${code} ${out.doc?.outcome ?? ''} ${out.error ? `${out.error.code} ${out.error.message}` : out.doc?.error ? `${out.doc.error.code} ${out.doc.error.message}` : ''}`)
    await this.checks.end(out)
    return out
  }

  async #command(cx: EngineContext, process: Process, op: Op, out: Outcome): Promise<void> {
    const stop = process.stop.signal
    const abort = process.abort.signal
    let session: RunSession | undefined
    try {
      // As the command line does: a restricted command holds what it touches. What goes on beside the part of a dead run is left to test/support/parts.ts: the
      // rules here know of one run at a time.
      if (op.kind === 'plan') return await this.#plan(cx, op, out)
      const words = JSON.stringify([op.kind, wordsOf(op as never)])
      const stored = 'stored' in op && op.kind === 'apply' && this.#stored?.of === requestOf(op) ? this.#stored : undefined
      const beside = [...this.tables.envs.values()].some((e) => e.parts) && this.#partOf !== words
      const restricted = (op.kind === 'apply' || op.kind === 'destroy') && !('refresh' in op && op.refresh) && !stored && !beside
      const only = restricted ? { graph: op.kind === 'destroy' ? undefined : graphOf(this.programs[op.program] as Program), ...wordsOf(op) } : undefined
      this.#partOf = words
      session = await beginRun(cx, { lockTimeoutMs: 0, stop, abort, only })
      if (op.person) await settleAll(this, cx, session, op.person === 'retry')
      if (process.dead) return
      out.callsFrom = this.world.mutations
      const how = { onFailure: 'onFailure' in op ? op.onFailure : 'revert' as const, stop, abort }
      if (op.kind === 'revert') out.doc = await session.revert(how)
      else if (op.kind === 'resume') out.doc = await session.resume(how)
      else if (op.kind === 'taint') {
        await session.taint(op.addresses, op.off !== true)
        out.code = 0
      } else if (op.kind === 'forget') {
        if (this.#canBeTaken(op.address)) await session.forget(op.address)
        out.code = 0
      } else if (op.kind === 'refresh') {
        out.doc = await session.refresh(wordsOf(op), { stop })
        this.checks.refreshed()
      } else {
        const repair = op.kind === 'repair' ? await readDrift(session.cx) : 'refresh' in op && op.refresh ? repairOf(await session.refresh({}, { stop })) : undefined
        if ('refresh' in op && op.refresh) this.checks.refreshed()
        if (repair) this.note(() => `drift ${JSON.stringify(repair.drifted)}`)
        const graph = op.kind === 'destroy' ? undefined : graphOf(this.programs[op.program] as Program)
        this.movedOn = stored !== undefined && stored.seq !== this.checks.env?.seq
        this.checks.plannedAt = this.time.now
        const planned = stored ? await session.load({ id: stored.id }) : await session.plan({
          graph, repair, ...wordsOf(op),
          ...('replace' in op && op.replace ? { replace: op.replace } : {}), ...('unprotect' in op && op.unprotect ? { unprotect: op.unprotect } : {}),
        })
        out.planned = planned
        this.note(() => `plan ${planned.plan.changes.map((c) => `${c.doc.action}${c.deleteFirst ? '!' : ''}${c.phase === 'contract' ? '~' : ''} ${c.doc.address} <${c.after.join(',')}>`).join('; ')}`)
        this.checks.planned(out)
        out.doc = await session.apply(planned, how)
      }
      out.code ??= out.doc && exitCodeOf(out.doc)
    } catch (e) {
      if (process.dead) return
      if (e instanceof Broken) throw e
      if (!isFailure(e)) throw new Broken('b', e instanceof Error ? `${e.message}\n${e.stack}` : String(e))
      out.error = e
      out.code = e.exitCode
    }
    // A lease that cannot be given back ends by itself, or with its process.
    if (session && !process.dead) await session.end().catch((e: unknown) => {
      if (!isFailure(e)) throw e
    })
  }

  async #plan(cx: EngineContext, op: Extract<Op, { readonly kind: 'plan' }>, out: Outcome): Promise<void> {
    const planned = await makePlan(cx, { graph: graphOf(this.programs[op.program] as Program), ...wordsOf(op), ...(op.replace ? { replace: op.replace } : {}) }, { save: true })
    out.planned = planned
    this.checks.planned(out)
    this.#stored = { id: planned.id, of: requestOf(op), seq: this.checks.env?.seq }
    out.code = 0
  }

  /** What lies in an object that is found by its name would be found in its successor. */
  #canBeTaken(address: string): boolean {
    return this.checks.current().every((r) => r.address !== address || this.world.ours(r).every((o) => !o.kind.byName || this.world.inside(o).length === 0))
  }

  /** File and tables say the same. */
  async #compare(): Promise<void> {
    const differs = await this.file?.differsFrom(this.tables)
    if (differs !== undefined) throw new Broken('s', differs)
  }

  /** Once nothing goes wrong any more, few runs lead to what the program says, and then there is nothing to do. */
  async converge(): Promise<void> {
    const { fuzz, programs } = this
    const at = await until(this, fuzz.last)
    this.checks.converged(programs[at] as Program)
    if (fuzz.destroyed) {
      if ((programs[at] as Program).some((n) => n.protect)) await until(this, unprotected(this, at))
      await until(this, undefined)
      this.checks.destroyed()
    }
    await this.#compare()
  }

  /** Until the operation has ended, or its process is dead. */
  async #drive(process: Process, work: Promise<void>): Promise<void> {
    let ended = false
    let thrown: unknown
    work.then(() => { ended = true }, (e: unknown) => {
      ended = true
      thrown = e
    })
    for (let turns = 0; ; turns++) {
      await turn()
      if (this.checks.violation) throw new Broken(this.checks.violation.rule, this.checks.violation.message)
      if (thrown) throw thrown
      if (ended || process.dead) break
      if (this.file && this.file.busy > 0) continue
      if (turns > TURNS_MAX) throw new Broken('d', `still going after ${turns} turns`)
      if (!this.time.tick()) throw new Broken('d', 'nothing is left to happen, and the operation has not ended')
    }
    process.died ||= process.dead
    process.clock.dead = true
  }
}

/** What the command is restricted to. */
const wordsOf = (op: { readonly targets?: readonly string[]; readonly excludes?: readonly string[]; readonly targetDependents?: true; readonly excludeDependents?: true }) => ({
  ...(op.targets ? { targets: op.targets } : {}), ...(op.excludes ? { excludes: op.excludes } : {}), targetDependents: op.targetDependents === true, excludeDependents: op.excludeDependents === true,
})

/** What a plan is made of. */
const requestOf = (op: Parameters<typeof wordsOf>[0] & { readonly program: number; readonly replace?: readonly string[] }): string => JSON.stringify([op.program, op.replace, wordsOf(op)])

const summary = (c: Committed): string =>
  c.entries.map((e) => (e.t === 'tx.move' ? `${e.t}:${e.to}` : e.t === 'tx.open' ? `${e.t}:${e.row.op} ${e.row.address}${e.row.undo ? ' undo' : ''}` : e.t === 'event' ? e.kind : e.t === 'resource.put' ? `${e.t} ${e.row.address} ${e.row.status}` : e.t)).join(' ')

/** Carries out a case. Never throws for a rule that does not hold: it says which one. */
export async function runCase(fuzz: FuzzCase, trace = false): Promise<CaseResult> {
  const lab = new Lab(fuzz, trace)
  let violation: Violation | undefined
  try {
    if (fuzz.store === 'sqlite') lab.file = await StateFile.make(lab.tables, new ProcessClock(lab.time), new Stream(fuzz.seed, 'file'))
    for (const op of fuzz.ops) await lab.carryOut(op)
    await lab.converge()
  } catch (e) {
    violation = e instanceof Broken ? e.violation : { rule: 'b', message: e instanceof Error ? `${e.message}\n${e.stack}` : String(e) }
  } finally {
    await lab.file?.remove()
  }
  return { seed: fuzz.seed, violation, ops: lab.ops, calls: lab.world.calls, commits: lab.commits.length, digest: lab.checks.digest, trace: lab.lines, codes: lab.codes }
}

function unprotected({ programs }: Lab, at: number): number {
  return programs.push((programs[at] as Program).map(({ protect: _, ...n }) => n)) - 1
}

/** The program with nodes that have no place yet. */
function vacated({ programs }: Lab, at: number, nodes: readonly string[]): number {
  return programs.push((programs[at] as Program).map((n) => {
    const { slot: _, ...rest } = n
    return nodes.includes(n.address) ? rest : n
  })) - 1
}

/** Gives the program that it came to. */
async function until(lab: Lab, program: number | undefined): Promise<number> {
  const { programs } = lab
  let at = program
  let last: Outcome | undefined
  let unprotect: { readonly unprotect?: readonly string[] } = {}
  for (let i = 0; i <= CONVERGE_MAX; i++) {
    const repair = lab.checks.anyDrift && at !== undefined
    last = await lab.carryOut(at === undefined ? { kind: 'destroy', onFailure: 'revert', person: true } : { kind: repair ? 'repair' : 'apply', program: at, onFailure: 'revert', person: true, ...unprotect })
    if (last.doc?.outcome === 'unchanged' && last.planned?.empty && !repair) {
      if (lab.world.mutations !== last.callsFrom) throw new Broken('j', 'nothing was to be done, and calls were made')
      return at ?? -1
    }
    // What failed half-way can only be made anew, and what is protected is not: its operator gives the protection up.
    const refused = last.error?.code ?? last.doc?.error?.code
    if (refused === 'HF5001' && at !== undefined && at === program) at = unprotected(lab, at)
    // Where another object is asked for whatever the program says, it is lifted for one plan.
    else if (refused === 'HF5001' && at !== undefined) unprotect = { unprotect: (programs[at] as Program).map((n) => n.address) }
    // An object that a node has, or that it cannot have as it is, is not taken over: its author takes the word out.
    if ((refused === 'HF2120' || refused === 'HF2121') && at !== undefined) at = programs.push((programs[at] as Program).map(({ adopt: _, ...n }) => n)) - 1
    // Nodes that wait for each other's places, directly or through others, are moved as the refusal says: in two steps.
    if (refused === 'HF2104' && at !== undefined) await lab.carryOut({ kind: repair ? 'repair' : 'apply', program: vacated(lab, at, last.error?.details?.nodes as readonly string[]), onFailure: 'revert', person: true })
  }
  throw new Broken('j', `after ${CONVERGE_MAX} runs there is still something to do: ${last?.error ? `${last.error.code} ${last.error.message}` : `${last?.doc?.outcome} ${last?.doc?.error?.code ?? ''} ${last?.doc?.error?.message ?? ''}`}`)
}
