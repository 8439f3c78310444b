import { assert } from '../../base/index.ts'
import { loneToken, refusals } from '../../journal/index.ts'
import { runMayBecome, txMoves, type RunRow } from '../../state/index.ts'
import { isConstraint, type Cell, type Connection, type Row } from './driver.ts'
import { loneRunDoc, loneTaskDoc, MOVE_COLUMNS, RUN_CELLS, RUN_SPAN, TASK_CELLS } from './encode.ts'
import { adoptRun, LONE_SPAN, putLoneRun, putLoneTask, runIdOf, withRunAndTask } from './lone-rows.ts'
import type { Numbers } from './numbers.ts'
import { sumOf } from './sum.ts'
import { unresolvedIn } from './unresolved.ts'

/**
 * The SQL of transactions about a resource, and of runs and tasks, which stand in the same row when a change is alone. Of one connection; told when a commit
 * begins. `c`: cells of the commit; `at`: place of the first cell of the operation; `k` of the environment.
 */
export class TxRows {
  private readonly db: Connection
  private readonly numbers: Numbers
  /** Token of the change that the commit has completed so far. */
  completed: string | undefined
  /** Of the lone change that comes next: where the cells of its run and its task stand. And where those stand that have been written with one. */
  private alongside: { readonly run: number | undefined; readonly task: number | undefined } = NOTHING_ALONGSIDE
  private readonly told = new Set<number>()

  constructor(db: Connection, numbers: Numbers) {
    this.db = db
    this.numbers = numbers
  }

  /** A commit begins. */
  begin(): void {
    this.completed = undefined
    this.alongside = NOTHING_ALONGSIDE
    this.told.clear()
  }

  /** Run and task that are written with the next `open` or `move`. */
  comesWith(c: readonly Cell[], at: number): void {
    const place = (i: number) => (c[i] === 0 ? undefined : i + (c[i] as number))
    this.alongside = { run: place(at), task: place(at + 1) }
  }

  private takeAlongside() {
    const { alongside } = this
    this.alongside = NOTHING_ALONGSIDE
    return alongside
  }

  putRun(k: number, c: readonly Cell[], at: number): void {
    if (this.told.delete(at)) return
    const id = c[at] as string
    const status = c[at + 3] as RunRow['status']
    const check = (old: RunRow['status'] | undefined) => assert(old === undefined || runMayBecome(old, status), `run.put: ${id} cannot move from ${old} to ${status}`)
    if (putLoneRun(this.db, id, () => this.runDoc(c, at), check)) return
    check(this.sql('select status from runs where id = ?').get(id)?.status as RunRow['status'] | undefined)
    this.sql(`insert into runs (env, id, kind, plan, status, phase, from_rev, to_rev, holder, started_at, ended_at, result) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      on conflict (id) do update set kind = excluded.kind, plan = excluded.plan, status = excluded.status, phase = excluded.phase, from_rev = excluded.from_rev,
        to_rev = excluded.to_rev, holder = excluded.holder, started_at = excluded.started_at, ended_at = excluded.ended_at, result = excluded.result`).run(k, ...c.slice(at, at + RUN_CELLS))
  }

  putTask(c: readonly Cell[], at: number): void {
    if (this.told.delete(at)) return
    const [run, id, doc] = c.slice(at, at + TASK_CELLS) as [string, string, string]
    if (putLoneTask(this.db, run, id, doc)) return
    this.sql('insert into tasks (k, id, doc) values (?, ?, ?)').run(this.numbers.next('tasks', this.numbers.word(run), RUN_SPAN), id, doc)
  }

  /** `txs.run`, from the cells of a run. */
  private runDoc(c: readonly Cell[], at: number): string {
    return `[${this.numbers.word(c[at + 7] as string)},${loneRunDoc(c.slice(at, at + RUN_CELLS))}`
  }

  open(k: number, c: readonly Cell[], at: number): void {
    const { numbers } = this
    const target = this.sql('insert into docs (inputs, outputs, sum) values (?, ?, ?)').run(c[at] as Cell, c[at + 1] as Cell, sumOf(c[at], c[at + 1])).lastInsertRowid
    const [id, token] = [c[at + 2] as string, c[at + 5] as string]
    const isLone = loneToken(id) === token
    const place = isLone ? numbers.next('txs', -k, LONE_SPAN) : numbers.next('txs', numbers.word(id), RUN_SPAN)
    const { run, task } = this.takeAlongside()
    try {
      this.sql(`insert into txs (k, env, target, capability, token, uid, status, applied, epoch, attempts, first_sent_at, last_sent_at, ended_at, evidence, run, task)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`).run(place, k, Number(target), numbers.word(c[at + 3] as string), ...c.slice(at + 5, at + 15), run === undefined ? null : this.runDoc(c, run), task === undefined ? null : loneTaskDoc(c[task + 1] as string, c[task + 2] as string))
    } catch (e) {
      const taken = isConstraint(e, 'txs.') && this.sql('select 1 from txs where token = ?').get(token)
      assert(!taken, `tx.open: ${token} exists already`)
      throw isConstraint(e, 'txs.uid') ? this.busy(c[at + 4] as string, c[at + 6] as string) : e
    }
    if (task !== undefined) this.told.add(task)
    const stands = isLone && adoptRun(this.db, token, id, (text) => numbers.word(text), (old) => run !== undefined && runMayBecome(old, c[run + 3] as RunRow['status']))
    if (run !== undefined && !stands) this.told.add(run)
  }

  /** `pairs`: place of the first of the pairs of column and value. */
  move(k: number, c: readonly Cell[], at: number, pairs: number): void {
    const token = c[at] as string
    const to = c[at + 1] as keyof typeof txMoves
    const target = c[at + 2] as string | null
    const count = c[at + 4] as number
    let columns = ''
    const values: Cell[] = [to]
    for (let i = 0; i < count; i++) {
      columns += `, ${MOVE_COLUMNS[c[pairs + 2 * i] as number]} = ?`
      values.push(c[pairs + 2 * i + 1] as Cell)
    }
    const { run, task } = this.takeAlongside()
    try {
      let whole = false
      const set = `update txs set status = ?${columns}`
      const where = `where token = ? and env = ? and (${sourcesOf[to]})`
      if (run !== undefined && task !== undefined) {
        const more = withRunAndTask[c[run + 3] as RunRow['status']]
        whole = Number(this.sql(`${set}${more.set} ${where}${more.where}`).run(...values, this.runDoc(c, run), loneTaskDoc(c[task + 1] as string, c[task + 2] as string), token, k, c[task + 1] as Cell).changes) === 1
        if (whole) this.told.add(run).add(task)
      }
      if (!whole && Number(this.sql(`${set} ${where}`).run(...values, token, k).changes) === 0) {
        const old = this.sql('select status, env from txs where token = ?').get(token)
        assert(old, `tx.move: there is no transaction ${token}`)
        assert(old.env === k, 'tx.move: belongs to another environment than the commit')
        assert(false, `tx.move: ${token} cannot move from ${old.status} to ${to}`)
      }
    } catch (e) {
      if (!isConstraint(e, 'txs.uid')) throw e
      const me = this.sql("select uid, (select outputs ->> '$[0][3]' from docs where id = target) as address from txs where token = ?").get(token) as Row
      throw this.busy(me.address as string, me.uid as string)
    }
    if (target !== null) {
      const d = this.sql("update docs set inputs = ?, outputs = json_set(outputs, '$[1]', json(?)), sum = null where id = (select target from txs where token = ?) returning id, inputs, outputs").get(target, c[at + 3] as Cell, token) as Row
      this.sql('update docs set sum = ? where id = ?').run(sumOf(d.inputs, d.outputs), d.id as number)
    }
    if (to === 'completed') this.completed = token
  }

  /** What stands in the way of a change of `uid`: another that is not settled. */
  busy(address: string, uid: string): Error {
    const row = this.sql(`select token, ${runIdOf('txs')} as run from txs where uid = ? and ${unresolvedIn('txs')}`).get(uid) as Row
    return refusals.busy(address, row.token as string, row.run as string)
  }

  private sql(text: string) {
    return this.db.prepare(text)
  }
}

const NOTHING_ALONGSIDE = { run: undefined, task: undefined }

/** Condition on the status that may become the key: the table of moves, read backwards. No `in (...)`: SQLite builds a table for it with every execution. */
const sourcesOf: Record<keyof typeof txMoves, string> = Object.fromEntries(
  Object.keys(txMoves).map((to) => {
    const from = Object.entries(txMoves).filter(([, tos]) => (tos as readonly string[]).includes(to)).map(([f]) => `status = '${f}'`)
    return [to, from.length ? from.join(' or ') : '0']
  }),
) as Record<keyof typeof txMoves, string>
