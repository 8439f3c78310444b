import { assert } from '../../base/index.ts'
import type { Connection } from './driver.ts'

/**
 * Numbers that stand for something else in many rows: those of texts, and keys that hold what a row belongs to. What has been asked once is known without
 * another look, for as long as it is sure to be so.
 */
export class Numbers {
  private readonly db: Connection
  private readonly words = new Map<string, number>()
  /** Numbers of texts that were found when the database transaction had made none: they are durable, and stay. */
  private readonly knownWords = new Map<string, number>()
  private madeWords = false
  private readonly counters = { txs: new Map<number, number>(), tasks: new Map<number, number>(), events: new Map<number, number>() }

  constructor(db: Connection) {
    this.db = db
  }

  /** A database transaction has begun: what the last one made is durable, or was never there. */
  begin(): void {
    this.madeWords = false
    this.forget()
  }

  /** After something was taken back. */
  forget(): void {
    this.words.clear()
    for (const map of Object.values(this.counters)) map.clear()
  }

  /** Number of a text that stands in many rows. One that was made is known for its database transaction only: what is rolled back was never numbered. */
  word(text: string): number {
    const known = this.knownWords.get(text) ?? this.words.get(text)
    if (known !== undefined) return known
    const found = this.db.prepare('select k from words where text = ?').get(text)?.k as number | undefined
    if (found !== undefined && !this.madeWords) {
      if (this.knownWords.size >= WORDS_KNOWN_MAX) this.knownWords.clear()
      this.knownWords.set(text, found)
      return found
    }
    const k = found ?? Number(this.db.prepare('insert into words (text) values (?)').run(text).lastInsertRowid)
    this.madeWords = true
    this.words.set(text, k)
    return k
  }

  /** Next key in the range of an owner. */
  next(table: 'txs' | 'tasks' | 'events', owner: number, span: number): number {
    const counters = this.counters[table]
    let k = counters.get(owner)
    if (k === undefined) {
      const last = this.db.prepare(`select max(k) as k from ${table} where k >= ? and k < ?`).get(owner * span, (owner + 1) * span)?.k as number | null
      k = last === null ? owner * span : last + 1
    }
    assert(k < (owner + 1) * span && k <= Number.MAX_SAFE_INTEGER, `${table}: no key is left`)
    counters.set(owner, k + 1)
    return k
  }

  /** The next key of an event of an environment, which was read with its row; undefined: it has to be looked for. */
  setNextEvent(env: number, k: number | undefined): void {
    if (k === undefined) this.counters.events.delete(env)
    else this.counters.events.set(env, k)
  }
}

const WORDS_KNOWN_MAX = 64
