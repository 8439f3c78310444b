import { refusals } from '../../journal/index.ts'
import type { Holder, LeaseRow } from '../../state/index.ts'
import { hold, type GrantActs } from '../grant.ts'
import { clockPutOn, holderAlive } from '../holder.ts'
import type { Cell, Connection } from './driver.ts'
import { grantRows, performGrant } from './lease-row.ts'

/** The leases that transactions are made under. Nobody can take one over while the database transaction is open, so one look per batch is enough. */
export class Fences {
  private readonly db: Connection
  private readonly known = new Map<string, boolean>()
  /** What becomes of the lease that the commit takes by itself. */
  private holding: GrantActs | undefined

  constructor(db: Connection) {
    this.db = db
  }

  /** A database transaction has begun, or something was taken back. */
  forget(): void {
    this.known.clear()
  }

  /** A commit begins. */
  begin(): void {
    this.holding = undefined
  }

  check(scope: string, fence: number): void {
    if (!this.holds(scope, fence)) throw refusals.fenceLost(scope)
  }

  private holds(scope: string, fence: number): boolean {
    const key = `${scope} ${fence}`
    let held = this.known.get(key)
    if (held === undefined) {
      held = this.db.prepare("select 1 from leases where scope = ? and fence = ? and (mode = 'X' or mode = 'IX')").get(scope, fence) !== undefined
      this.known.set(key, held)
    }
    return held
  }

  /** Decides on the lease that the commit asks for with its own entries. `cells`: those of `holdCheck`. */
  checkHold(cells: readonly Cell[]): void {
    const [scope, holder, ttlMs, nowMs, keep, force] = cells as [string, string, number, number, number, string | null]
    const rows = grantRows(this.db)
    for (const l of rows.leases) this.known.set(`${l.scope} ${l.fence}`, l.mode === 'X' || l.mode === 'IX')
    const decided = hold(rows, {
      scope, holder: JSON.parse(holder) as Holder, ttlMs, nowMs, after: keep === 1 ? 'keep' : 'release', ...(force !== null && { force: JSON.parse(force) as number[] }),
    }, holderAlive, clockPutOn)
    if ('heldBy' in decided) throw refusals.heldBy(decided.heldBy, nowMs)
    this.holding = decided.acts
  }

  /** What the check found stands: nobody can take a lease while the database transaction is open. */
  settleHold(word: (text: string) => number): void {
    const acts = this.holding as GrantActs
    performGrant(this.db, acts, word)
    if (acts.dropLeases.length > 0 || acts.putLease) this.known.clear()
  }

  /** The lease that the commit has taken. */
  get taken(): LeaseRow | undefined {
    return this.holding?.putLease
  }
}
