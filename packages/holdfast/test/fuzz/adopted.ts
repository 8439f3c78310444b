import type { Entry } from '../../src/journal/index.ts'
import type { TxRow } from '../../src/state/index.ts'
import type { Program } from './case.ts'
import type { Checks } from './check.ts'
import { isFree, specText, type Mutation, type WorldObject } from './world.ts'

/**
 * Objects that somebody else has made. One is touched only when a node has taken it over, and is given up as it was found when that is taken back.
 */
export class AdoptedChecks {
  readonly #checks: Checks

  constructor(checks: Checks) {
    this.#checks = checks
  }

  /** Who owns an object writes its mark on it; here with the record, and off again when the record goes before a revision has it. */
  committed(entries: readonly Entry[]): void {
    const { world, tables } = this.#checks.lab
    for (const e of entries) {
      if (e.t === 'tx.move' && e.to === 'completed') {
        const tx = tables.txs.get(e.token)
        if (tx?.op === 'read') this.#taken(tx)
      }
      if (e.t !== 'resource.drop') continue
      const revision = this.#checks.env?.revision ?? 0
      if (this.#checks.current().some((r) => r.uid === e.uid)) continue
      for (const o of world.objects.values()) if (o.mark.uid === e.uid && o.found?.revision === revision) {
        o.mark = o.found.mark
        o.found = { ...o.found, revision: undefined }
      }
    }
  }

  #taken(tx: TxRow): void {
    const id = this.#checks.rows.get(tx.uid)?.meta.physicalId
    const o = id === undefined ? undefined : this.#checks.lab.world.objects.get(id)
    if (!o?.found || !isFree(o)) return this.#checks.fail('f', `${tx.address} has taken over ${id}, which ${o ? 'is another node\'s' : 'is not there'}`)
    o.mark = { store: o.found.mark.store, uid: tx.uid, ordinal: tx.ordinal }
    o.found = { ...o.found, revision: this.#checks.env?.revision ?? 0, spec: specText(o.spec) }
  }

  landing(op: Mutation, o: WorldObject, undo: boolean): void {
    if (isFree(o)) this.#checks.fail('f', `${op} of ${o.id}, which belongs to nobody here`)
    if (op === 'delete' && undo && o.found?.revision !== undefined && o.found.revision === (this.#checks.env?.revision ?? 0)) this.#checks.fail('l', `${o.id} was found, and is deleted on the way back`)
  }

  /** Once a run is taken back whole. */
  asBefore(): void {
    for (const o of this.#checks.lab.world.objects.values()) if (isFree(o) && !o.drifted) this.#checks.must(specText(o.spec) === o.found?.spec, 'l', () => `${o.id} was ${o.found?.spec} when it was found, and is left as ${specText(o.spec)}`)
  }

  converged(program: Program): void {
    for (const n of program) {
      const row = n.adopt === undefined ? undefined : this.#checks.current().find((r) => r.address === n.address && r.status !== 'deleting')
      this.#checks.must(!row || row.meta.physicalId === n.adopt, 'o', () => `${n.address} is to have ${n.adopt}, and has ${row?.meta.physicalId}`)
    }
  }
}
