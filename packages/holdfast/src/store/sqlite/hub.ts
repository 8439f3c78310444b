import { statSync } from 'node:fs'
import type { EventRow } from '../../state/index.ts'
import { Bell, type WatchSource } from '../watch.ts'
import type { Connection } from './driver.ts'
import { Reader } from './read.ts'

/** How long a commit of another process may stay unseen: right after one, and when nothing has happened for a while. A look costs some 10 us. */
const LIVELY_MS = 4
const IDLE_MS = 20
const LIVELY_FOR_MS = 1_000

/**
 * What watchers of one store share: a connection of its own, and one timer that asks SQLite whether anybody has committed. The timer runs only while
 * somebody waits; commits of this process wake at once.
 */
export class WatchHub implements WatchSource {
  private readonly path: string
  private readonly open: () => Connection
  /** The file cannot be followed over one connection: it is opened for reading as it stands, and anew when it has changed. */
  private readonly asItStands: boolean
  private readonly bell = new Bell()
  private db: Connection | undefined
  private seen: number | string | undefined
  private timer: NodeJS.Timeout | undefined
  private changedAt = Number.NEGATIVE_INFINITY
  private failed: Error | undefined
  closed = false

  constructor(path: string, open: () => Connection, asItStands: boolean) {
    this.path = path
    this.open = open
    this.asItStands = asItStands
  }

  private get connection(): Connection {
    return (this.db ??= this.open())
  }

  heads(env: string | undefined) {
    return new Reader(() => this.connection).heads(env)
  }

  events(env: string, after: { readonly seq: number; readonly n: number }, limit: number): EventRow[] {
    return new Reader(() => this.connection).events(env, after, limit)
  }

  mark(): number {
    this.look()
    return this.bell.mark
  }

  async changed(mark: number, signal: AbortSignal | undefined): Promise<void> {
    const woken = this.bell.changed(mark, signal)
    this.wait()
    await woken
    if (this.failed) throw this.failed
  }

  /** A commit of this process. */
  poke(): void {
    if (this.bell.anybody) this.beat()
  }

  private look(): void {
    const now = this.version()
    if (now === this.seen) return
    if (this.asItStands && this.seen !== undefined) {
      this.db?.close()
      this.db = undefined
    }
    this.seen = now
    this.changedAt = performance.now()
    this.bell.ring()
  }

  private version(): number | string {
    if (!this.asItStands) return this.connection.prepare('pragma data_version').get()?.data_version as number
    return [this.path, `${this.path}-wal`].map((f) => statSync(f, { throwIfNoEntry: false })).map((s) => (s ? `${s.ino} ${s.mtimeMs} ${s.size}` : '-')).join(' ')
  }

  private wait(): void {
    if (this.timer || this.closed || !this.bell.anybody) return
    this.timer = setTimeout(() => this.beat(), performance.now() - this.changedAt < LIVELY_FOR_MS ? LIVELY_MS : IDLE_MS)
  }

  private beat(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    try {
      this.look()
    } catch (e) {
      this.failed = e as Error
      this.bell.ring()
    }
    this.wait()
  }

  /** Whoever watches is told that it is over. Gives whether a connection was open. */
  close(): boolean {
    const open = this.db !== undefined
    this.closed = true
    clearTimeout(this.timer)
    this.db?.close()
    this.db = undefined
    this.bell.ring()
    return open
  }
}
