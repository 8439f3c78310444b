import type { HookPoint } from '../../src/model/index.ts'
import type { HookContext } from '../../src/program/index.ts'
import type { ResourceRow, TxRow } from '../../src/state/index.ts'
import type { NodeSpec } from './case.ts'
import { openRunOf } from './codes.ts'
import type { Checks } from './check.ts'
import { nodeOf } from './options.ts'
import type { Mutation } from './world.ts'

const points = {
  create: ['beforeCreate', 'afterCreate'], update: ['beforeUpdate', 'afterUpdate'], delete: ['beforeDelete', 'afterDelete'],
} as const satisfies Record<Mutation, readonly HookPoint[]>

/**
 * Hooks run around the steps of their node: one before a step has ended well before the step's call, and has no other call; one after it runs when the
 * step stands, and again until it has ended well. What is taken back runs none.
 */
export class HookChecks {
  readonly #checks: Checks
  /** Steps whose hook before them has ended well, and whose call has not begun: by address and what is done. */
  readonly #ready = new Map<string, number>()
  /** Changes that the present process has begun, and not called for. */
  readonly #fresh = new Set<string>()
  /** Objects whose hook after their last step has not ended well. */
  readonly #owed = new Map<string, HookPoint>()

  constructor(checks: Checks) {
    this.#checks = checks
  }

  /** Of a process that has ended no hook is known. */
  begin(): void {
    this.#ready.clear()
    this.#fresh.clear()
  }

  opened(tx: TxRow): void {
    this.#fresh.add(tx.token)
  }

  #has(tx: TxRow, point: HookPoint): boolean {
    if (tx.op === 'delete') return this.#checks.rows.get(tx.uid)?.meta.hooks?.[point] !== undefined
    return nodeOf(this.#checks, tx)?.node.hooks?.includes(point) === true
  }

  started(op: Mutation, tx: TxRow): void {
    const key = `${tx.address} ${op}`
    const ready = this.#ready.get(key) ?? 0
    // Several objects of one address may be on their way out.
    this.#ready.set(key, op === 'delete' ? Math.max(0, ready - 1) : 0)
    // What a dead process has begun is sent again as it is.
    const first = this.#fresh.delete(tx.token)
    const c = this.#checks
    if (tx.undo) return ready > 0 ? c.fail('p', `${key} takes something back, and a hook was run before it`) : undefined
    if (first && this.#has(tx, points[op][0]) && (op === 'delete' ? ready === 0 : ready !== 1)) c.fail('p', `${key} begins, and its hook before it has ended well ${ready} times`)
    if (!this.#has(tx, points[op][0]) && ready > 0) c.fail('p', `${key} begins after a hook that it has not`)
  }

  completed(tx: TxRow): void {
    if (tx.op === 'read') return
    this.#owed.delete(tx.uid)
    if (tx.undo) return
    const point = points[tx.op][1]
    if (!this.#has(tx, point)) return
    this.#owed.set(tx.uid, point)
  }

  ran(point: HookPoint, h: HookContext, well: boolean): void {
    const c = this.#checks
    const key = `${h.address} ${h.op}`
    if (point === points[h.op][0]) {
      if (!well) return
      this.#ready.set(key, (this.#ready.get(key) ?? 0) + 1)
    } else if (h.op === 'delete') {
      const owing = c.current().filter((r) => r.address === h.address && r.meta.due === point)
      const row = owing.find((r) => this.#owed.has(r.uid)) ?? owing[0]
      if (!row) c.fail('p', `${point} of ${h.address} runs, and nothing is owed for a deletion`)
      // Of two at one time nobody can tell which is which.
      const uid = row && (this.#owed.has(row.uid) ? row.uid : [...this.#owed.keys()].find((u) => this.#owed.get(u) === point && c.addressOf.get(u) === h.address))
      if (well && uid !== undefined) this.#owed.delete(uid)
    } else {
      // A node that is renamed has its row under the old address yet.
      const open = openRunOf(c.env)
      const run = open === undefined ? undefined : c.lab.tables.runs.get(open)
      const uid = run && c.plans.get(run.plan)?.uidOf.get(h.address)
      const rows = c.current().filter((r) => r.status !== 'deleting')
      const row = rows.find((r) => r.address === h.address) ?? rows.find((r) => r.uid === uid)
      if (row?.meta.due !== point) c.fail('p', `${point} of ${h.address} runs, and ${row?.meta.due ?? 'nothing'} is owed`)
      if (well && row) this.#owed.delete(row.uid)
    }
  }

  /** Nor is what was given up. */
  forgotten(uid: string): void {
    this.#owed.delete(uid)
  }

  /** What was taken back is owed nothing. */
  reverted(): void {
    this.#owed.clear()
  }

  /** Once nothing goes wrong any more. */
  converged(n: NodeSpec, row: ResourceRow | undefined): void {
    const owed = row && this.#owed.get(row.uid)
    // Where a program took it out of the options it is owed no more.
    const renamed = row && [...(this.#checks.lab.tables.resources.get(row.uid)?.values() ?? [])].some((r) => r.row.address !== n.address)
    const always = n.movedFrom === undefined && !renamed && this.#checks.lab.programs.every((p) => p.every((x) => x.address !== n.address || x.hooks?.includes(owed as HookPoint)))
    this.#checks.must(owed === undefined || !always || !n.hooks?.includes(owed), 'p', () => `${owed} of ${n.address} has never ended well`)
  }

  /** After a run that was committed whole, and had nothing in its way. */
  done(): void {
    for (const [uid, point] of this.#owed) this.#checks.must(point !== 'afterDelete', 'p', () => `${this.#checks.addressOf.get(uid)} was deleted, and its hook after that has not ended well`)
    for (const [key, n] of this.#ready) this.#checks.must(n === 0, 'p', () => `a hook was run before ${key}, and nothing was done`)
  }
}
