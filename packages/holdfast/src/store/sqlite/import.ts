import { assert } from '../../base/index.ts'
import { newChain, type Entry } from '../../journal/index.ts'
import type { ChainRow, EnvRow, EventRow, LeaseRow, ReferenceRow, RequestRow, StoreMeta, TicketRow } from '../../state/index.ts'
import { notEmpty, readExport, type Imported } from '../transfer.ts'
import { Applier } from './apply.ts'
import type { Connection, Row } from './driver.ts'
import { encode } from './encode.ts'
import type { Failpoint } from './failpoint.ts'
import { putLease, raiseFenceSeq } from './lease-row.ts'
import { migrations } from './migrations.ts'
import { rollback } from './open.ts'

/**
 * Reads an export into an empty file: one database transaction from the first row to the last, so a process that dies leaves the file as empty as it was.
 * `db` is a connection of its own.
 *
 * Fails  HF4008 not empty; HF4002, HF4009 by {@link readExport}; nothing was written.
 */
export async function importLines(db: Connection, lines: AsyncIterable<string> | Iterable<string>, failpoint: Failpoint): Promise<Imported> {
  const applier = new Applier(db)
  const envs = new Map<string, EnvRow>()
  const chains = new Map<string, ChainRow>()
  const entry = (e: Entry, env: string, seq = 0) => applier.restore(encode([e], { env }).cells, seq)
  db.exec('begin immediate')
  try {
    const { n } = db.prepare('select count(*) as n from envs').get() as Row
    if (n > 0) throw notEmpty(n as number)
    applier.begin()
    const imported = await readExport(lines, migrations.length, {
      begin: ({ fenceSeq }) => {
        db.prepare("delete from leases where scope <> ''").run()
        db.prepare('delete from tickets').run()
        raiseFenceSeq(db, fenceSeq)
      },
      row: ({ table, row }) => {
        switch (table) {
          case 'meta': {
            const m = row as StoreMeta
            db.prepare('update store_meta set store_id = ?, created_at = ?, key_check = ?').run(m.storeId, m.createdAt, m.keyCheck ?? null)
            return
          }
          case 'envs':
            envs.set((row as EnvRow).id, row as EnvRow)
            return entry({ t: 'env.create', row: row as EnvRow }, row.id as string)
          case 'runs': return entry({ t: 'run.put', row }, row.env)
          case 'plans': return entry({ t: 'plan.put', row }, row.env)
          case 'resources': {
            const { docs, seq, ...rest } = row
            return entry({ t: 'resource.put', row: rest, docs }, row.env, seq as number)
          }
          case 'claims': return entry({ t: 'claim.put', row }, row.env)
          case 'txs': return entry({ t: 'tx.open', row }, row.env)
          case 'tasks': {
            // A task says only which run it is of.
            const env = db.prepare('select e.id from runs r join envs e on e.k = r.env where r.id = ?').get(row.run as string)?.id as string | undefined
            return entry({ t: 'task.put', row }, env ?? ([...envs.keys()][0] as string))
          }
          case 'outputs': return entry({ t: 'outputs.put', row }, row.env)
          case 'secrets': return entry({ t: 'secret.put', row }, row.env)
          case 'trash': return entry({ t: 'trash.put', row }, row.env)
          case 'components': return entry({ t: 'component.put', row }, row.env)
          case 'references': return putReference(db, row)
          case 'resolved': return entry({ t: 'resolved.put', row }, row.env)
          case 'requests': return putRequest(db, row)
          case 'events': return applier.restoreEvent(row as EventRow)
          case 'chains':
            chains.set((row as ChainRow).env, row as ChainRow)
            return
          case 'leases': {
            const l = row as LeaseRow
            putLease(db, { ...l, mode: l.mode ?? 'X' }, (text) => applier.word(text))
            // Exports of before there was a header do not say how far the numbers have come.
            raiseFenceSeq(db, l.fence)
            return
          }
          case 'tickets': {
            const t = row as TicketRow
            db.prepare('insert into tickets (id, scope, mode, holder, asked_at, expires_at) values (?, ?, ?, ?, ?, ?)').run(t.id, t.scope, t.mode, JSON.stringify(t.holder), t.askedAt, t.expiresAt)
            return
          }
          default: assert(false, `import: unknown table ${table satisfies never}`)
        }
      },
      end: () => {
        applier.flush()
        for (const e of envs.values()) {
          // Events of before there were chains are taken as they are; the chain begins after them.
          const c = chains.get(e.id) ?? { ...newChain(e.id), baseSeq: e.seq, seq: e.seq }
          db.prepare('update envs set seq = ?, compacted_to = ?, base_seq = ?, base_hash = ?, chain_seq = ?, chain_hash = ? where id = ?').run(e.seq, c.compactedTo, c.baseSeq, c.baseHash, c.seq, c.hash, e.id)
        }
      },
    })
    failpoint.before()
    db.exec('commit')
    failpoint.after()
    return imported
  } catch (e) {
    rollback(db)
    throw e
  }
}

/** As it stood, whatever has become of its target. */
function putReference(db: Connection, r: ReferenceRow): void {
  db.prepare('insert into refs (env, component, target_uid, target_env, address, type) values ((select k from envs where id = ?), ?, ?, (select k from envs where id = ?), ?, ?)').run(r.env, r.component, r.targetUid, r.targetEnv, r.address, r.type)
}

function putRequest(db: Connection, r: RequestRow): void {
  db.prepare('insert into requests (scope, id, method, digest, result, at) values (?, ?, ?, ?, ?, ?)').run(r.scope, r.id, r.method, r.digest, r.result, r.at)
}
