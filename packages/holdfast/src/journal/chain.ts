import { sha256hex } from '../base/index.ts'
import type { ChainRow, EventRow } from '../state/index.ts'

/** What an event says, apart from its place. */
export type ChainedEvent = readonly [at: number, kind: string, data: string]

/** Before the first event. */
const CHAIN_START = ''

/** Hash of a chain after a commit that has events. Whoever changes, drops or moves one of them changes every hash from there on. */
export function chainHash(before: string, env: string, seq: number, events: readonly ChainedEvent[]): string {
  let text = `${before} ${env} ${seq}`
  // Lengths, so that no text can be read as two, or two as one.
  for (const [at, kind, data] of events) text += `\n${at} ${kind.length} ${data.length} ${kind} ${data}`
  return sha256hex(text)
}

export const newChain = (env: string): ChainRow => ({ env, compactedTo: 0, baseSeq: 0, baseHash: CHAIN_START, seq: 0, hash: CHAIN_START })

/** The chain over events in order: how far it goes, and its hash after each commit. */
export function* linksOf(chain: ChainRow, events: Iterable<EventRow>): Generator<{ readonly seq: number; readonly hash: string }> {
  let hash = chain.baseHash
  let seq = 0
  let of: ChainedEvent[] = []
  for (const e of events) {
    if (e.seq <= chain.baseSeq) continue
    if (e.seq !== seq) {
      if (of.length > 0) yield { seq, hash: (hash = chainHash(hash, chain.env, seq, of)) }
      seq = e.seq
      of = []
    }
    of.push([e.at, e.kind, e.data])
  }
  if (of.length > 0) yield { seq, hash: chainHash(hash, chain.env, seq, of) }
}

/** The chain when the events of commits up to `upTo` have been taken away; `events` are those, in order. */
export function compactedChain(chain: ChainRow, upTo: number, events: Iterable<EventRow>): ChainRow {
  const compactedTo = Math.max(chain.compactedTo, upTo)
  if (upTo <= chain.baseSeq) return { ...chain, compactedTo }
  let hash = chain.baseHash
  for (const link of linksOf(chain, events)) hash = link.hash
  return { ...chain, compactedTo, baseSeq: upTo, baseHash: hash }
}
