import { canonical } from '../../src/base/index.ts'
import { reveal, type Value } from '../../src/model/index.ts'
import { callKey, decodeDoc } from '../../src/secret/index.ts'
import type { ResourceRow, TxRow } from '../../src/state/index.ts'
import { checkTables } from '../../src/store/memory/check.ts'
import type { Op, Program, Violation } from './case.ts'
import { kindOf, type Inputs } from './kinds.ts'
import type { Committed } from './process.ts'
import { checkCode, openRunOf } from './codes.ts'
import { checkDone } from './done.ts'
import { AdoptedChecks } from './adopted.ts'
import { HookChecks } from './hooks.ts'
import { checkCommand, checkConverged, checkDeadline, checkOptions, goesWith, restricted, scopeOf, tiedTo, type PlanSeen } from './options.ts'
import { replayed, validPrefix } from './replay.ts'
import { Broken, type Lab, type Outcome } from './run.ts'
import { isFree, markText, specText, type Given, type Mutation, type Watcher, type WorldObject } from './world.ts'

/** One object of the base, as it was when that was committed. */
interface BaseObject {
  readonly row: ResourceRow
  readonly spec: string | undefined
  readonly id: string | undefined
}

/** Replays cost as much as what they replay: not every case pays for them. */
const REPLAY_EVERY = 8

/** What must hold: during every call and commit, and after every operation (spec/engine.md 3.13). */
export class Checks implements Watcher {
  readonly lab: Lab
  violation: Violation | undefined
  base = new Map<string, BaseObject>()
  baseRevision = 0
  /** Nothing has gone wrong yet in this case. */
  calm = true
  /** State when the operation began: no open run, nothing unsettled, no deletions left. */
  clean = true
  /** Newest row that was written of each object. */
  readonly rows = new Map<string, Omit<ResourceRow, 'seq'>>()
  /** Address of every object that a change was ever opened for. */
  readonly addressOf = new Map<string, string>()
  /** Deletions by a call, in the present command: what each goes with, and when it was made. */
  deletions: { readonly uid: string; readonly with: string | undefined; readonly run: string; readonly phase: string }[] = []
  readonly plans = new Map<string, PlanSeen>()
  /** Addresses by which an object was known when the operation began. */
  before = new Map<string, string>()
  pendingBefore = new Set<string>()
  revisionBefore = 0
  /** When the plan of the present command began to be made. */
  plannedAt = 0
  openRunBefore: string | undefined
  readonly #lab: Lab
  readonly #keys = new Map<string, string>()
  readonly #opened = new Map<string, Record<string, unknown>>()
  /** Objects that somebody else removed; addresses whose objects were made anew while something was taken back. */
  readonly #gone = new Set<string>()
  readonly #renewed = new Set<string>()
  /** What an operation has made anew on the way back: address and run. */
  readonly #madeAgain = new Map<string, { readonly address: string; readonly run: string }>()
  /** Objects that were left half-way at some time: what they are nobody knows until they are whole again. */
  readonly #torn = new Set<string>()
  /** Nodes whose protection does not count in the present command. */
  #lifted: ReadonlySet<string> = new Set()
  /** The present command. */
  #op: Op = { kind: 'resume' }
  /** What rows keep of a value of `replaceWhen`. */
  readonly whens = new Map<number, string>()
  readonly hooks: HookChecks
  readonly adopted: AdoptedChecks
  #hash = 0x811c9dc5

  constructor(lab: Lab) {
    this.lab = lab
    this.#lab = lab
    this.hooks = new HookChecks(this)
    this.adopted = new AdoptedChecks(this)
  }

  get digest(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0')
  }

  fail(rule: string, message: string): void {
    this.violation ??= { rule, message }
  }

  must(holds: boolean, rule: string, message: () => string): void {
    if (!holds) throw new Broken(rule, message())
  }

  /** A document as the plain values it stands for. */
  opened(row: { readonly uid: string; readonly type: string }, field: 'inputs' | 'outputs', text: string): Record<string, unknown> {
    let known = this.#opened.get(text)
    if (!known) this.#opened.set(text, known = reveal(decodeDoc(text, { table: 'resource', row: row.uid, field, type: row.type }, this.#lab.ring) as Value) as Record<string, unknown>)
    return known
  }

  openTx(uid: string): TxRow | undefined {
    const token = this.#lab.tables.unresolvedOf.get(uid)
    return token === undefined ? undefined : this.#lab.tables.txs.get(token)
  }

  current(): ResourceRow[] {
    const out: ResourceRow[] = []
    for (const rows of this.#lab.tables.resources.values()) for (const { row } of rows.values()) if (row.until === undefined) out.push(row)
    return out
  }

  get env() {
    return [...this.#lab.tables.envs.values()][0]
  }

  get anyDrift(): boolean {
    if (this.#gone.size > 0) return true
    // What was given up belongs to nobody.
    const kept = new Set(this.current().map((r) => r.uid))
    for (const o of this.#lab.world.objects.values()) if (o.drifted && !o.accepted && kept.has(o.mark.uid)) return true
    return false
  }

  /** What nobody has settled yet is as it is found: nobody can tell that somebody else changed it, but that what an update left half-way is gone. Nor does a refresh look at what is not finished. */
  seenBy(op: Op, o: WorldObject, what: 'gone' | 'changed'): boolean {
    const row = this.current().find((r) => r.uid === o.mark.uid)
    if (this.#lab.tables.unresolvedOf.has(o.mark.uid)) return op.kind === 'repair' && what === 'gone' && row?.status === 'partial' && row.meta.whole === true && row.ordinal === o.mark.ordinal && o.kind.readable && this.openTx(row.uid)?.status === 'failed'
    if (op.kind !== 'refresh' && !('refresh' in op)) return true
    return openRunOf(this.env) === undefined && row?.status === 'ready'
  }

  drifted(o: WorldObject | undefined, what: 'gone' | 'changed'): void {
    if (!o) return
    this.calm = false
    if (what === 'gone') this.#gone.add(markText(o.mark))
  }

  /** What somebody else did is on record now. */
  refreshed(): void {
    const rows = new Map(this.current().map((r) => [r.uid, r]))
    for (const o of this.#lab.world.objects.values()) {
      const row = rows.get(o.mark.uid)
      if (!row || row.ordinal !== o.mark.ordinal || row.status !== 'ready' || !o.kind.readable || this.openTx(row.uid)) continue
      if (restricted(this.#op) && !scopeOf(this, this.#op)?.has(row.address)) continue
      this.must(canonical(this.#lab.world.outputsOf(o)) === this.outputsOf(row), 'r', () => `${row.address} was looked at, and is recorded as ${this.outputsOf(row)}`)
      if (o.drifted) o.accepted = true
    }
    for (const row of rows.values()) {
      if (row.status !== 'ready' || !kindOf(row.type).readable || this.openTx(row.uid) || (restricted(this.#op) && !scopeOf(this, this.#op)?.has(row.address))) continue
      this.must(this.#lab.world.ours(row).length === 1, 'r', () => `${row.address} was looked at, and is on record, and there is no such object`)
    }
    this.revisionBefore = this.env?.revision ?? 0
    this.#takeBase()
  }

  /** Recorded outputs, as text. */
  outputsOf(row: ResourceRow): string {
    return canonical(this.opened(row, 'outputs', this.#lab.tables.resources.get(row.uid)?.get(row.since)?.docs?.outputs ?? '{}'))
  }

  // While something happens.

  cutOff(op: Mutation | 'read', g: Given, elapsedMs: number): void {
    checkDeadline(this, op, g, elapsedMs)
  }

  started(op: Mutation, g: Given): void {
    const tx = this.openTx(g.mark.uid)
    const what = `${op} ${g.inputs.name}`
    if (!tx || (tx.status !== 'sent' && tx.status !== 'unknown') || tx.op !== op || tx.ordinal !== g.mark.ordinal) return this.fail('h', `${what} is called, and no intent is on record`)
    const { ring, storeId } = this.#lab
    if (String(callKey(ring, storeId, tx)) !== g.key) return this.fail('k', `${what} is called under another key than the one on record`)
    const step = `${tx.token} ${tx.epoch}`
    const known = this.#keys.get(g.key)
    if (known !== undefined && known !== step) return this.fail('k', `${what} is called under the key of another step`)
    this.#keys.set(g.key, step)
    this.hooks.started(op, tx)
    if (canonical(this.opened(tx, 'inputs', tx.target.inputs)) !== canonical(g.inputs)) this.fail('h', `${what} is called with other inputs than those on record`)
  }

  landing(op: Mutation, g: Given, o: WorldObject | undefined): void {
    for (let h = this.#hash, i = 0, text = `${op} ${g.inputs.name} ${g.mark.ordinal}`; i <= text.length; i++) {
      if (i === text.length) this.#hash = h
      else h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
    }
    checkOptions(this, op, g, this.openTx(g.mark.uid))
    if (op === 'create') {
      if (this.#lab.world.ours(g.mark).length > 0) this.fail('f', `${g.inputs.name} is made a second time`)
      const { slot } = g.inputs
      if (slot !== undefined) for (const other of this.#lab.world.objects.values()) if (other.spec.slot === slot) this.fail('f', `${g.inputs.name} is made on slot ${slot}, which ${other.spec.name} has`)
    }
    if (o) this.adopted.landing(op, o, this.openTx(g.mark.uid)?.undo === true)
    if (op !== 'delete' || !o) return
    const was = this.base.get(g.mark.uid)?.row
    // What failed half-way can only be made anew, once its operator has given the protection up.
    if (was?.meta.protect && was.status === 'ready' && !this.#lifted.has(was.address) && !this.#torn.has(g.mark.uid) && was.ordinal === g.mark.ordinal) this.fail('g', `${g.inputs.name} is protected, and it is deleted`)
    if (was?.meta.retain && was.status === 'ready' && was.ordinal === g.mark.ordinal) this.fail('g', `${g.inputs.name} is to be retained, and it is deleted`)
    const user = this.#mayRefer(o.id, g.mark.uid)
    if (user) this.fail('i', `${g.inputs.name} is deleted, and what becomes of ${user.op} ${user.address}, which refers to it, is not known`)
    const tx = this.openTx(g.mark.uid)
    const row = this.rows.get(g.mark.uid)
    if (tx && !tx.undo) this.deletions.push({ uid: g.mark.uid, with: row && goesWith(this, row, tx), run: tx.run, phase: this.#lab.tables.runs.get(tx.run)?.phase ?? '' })
    // What has to go first, to make room, may be referred to until its successor is there.
    if (tx?.undo || this.rows.get(g.mark.uid)?.status !== 'deleting' || !this.calm || (tx && this.#lab.tables.runs.get(tx.run)?.phase === 'expand')) return
    const along = this.#lab.world.inside(o)
    for (const other of this.#lab.world.objects.values()) if (other !== o && !along.includes(other) && other.spec.refs.includes(o.id)) this.fail('i', `${g.inputs.name} is deleted, and ${other.spec.name} refers to it`)
  }

  /** A change under way whose inputs refer to an object. */
  #mayRefer(id: string, but: string): TxRow | undefined {
    const { tables } = this.#lab
    for (const token of tables.unresolvedOf.values()) {
      const tx = tables.txs.get(token) as TxRow
      if (tx.uid === but || tx.op === 'delete' || (tx.status !== 'sent' && tx.status !== 'unknown')) continue
      if ((this.opened(tx, 'inputs', tx.target.inputs) as unknown as Inputs).refs.includes(id)) return tx
    }
    return undefined
  }

  refusedDelete(gone: WorldObject, user: WorldObject): void {
    // With faults, or on the way back, the world may have to say no; then the deletion stays to be done.
    if (this.calm && !this.openTx(gone.mark.uid)?.undo) this.fail('i', `${gone.spec.name} is to be deleted, and ${user.spec.name} refers to it`)
  }

  committed(c: Committed): void {
    for (const e of c.entries) if (e.t === 'tx.move' && e.set.applied === 'partly') this.#torn.add(this.#lab.tables.txs.get(e.token)?.uid ?? '')
    for (const e of c.entries) if (e.t === 'resource.put') {
      this.rows.set(e.row.uid, e.row)
      if (e.row.status === 'partial') this.#torn.add(e.row.uid)
    }
    for (const e of c.entries) {
      if (e.t === 'event' && e.kind === 'state.forgotten') this.#forgotten(e.data)
      if (e.t === 'tx.open') {
        this.addressOf.set(e.row.uid, e.row.address)
        this.hooks.opened(e.row)
      }
      if (e.t === 'tx.move' && e.to === 'completed') {
        const tx = this.#lab.tables.txs.get(e.token)
        if (tx) this.hooks.completed(tx)
        if (tx?.undo && tx.op === 'create') this.#madeAgain.set(e.token, { address: tx.address, run: tx.run })
      }
    }
    this.adopted.committed(c.entries)
    const wrong = validPrefix(this.#lab.tables)
    if (wrong !== undefined) this.fail('m', `after a commit: ${wrong}`)
  }

  #forgotten(data: string | undefined): void {
    for (const { uid } of (JSON.parse(data ?? '{}') as { objects: { uid: string }[] }).objects) {
      const row = this.rows.get(uid)
      if (row) this.#lab.world.takeAway(row)
      this.hooks.forgotten(uid)
    }
  }

  // Around an operation.

  begin(out: Outcome): void {
    const { op } = out
    const { env } = this
    const lifted = new Set('unprotect' in op ? op.unprotect : [])
    if ('program' in op) for (const n of this.#lab.programs[op.program] as Program) if (lifted.has(n.address)) for (const a of n.movedFrom ?? []) lifted.add(a)
    this.#lifted = lifted
    const current = this.current()
    this.before = new Map(current.map((r) => [r.uid, r.address]))
    this.pendingBefore = new Set(current.filter((r) => r.status === 'deleting').map((r) => r.uid))
    this.revisionBefore = env?.revision ?? 0
    this.openRunBefore = openRunOf(env)
    this.clean = openRunOf(env) === undefined && !env?.partial && this.#lab.tables.unresolvedOf.size === 0 && current.every((r) => r.status === 'ready')
    this.#op = op
    this.hooks.begin()
    this.deletions = []
    if (op.faults?.length || op.end || op.drift?.length) this.calm = false
  }

  planned(out: Outcome): void {
    const { op, planned } = out
    if (planned) this.plans.set(planned.plan.id, { program: 'program' in op ? this.#lab.programs[op.program] as Program : [], uidOf: new Map(planned.plan.changes.map((x) => [x.doc.address, x.uid])), actionOf: new Map(planned.plan.changes.map((x) => [x.doc.address, x.doc.action])), restricted: planned.plan.restricted !== undefined })
    for (const c of out.planned?.document.changes ?? []) this.must(!(c.protected && (c.action === 'delete' || c.action === 'replace')), 'g', () => `the plan would ${c.action} ${c.address}, which is protected`)
  }

  async end(out: Outcome): Promise<void> {
    if (this.violation) throw new Broken(this.violation.rule, this.violation.message)
    for (const d of checkTables(this.#lab.tables)) this.must(d.ok, 'a', () => `doctor: ${d.name}: ${d.detail}`)
    this.audit()
    // A process that ends while it takes back has nobody to tell what it has made anew: its journal says so, and the run that ends the way back tells its own part.
    for (const { address, run } of this.#madeAgain.values()) if (run !== out.doc?.run) this.#renewed.add(address)
    this.#madeAgain.clear()
    if (out.process.died) {
      if (openRunOf(this.env) === undefined) this.#takeBase()
      return
    }
    for (const r of out.doc?.reverted ?? []) if (r.identity === 'new') this.#renewed.add(r.address)
    if (out.doc?.outcome === 'reverted') {
      this.hooks.reverted()
      this.asBase()
    }
    checkCode(this, out)
    checkDone(this, out)
    checkCommand(this, out)
    if (openRunOf(this.env) === undefined) this.#takeBase()
  }

  /** Records and world agree, as far as nothing is unsettled. */
  audit(): void {
    const { tables, world } = this.#lab
    const current = new Map<string, ResourceRow>()
    for (const row of this.current()) current.set(row.uid, row)
    for (const row of current.values()) {
      if (tables.unresolvedOf.has(row.uid) || this.#mayBeAlong(row)) continue
      const found = world.ours(row)
      if (row.meta.due === 'afterDelete') {
        this.must(found.length === 0, 'f', () => `${row.address} owes nothing but a hook, and ${found[0]?.id} exists`)
        continue
      }
      this.must(found.length < 2, 'f', () => `${row.address} stands for ${found.length} objects`)
      if (this.#gone.has(markText(row)) || row.status === 'partial') continue
      const [o] = found
      this.must(o !== undefined, 'f', () => `${row.address} is recorded (${row.status}), and there is no such object`)
      if (!o || o.drifted || (row.status === 'deleting' && this.#torn.has(row.uid))) continue
      const want = this.#asRecorded(row)
      this.must(specText(o.spec) === want, 'f', () => `${row.address} is recorded as ${want}, and is ${specText(o.spec)}`)
      const outputs = this.outputsOf(row)
      this.must(canonical(world.outputsOf(o)) === outputs, 'f', () => `the outputs of ${row.address} are recorded as ${outputs}, and are ${canonical(world.outputsOf(o))}`)
    }
    const marks = new Map<string, string>()
    for (const o of world.objects.values()) {
      if (isFree(o)) continue
      const mark = markText(o.mark)
      this.must(!marks.has(mark), 'f', () => `${o.id} and ${marks.get(mark)} are one object of one node`)
      marks.set(mark, o.id)
      if (tables.unresolvedOf.has(o.mark.uid) || current.get(o.mark.uid)?.ordinal === o.mark.ordinal) continue
      // What is retained stays, and nobody looks after it.
      this.must(this.rows.get(o.mark.uid)?.meta.retain === true, 'f', () => `nobody knows of ${o.id} (${o.spec.name}, ${o.kind.type})`)
    }
    for (const mark of this.#gone) {
      const [uid, ordinal] = mark.split(' ')
      if (current.get(uid as string)?.ordinal !== Number(ordinal)) this.#gone.delete(mark)
    }
  }

  /** Nobody knows yet whether what it goes with is gone. */
  #mayBeAlong(row: ResourceRow): boolean {
    let uid = tiedTo(row)
    for (let i = 0; uid !== undefined && i < 9; i++) {
      if (this.#lab.tables.unresolvedOf.has(uid)) return true
      const above = this.rows.get(uid)
      uid = above && tiedTo(above)
    }
    return false
  }

  /** Records and world are as the base has them. */
  asBase(): void {
    const { world } = this.#lab
    const now = new Map(this.current().map((r) => [r.uid, r]))
    this.adopted.asBefore()
    this.must(openRunOf(this.env) === undefined, 'l', () => 'it was taken back, and a run is open still')
    this.must(this.env?.revision === this.baseRevision, 'l', () => `it was taken back to ${this.baseRevision}, and the revision is ${this.env?.revision}`)
    // What refers to an object that is made anew follows it, when it is taken back itself: its former inputs name something that is gone.
    const ids = new Map<string, string>()
    for (const [uid, was] of this.base) {
      const id = now.has(uid) ? world.ours(now.get(uid) as ResourceRow)[0]?.id : undefined
      if (was.id !== undefined && id !== undefined && id !== was.id && this.#renewed.has(was.row.address)) ids.set(was.id, id)
    }
    const followed = (text: string) => {
      const spec = JSON.parse(text) as Inputs
      const { within } = spec
      return specText({ ...spec, refs: spec.refs.map((id) => ids.get(id) ?? id), ...(within === undefined ? {} : { within: ids.get(within) ?? within }) })
    }
    for (const [uid, was] of this.base) {
      const is = now.get(uid)
      if (was.row.status === 'deleting') continue
      const follows = was.spec !== undefined && followed(was.spec) !== was.spec
      this.must(is !== undefined && (was.row.status === 'partial' || rowText(is, follows) === rowText(was.row, follows)), 'l', () => `${was.row.address} is not recorded as it was: ${is ? `${rowText(was.row)} became ${rowText(is)}` : 'it is gone'}`)
      if (was.row.status === 'partial' || was.spec === undefined || !is || this.#gone.has(markText(is))) continue
      const [o] = world.ours(is)
      if (o?.drifted) continue
      this.must(o !== undefined && (specText(o.spec) === was.spec || specText(o.spec) === followed(was.spec as string)), 'l', () => `${was.row.address} was ${was.spec}, and is ${o ? specText(o.spec) : 'gone'}`)
      this.must(o?.id === was.id || this.#renewed.has(was.row.address), 'l', () => `${was.row.address} was ${was.id}, and is ${o?.id} now, and nobody says so`)
    }
    for (const [uid, is] of now) this.must(this.base.has(uid), 'l', () => `${is.address} is recorded, and it was not there before`)
  }

  #takeBase(): void {
    const { world } = this.#lab
    this.base = new Map()
    this.baseRevision = this.env?.revision ?? 0
    this.#renewed.clear()
    for (const row of this.current()) {
      const [o] = world.ours(row)
      this.base.set(row.uid, { row, spec: o && (o.drifted ? this.#asRecorded(row) : specText(o.spec)), id: o?.id })
    }
  }

  /** What it is to be, whatever somebody else made of it. */
  #asRecorded(row: ResourceRow): string {
    return specText(this.opened(row, 'inputs', this.#lab.tables.resources.get(row.uid)?.get(row.since)?.docs?.inputs ?? '{}') as unknown as Inputs)
  }

  // At the end.

  converged(program: Program): void {
    const rows = new Map(this.current().filter((r) => r.status !== 'deleting').map((r) => [r.address, r]))
    for (const n of program) {
      const row = rows.get(n.address)
      this.must(row !== undefined, 'j', () => `${n.address} is wanted, and not there`)
      const [o] = row ? this.#lab.world.ours(row) : []
      this.must(o !== undefined && fields.every((f) => o.spec[f] === n[f] || (f === 'size' && o.accepted && o.drifted) || n.ignore?.some((p) => p === '*' || p === f)), 'j', () => `${n.address} is not as the program says: ${o && specText(o.spec)}`)
      const refs = (n.refs ?? []).map((a) => this.#lab.world.ours(rows.get(a) as ResourceRow)[0]?.id)
      this.must(canonical(refs) === canonical([...(o?.spec.refs ?? [])]), 'j', () => `${n.address} refers to ${o?.spec.refs.join(' ')}, and should to ${refs.join(' ')}`)
    }
    checkConverged(this, program, rows)
    this.adopted.converged(program)
    this.must(rows.size === program.length, 'j', () => `there are ${rows.size} nodes, and the program has ${program.length}`)
    this.must(this.current().length === rows.size, 'j', () => 'deletions are left')
    if (this.#lab.fuzz.seed % REPLAY_EVERY === 0) {
      const differs = replayed(this.#lab.tables, this.#lab.commits)
      this.must(differs === undefined, 'e', () => `the journal replayed from nothing gives other ${differs}`)
    }
  }

  destroyed(): void {
    for (const o of this.#lab.world.objects.values()) if (!isFree(o)) this.must(this.rows.get(o.mark.uid)?.meta.retain === true, 'f', () => `after destroy ${o.id} (${o.spec.name}) exists`)
    this.must(this.current().length === 0, 'j', () => 'after destroy there are records')
  }
}

const fields = ['name', 'size', 'zone', 'slot'] as const

/** `follows`: what it refers to has another id now, so its inputs are others. */
const rowText = (r: ResourceRow, follows = false): string =>
  canonical([r.address, r.type, ...(follows ? [] : [r.fingerprint, r.shape]), r.status, [...r.meta.claims], r.meta.protect, r.meta.retain, [...r.meta.deps], r.meta.tags as never])
