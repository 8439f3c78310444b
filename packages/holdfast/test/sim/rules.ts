import { checkTables } from '../../src/store/memory/check.ts'
import type { LeaseRow, ResourceRow } from '../../src/state/index.ts'
import type { Process } from './kernel.ts'
import type { Lab } from './lab.ts'
import type { Committed } from './store.ts'
import { SHARED } from './extras.ts'
import { opened, openTx } from './watch.ts'
import type { Given, Inputs, Mutation } from './world.ts'

/** Calls of one request, under one key. */
interface Request {
  attempts: number
  /** Turned away, and the caller was told while it still waited. */
  rejected: number
  by: Process
  /** Another process asked before, or an attempt is on record that did not come: what was told nobody knows. */
  inherited: boolean
}

const TOLD_IN_TIME_MS = 1000
/** Events that tell the outcome of a change, each with what the change becomes in the same commit. */
const outcomes: Readonly<Record<string, string>> = { 'tx.completed': 'completed', 'tx.recovered': 'completed', 'tx.failed': 'failed', 'tx.unknown': 'unknown' }

/** What must hold at every commit, every grant and every call, whoever makes it; and what a look at all tables must say. */
export class Rules {
  readonly #lab: Lab
  readonly #requests = new Map<string, Request>()
  readonly #began = new Map<Given, number>()
  readonly #inFlight = new Map<string, number>()
  readonly #plannedAt = new Map<string, number>()
  /** Uids of rows that said so, once. */
  readonly #toRetain = new Set<string>()
  /** Attempts on record under the newest epoch of a change. */
  readonly #sent = new Map<string, { readonly epoch: number; readonly attempts: number }>()
  #runs = 0
  readonly #fences = new Set<number>()
  /** Uids of objects that were given up and stay. */
  readonly retained = new Set<string>()

  constructor(lab: Lab) {
    this.#lab = lab
  }

  /** After a commit, before the base moves with it. */
  committed(c: Committed, process: Process): void {
    const { kernel, base, tables } = this.#lab
    const commits = c.entries.some((e) => e.t === 'env.commit')
    for (const e of c.entries) {
      switch (e.t) {
        case 'event': {
          const to = outcomes[e.kind]
          if (to !== undefined) {
            const { tx } = JSON.parse(e.data) as { tx: string }
            kernel.check(c.entries.some((m) => m.t === 'tx.move' && m.token === tx && m.to === to), 'I-REPLAY', () => `${process.name} writes ${e.kind}, and the change does not become ${to} with it`)
          }
          if (e.kind === 'run.started') this.#runs++
          // The old object of a replacement stays, too (guide, `retain`), one that was made half-way and never stood in a revision included: it is let go
          // after the commit, with a word.
          if (e.kind === 'resource.retained') {
            const { uid, node } = JSON.parse(e.data) as { uid: string; node: string }
            kernel.check(this.#toRetain.has(uid), 'I-ORPHAN', () => `${process.name} gives up ${node}, and nobody said that it stays`)
            this.retained.add(uid)
          }
          break
        }
        case 'tx.open': case 'tx.move': case 'resource.put':
          kernel.check(c.options.fence !== undefined, 'I-FENCE', () => `${process.name} writes ${e.t} without proof of its lease`)
          if (e.t === 'tx.open') this.#sent.set(e.row.token, { epoch: e.row.epoch, attempts: 1 })
          else if (e.t === 'tx.move' && e.to === 'sent' && e.set.attempts !== undefined) this.#resent(e.token, e.set.epoch)
          if (e.t === 'resource.put' && e.row.meta.retain) this.#toRetain.add(e.row.uid)
          if (e.t === 'resource.put') kernel.check(commits || e.row.since > base.revision || e.row.status === 'deleting' || base.rows.has(e.row.uid), 'I-READ', () => `${process.name} shows ${e.row.address} to readers before the commit`)
          break
        case 'resource.until':
          kernel.check(e.until === undefined || e.until > base.revision, 'I-READ', () => `${process.name} hides ${e.uid} from readers before the commit`)
          break
        case 'outputs.put':
          kernel.check(commits && e.row.since > base.revision, 'I-READ', () => `${process.name} shows outputs to readers before the commit`)
          break
        case 'claim.drop': {
          const row = base.rows.get(e.uid)
          if (e.key !== undefined && !commits) kernel.check(!row?.meta.claims.includes(e.key), 'I-CLAIM', () => `${process.name} frees ${e.key} of ${row?.address} before the commit`)
          break
        }
        case 'plan.put': this.#plannedAt.set(e.row.id, this.#runs); break
        case 'plan.use': {
          const plan = tables.plans.get(e.id)
          // Other parts may have got further meanwhile.
          kernel.check(c.entries.some((m) => m.t === 'part.open') || (plan?.revision === base.revision && this.#plannedAt.get(e.id) === this.#runs), 'I-PLAN', () => `${process.name} applies a plan that was made for revision ${plan?.revision}, ${this.#runs - (this.#plannedAt.get(e.id) ?? 0)} runs ago`)
          break
        }
        default:
      }
    }
    if (commits) this.#giveUp()
  }

  #resent(token: string, epoch: number | undefined): void {
    const known = this.#sent.get(token)
    const same = known !== undefined && (epoch === undefined || epoch === known.epoch)
    this.#sent.set(token, { epoch: epoch ?? known?.epoch ?? 0, attempts: same ? known.attempts + 1 : 1 })
  }

  /** What leaves the committed revision and is to be retained stays in the world. */
  #giveUp(): void {
    const { tables } = this.#lab
    for (const uid of this.#toRetain) {
      let stands = false
      for (const { row: now } of tables.resources.get(uid)?.values() ?? []) if (now.until === undefined) stands = true
      if (!stands) this.retained.add(uid)
    }
  }

  granted(process: Process, lease: LeaseRow, tookOver: LeaseRow | undefined, isDead: boolean): void {
    const { kernel } = this.#lab
    kernel.check(!this.#fences.has(lease.fence), 'I-FENCE', () => `${process.name} has the lease at ${lease.fence}, which was given before`)
    this.#fences.add(lease.fence)
    kernel.check(!tookOver || isDead || tookOver.expiresAt <= kernel.now, 'I-LEASE', () => `${process.name} took the lease from pid ${tookOver?.holder.pid}, which keeps it`)
  }

  begins(op: Mutation, g: Given): void {
    const { kernel, scenario } = this.#lab
    const what = `${g.process.name}: ${op} ${g.inputs.name}`
    const known = this.#requests.get(g.key)
    kernel.check(!known || known.inherited || known.by !== g.process || known.rejected < known.attempts, 'I-REQ', () => `${what} is asked again under a key of which every attempt was turned away`)
    const request: Request = known ?? { attempts: 0, rejected: 0, by: g.process, inherited: false }
    request.attempts++
    const tx = openTx(this.#lab, g.mark.uid)
    // An attempt on record that never came: its caller does not know that.
    if (request.by !== g.process || request.attempts < (tx ? this.#sent.get(tx.token)?.attempts ?? 0 : 0)) request.inherited = true
    request.by = g.process
    this.#requests.set(g.key, request)
    this.#began.set(g, kernel.now)
    if (!scenario.calm) return
    const slot = `${g.process.name} ${g.kind.type}`
    const n = (this.#inFlight.get(slot) ?? 0) + 1
    this.#inFlight.set(slot, n)
    kernel.check(n <= g.kind.limit, 'I-LIMIT', () => `${what} is call ${n} of its type at one time, and ${g.kind.limit} are allowed`)
    this.#restoredInOrder(g, what)
  }

  /** The caller has its answer. */
  answered(g: Given, rejected: boolean): void {
    const { kernel } = this.#lab
    const slot = `${g.process.name} ${g.kind.type}`
    this.#inFlight.set(slot, (this.#inFlight.get(slot) ?? 0) - 1)
    const request = this.#requests.get(g.key)
    if (rejected && request && kernel.now - (this.#began.get(g) ?? 0) <= TOLD_IN_TIME_MS) request.rejected++
    this.#began.delete(g)
  }

  /** Nothing of the base comes back on something that is not back itself (decisions 1.3). */
  #restoredInOrder(g: Given, what: string): void {
    const { kernel, base } = this.#lab
    const tx = openTx(this.#lab, g.mark.uid)
    const row = base.rows.get(g.mark.uid)
    if (!tx?.undo || tx.op === 'delete' || !row) return
    for (const [uid, dep] of base.rows) {
      if (!row.meta.deps.includes(dep.address) || dep.status !== 'ready' || dep.meta.lookup) continue
      kernel.check(this.#standsAsInBase(uid, dep), 'I-UNDO-ORDER', () => `${what} is restored, and ${dep.address}, on which it stood, is not`)
    }
  }

  #standsAsInBase(uid: string, row: ResourceRow): boolean {
    const { world, tables } = this.#lab
    const docs = tables.resources.get(uid)?.get(row.since)?.docs
    if (!docs) return true
    const want = world.specText(opened(this.#lab, row, 'inputs', docs.inputs) as unknown as Inputs)
    for (const o of world.objects.values()) if (o.mark?.uid === uid && world.specText(o.spec) === want) return true
    return false
  }

  /** It has left the program, and its node said that it is protected or stays. What another object takes the place of goes. */
  isToStay(uid: string): boolean {
    const { base, tables } = this.#lab
    if (openTx(this.#lab, uid)?.undo) return false
    for (const { row } of tables.resources.get(uid)?.values() ?? []) {
      if (row.until !== undefined || row.status !== 'deleting' || !(row.meta.retain || row.meta.protect)) continue
      return ![...base.rows.values()].some((other) => other.address === row.address)
    }
    return false
  }

  /** What is made or changed refers only to what is there. */
  refers(op: Mutation, g: Given): void {
    const { kernel, world } = this.#lab
    if (op === 'delete') return
    for (const id of g.inputs.refs) kernel.check(world.objects.has(id) || String(id).startsWith(SHARED) || this.#goneInBase(g, id), 'I-REF', () => `${op} ${g.inputs.name} refers to ${JSON.stringify(id)}, which is gone`)
  }

  /** A partial revision may hold what uses something that has made room already; what is taken back to it names that again. */
  #goneInBase(g: Given, id: string): boolean {
    const { base, tables } = this.#lab
    const docsOf = (row: ResourceRow) => tables.resources.get(row.uid)?.get(row.since)?.docs
    const row = base.rows.get(g.mark.uid)
    const docs = row && docsOf(row)
    if (!docs || !openTx(this.#lab, g.mark.uid)?.undo || ![...tables.envs.values()].some((e) => e.partial)) return false
    if (!(opened(this.#lab, row, 'inputs', docs.inputs) as unknown as Inputs).refs.includes(id)) return false
    for (const other of base.rows.values()) {
      const theirs = docsOf(other)
      if (other.status !== 'deleting' && theirs && opened(this.#lab, other, 'outputs', theirs.outputs).id === id) return false
    }
    return true
  }

  /** The rules between rows, as a person's look at the store checks them. */
  tables(when: string): void {
    const { kernel, tables } = this.#lab
    for (const { name, ok, detail } of checkTables(tables)) kernel.check(ok, 'I-RULES', () => `${when}: ${name}: ${detail}`)
    for (const rows of tables.resources.values()) for (const { row } of rows.values()) {
      if (row.until !== undefined || row.status === 'deleting') continue
      for (const key of row.meta.claims) kernel.check(tables.claims.get(key)?.uid === row.uid, 'I-CLAIM', () => `${when}: ${row.address} has ${key}, and its claim is not on record`)
    }
  }

  /** A record beside the store that tells of an unsettled change is not thrown away. */
  dropped(records: readonly string[]): void {
    const { kernel, tables, ring } = this.#lab
    for (const line of records) {
      const { token, sealed } = JSON.parse(line) as { token: string; sealed: string }
      const { attempts, epoch, outcome } = JSON.parse(String(ring.open(sealed, { table: 'spool', row: token, field: 'outcome', tx: token }))) as { attempts: number; epoch: number; outcome: { kind: string; partial?: string } }
      const tx = tables.txs.get(token)
      if (!tx || (tx.status !== 'sent' && tx.status !== 'unknown') || tx.attempts !== attempts || tx.epoch !== epoch) continue
      kernel.check(outcome.kind === 'partial' && tx.target.partial === outcome.partial, 'I-SPOOL', () => `what ${tx.op} of ${tx.address} answered was kept beside the store, and is thrown away`)
    }
  }
}
