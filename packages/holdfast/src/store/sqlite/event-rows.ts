import { compactedChain, type ChainedEvent } from '../../journal/index.ts'
import type { EventRow } from '../../state/index.ts'
import type { Connection, Row } from './driver.ts'
import { ENV_SPAN } from './encode.ts'
import type { EnvState } from './env-rows.ts'
import type { Numbers } from './numbers.ts'
import { chainRow, eventRow } from './read.ts'

/** Keys are in the order in which events were told. `n`: place in its transaction. */
export function putEvent(db: Connection, env: EnvState, seq: number, n: number, [at, kind, data]: ChainedEvent, numbers: Numbers): void {
  db.prepare('insert into events (k, seq, n, at, kind, data) values (?, ?, ?, ?, ?, ?)').run(numbers.next('events', env.k, ENV_SPAN), seq, n, at, kind, data)
}

/** Takes away those of `upTo` and before; the chain goes on from what it was there. */
export function compactEvents(db: Connection, env: EnvState, upTo: number, numbers: Numbers): void {
  const range = [env.k * ENV_SPAN, (env.k + 1) * ENV_SPAN]
  const old: EventRow[] = db.prepare('select * from events where k >= ? and k < ? and seq <= ? order by k').all(...range, upTo).map((v) => eventRow(v, env.id))
  const chain = { ...chainRow(db.prepare('select * from envs where k = ?').get(env.k) as Row), seq: env.chainSeq, hash: env.chainHash }
  const { compactedTo, baseSeq, baseHash } = compactedChain(chain, upTo, old)
  db.prepare('update envs set compacted_to = ?, base_seq = ?, base_hash = ? where k = ?').run(compactedTo, baseSeq, baseHash, env.k)
  db.prepare('delete from events where k >= ? and k < ? and seq <= ?').run(...range, upTo)
  numbers.setNextEvent(env.k, undefined) // with all of them gone, keys begin anew
}
