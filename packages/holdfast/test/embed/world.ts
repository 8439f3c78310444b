import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { systemClock, systemRandom } from '../../src/base/index.ts'
import { fillStore } from '../../src/embed/fill.ts'
import { PortStore } from '../../src/embed/port-store.ts'
import {
  holderLives, MutationOpen, packSnapshot, TargetNotFound, unpackSnapshot, withOpen,
  type Holder, type OpenChange, type Snapshot, type SnapshotDocument, type SnapshotMutation, type SnapshotProvider, type Target, type TargetProvider,
} from '../../src/embed/index.ts'

export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-embed-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

export const target = (name: string, more: Partial<Target> = {}): Target => ({ name, config: {}, secrets: { get: async () => undefined }, tags: {}, ...more })

/** Targets of a list; every question is noted. */
export class ListedTargets implements TargetProvider {
  readonly asked: string[] = []
  readonly #targets: ReadonlyMap<string, Target>

  constructor(...targets: readonly (string | Target)[]) {
    this.#targets = new Map(targets.map((t) => (typeof t === 'string' ? [t, target(t)] : [t.name, t])))
  }

  async getTarget(name: string): Promise<Target> {
    this.asked.push(name)
    const found = this.#targets.get(name)
    if (!found) throw new TargetNotFound(name)
    return { ...found, config: structuredClone(found.config) }
  }
}

interface Entry {
  readonly snapshot?: SnapshotDocument
  readonly mutations: readonly { readonly id: string; readonly by: Holder; readonly about?: OpenChange }[]
}

/** What every keeper of whole documents does; `read` and `write` say where. Calls are noted: `begin address op`, `begin run`, `end ...`. */
export abstract class WholeSnapshots implements SnapshotProvider {
  readonly calls: string[] = []
  readonly ended: SnapshotDocument[] = []
  /** Called before a begin or an end does anything; what it throws is what the provider rejects with. */
  fault: ((call: string) => void | Promise<void>) | undefined
  /** Holders whose process is taken for gone. */
  readonly dead = new Set<string>()
  readonly holders: Holder[] = []
  #next = 0
  protected abstract read(name: string): Entry | undefined
  protected abstract write(name: string, entry: Entry): void

  async getSnapshot(name: string): Promise<Snapshot | undefined> {
    this.calls.push('get')
    const entry = this.read(name)
    return entry && withOpen(name, entry.snapshot && unpackSnapshot(name, entry.snapshot), entry.mutations)
  }

  async beginMutation(name: string, about: OpenChange | undefined, by: Holder): Promise<SnapshotMutation> {
    const what = about ? `${about.address} ${about.op}` : 'run'
    this.holders.push(by)
    await this.fault?.(`begin ${what}`)
    const entry = this.read(name) ?? { mutations: [] }
    const other = entry.mutations.find((m) => m.by.id !== by.id && !this.dead.has(m.by.id) && holderLives(m.by))
    if (other) throw new MutationOpen(name, other.by)
    const same = about && entry.mutations.find((m) => m.about?.id === about.id)
    const id = same?.id ?? `m${++this.#next} of ${by.id}`
    const rest = entry.mutations.filter((m) => m.id !== id && (m.about || m.by.id === by.id))
    this.write(name, { ...entry, mutations: [...rest, { id, by, ...(about ? { about } : {}) }] })
    this.calls.push(`begin ${what}`)
    await this.fault?.(`begun ${what}`)
    return {
      id,
      end: async (snapshot) => {
        await this.fault?.(`end ${what}`)
        const document = await packSnapshot(snapshot)
        const now = this.read(name) as Entry
        this.write(name, { snapshot: document, mutations: now.mutations.filter((m) => m.id !== id) })
        this.ended.push(document)
        this.calls.push(`end ${what}`)
        await this.fault?.(`ended ${what}`)
      },
    }
  }
}

export class MemorySnapshots extends WholeSnapshots {
  /** As text: nobody shares an object with the engine. */
  readonly kept = new Map<string, string>()
  protected read(name: string): Entry | undefined {
    const text = this.kept.get(name)
    return text === undefined ? undefined : (JSON.parse(text) as Entry)
  }
  protected write(name: string, entry: Entry): void {
    this.kept.set(name, JSON.stringify(entry))
  }
}

/** One file per target. */
export class FileSnapshots extends WholeSnapshots {
  readonly #folder: string
  constructor(folder: string) {
    super()
    this.#folder = folder
  }
  path(name: string): string {
    return join(this.#folder, `${encodeURIComponent(name)}.json`)
  }
  protected read(name: string): Entry | undefined {
    return existsSync(this.path(name)) ? (JSON.parse(readFileSync(this.path(name), 'utf8')) as Entry) : undefined
  }
  protected write(name: string, entry: Entry): void {
    writeFileSync(this.path(name), JSON.stringify(entry))
  }
}

/** The rules between rows hold for what was kept. */
export async function sound(snapshots: SnapshotProvider, name: string): Promise<void> {
  const snapshot = await snapshots.getSnapshot(name)
  if (!snapshot) return
  const store = new PortStore({ clock: systemClock, random: systemRandom })
  await fillStore(store, snapshot, systemClock.now())
  expect((await store.doctor()).filter((c) => !c.ok)).toEqual([])
}
