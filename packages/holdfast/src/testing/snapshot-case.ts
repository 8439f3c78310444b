import assert from 'node:assert/strict'
import { Value } from '../builtin/value/index.ts'
import { Engine, openHolder, packSnapshot, unpackSnapshot, type OpenChange, type Snapshot, type SnapshotDocument, type SnapshotProvider } from '../embed/index.ts'
import { app } from '../program/index.ts'
import type { Holder } from '../state/index.ts'

/** One provider without snapshots, fresh for each case. */
export interface SnapshotSubject {
  readonly provider: SnapshotProvider
  /** Closes the provider and opens another on what it kept. A provider that keeps nothing leaves it out. */
  reopen?(): Promise<SnapshotProvider>
  /** Spoils what is kept of a target: a value in it is changed, or it is marked as written by a newer version. */
  spoil?(name: string, how: 'damaged' | 'newer'): Promise<void>
  /** All that is kept of a target, to see that a refusal has changed nothing. */
  content?(name: string): Promise<unknown>
  /** Closes whatever is open. */
  close?(): Promise<void>
}

export type Need = 'reopen' | 'spoil'

export interface SnapshotCase {
  readonly name: string
  readonly needs: readonly Need[]
  run(t: SnapshotTrial): Promise<void>
}

export const TARGET = 'prod'

/** Everything that an engine hands over while it makes `names`, and then one node less. */
export interface Recorded {
  /** Changes, in order. */
  readonly changes: readonly OpenChange[]
  /** The snapshot after each change, then those of the run. */
  readonly snapshots: readonly SnapshotDocument[]
}

const named = (name: string) => ({ name, config: {}, secrets: { get: async () => undefined }, tags: {} })
const program = (nodes: readonly string[]) => app('suite', { build: () => Object.fromEntries(nodes.map((n) => [n, Value(n, { input: `of ${n}` }).output])) })

export const engineOver = (snapshots: SnapshotProvider): Engine => new Engine({ targets: { getTarget: async (name) => named(name) }, snapshots, providers: [Value], parallelism: 1 })

const recordings = new Map<string, Promise<Recorded>>()
/** Made once: what a case gets is its own to read, not to change. */
function recorded(target: string, nodes: readonly string[]): Promise<Recorded> {
  const key = JSON.stringify([target, nodes])
  let known = recordings.get(key)
  if (!known) recordings.set(key, (known = record(target, nodes)))
  return known
}

async function record(target: string, nodes: readonly string[]): Promise<Recorded> {
  const changes: OpenChange[] = []
  const snapshots: SnapshotDocument[] = []
  const recorder: SnapshotProvider = {
    getSnapshot: async () => (snapshots.length === 0 ? undefined : unpackSnapshot(target, snapshots.at(-1))),
    beginMutation: async (_name, about) => {
      if (about) changes.push(about)
      return { id: 'recorded', end: async (s) => void snapshots.push(JSON.parse(JSON.stringify(await packSnapshot(s))) as SnapshotDocument) }
    },
  }
  const engine = engineOver(recorder)
  assert.equal((await engine.apply(target, program(nodes))).outcome, 'applied')
  assert.equal((await engine.apply(target, program(nodes.slice(1)))).outcome, 'applied')
  return { changes, snapshots }
}

/** What a case works with. */
export class SnapshotTrial {
  readonly subject: SnapshotSubject
  provider: SnapshotProvider
  readonly program = program
  readonly #holders: { close(): void }[] = []

  constructor(subject: SnapshotSubject) {
    this.subject = subject
    this.provider = subject.provider
  }

  /** Somebody who lives until `leave`, or the end of the case. */
  holder(): Holder & { readonly leave: () => void } {
    const held = openHolder()
    this.#holders.push(held)
    return Object.assign({ ...held.holder }, { leave: held.close }) as Holder & { readonly leave: () => void }
  }

  record(target = TARGET, nodes: readonly string[] = ['a', 'b', 'c']): Promise<Recorded> {
    return recorded(target, nodes)
  }

  async reopen(): Promise<void> {
    this.provider = await (this.subject.reopen as () => Promise<SnapshotProvider>)()
  }

  /** Persists a snapshot, as a run does. */
  async persist(document: SnapshotDocument): Promise<void> {
    const by = this.holder()
    const mutation = await this.provider.beginMutation(document.target, undefined, plainHolder(by))
    await mutation.end(unpackSnapshot(document.target, document))
    by.leave()
  }

  /** What is read is what was given, and adds up. */
  async reads(document: SnapshotDocument): Promise<void> {
    const read = await this.provider.getSnapshot(document.target)
    assert.ok(read, 'there is a snapshot')
    const { reliable: _r, open: _o, ...content } = JSON.parse(JSON.stringify(await packSnapshot(read))) as SnapshotDocument
    const { reliable: _rr, open: _oo, ...given } = document
    assert.deepEqual(content, given)
  }

  async state(name = TARGET): Promise<{ readonly reliable: boolean; readonly open: readonly string[] } | undefined> {
    const read = await this.provider.getSnapshot(name)
    return read && { reliable: read.reliable, open: read.open.map((c) => c.id).sort() }
  }

  end(): void {
    for (const h of this.#holders) h.close()
  }
}

/** As it is written: the function is the trial's. */
export const plainHolder = ({ id, host, bootId, pid, startedAt }: Holder): Holder => ({ id, host, bootId, pid, startedAt })

/** A snapshot that breaks off while its resources are read. */
export function breaking(document: SnapshotDocument): Snapshot {
  const whole = unpackSnapshot(document.target, document)
  return {
    ...whole,
    async *resources() {
      for await (const r of whole.resources()) {
        yield r
        throw new Error('it broke off')
      }
      throw new Error('it broke off')
    },
  }
}

export async function refused(code: string, act: () => Promise<unknown>): Promise<{ readonly details?: Readonly<Record<string, unknown>> }> {
  try {
    await act()
  } catch (e) {
    assert.equal((e as { code?: unknown }).code, code, `expected ${code}, got ${String(e)}`)
    return e as { details?: Record<string, unknown> }
  }
  throw new assert.AssertionError({ message: `expected ${code}, but it was accepted` })
}
