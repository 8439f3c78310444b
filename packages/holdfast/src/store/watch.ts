import { assert, failure } from '../base/index.ts'
import type { EventRow } from '../state/index.ts'

export interface WatchOptions {
  /**
   * The commit that was seen last: events of later ones are given. `0`: from the beginning. `now`: of what is committed after the call.
   * Over all environments: a number for each by its id; one that is not named begins at 0.
   */
  readonly from: number | 'now' | Readonly<Record<string, number>>
  /** Ends the watch: what was read is still given, then the iteration is over. */
  readonly signal?: AbortSignal | undefined
}

/** What a store gives to be watched. Every look sees one commit. */
export interface WatchSource {
  heads(env: string | undefined): readonly { readonly id: string; readonly seq: number; readonly compactedTo: number }[]
  events(env: string, after: { readonly seq: number; readonly n: number }, limit: number): readonly EventRow[]
  /** Moves with every commit; taken before a look, so that nothing falls between the look and the waiting. */
  mark(): number
  /** Resolves when the mark is another, when the signal is aborted, or when the store closes. */
  changed(mark: number, signal: AbortSignal | undefined): Promise<void>
  readonly closed: boolean
}

/** Events read in one go: what a watcher that is behind holds in memory, at most. */
const PIECE = 1_000

/**
 * Events of one environment, or of all, in commit order within each: none twice, none left out. A slow watcher holds nothing up and loses nothing, it reads
 * on from the table.
 *
 * Fails  HF6009 when events it would have to give were compacted.
 */
export function watchEvents(source: WatchSource, env: string | undefined, options: WatchOptions): AsyncGenerator<EventRow, void, undefined> {
  const { from, signal } = options
  const at = new Map<string, Position>()
  if (from === 'now') for (const head of source.heads(env)) at.set(head.id, whole(head.seq))
  else if (typeof from !== 'number') for (const [id, seq] of Object.entries(from)) at.set(id, whole(seq))
  else if (env !== undefined) at.set(env, whole(from))
  else assert(from === 0, 'watch: over all environments, a position is a number for each')
  return follow(source, env, at, signal)
}

interface Position {
  readonly seq: number
  /** Last event of that commit that was given; infinite when all were. */
  readonly n: number
}
const whole = (seq: number): Position => ({ seq, n: Number.POSITIVE_INFINITY })

async function* follow(source: WatchSource, env: string | undefined, at: Map<string, Position>, signal: AbortSignal | undefined): AsyncGenerator<EventRow, void, undefined> {
  const ended = () => signal?.aborted === true || source.closed
  while (!ended()) {
    const mark = source.mark()
    let found = false
    for (const head of source.heads(env)) {
      const position = at.get(head.id) ?? whole(0)
      if (position.seq < head.compactedTo || (position.seq === head.compactedTo && position.n !== Number.POSITIVE_INFINITY)) throw compacted(head.id, position.seq, head.compactedTo)
      if (position.seq >= head.seq && position.n === Number.POSITIVE_INFINITY) continue
      const piece = source.events(head.id, position, PIECE)
      for (const event of piece) {
        if (ended()) return
        at.set(head.id, { seq: event.seq, n: event.n })
        yield event
      }
      found ||= piece.length > 0
      // A commit is read whole or, at the end of a piece, up to one of its events.
      const last = piece.at(-1)
      if (piece.length < PIECE) at.set(head.id, whole(Math.max(head.seq, last?.seq ?? 0)))
    }
    if (!found && !ended()) await source.changed(mark, signal)
  }
}

const compacted = (env: string, seq: number, compactedTo: number) =>
  failure('HF6009', { message: `Events up to commit ${compactedTo} were taken away; what came after commit ${seq} is not complete any more.`, details: { env, from: seq, compactedTo } })

/** A mark that is moved by hand, for whoever waits in the same process. */
export class Bell {
  private count = 0
  private readonly waiting = new Set<() => void>()

  get mark(): number {
    return this.count
  }

  ring(): void {
    this.count++
    for (const wake of [...this.waiting]) wake()
  }

  /** Resolves when it has rung since `mark`, or at the signal. */
  changed(mark: number, signal: AbortSignal | undefined): Promise<void> {
    if (mark !== this.count || signal?.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        this.waiting.delete(wake)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      this.waiting.add(wake)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }

  get anybody(): boolean {
    return this.waiting.size > 0
  }
}
