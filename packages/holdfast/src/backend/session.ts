import { limits, type Clock, type Ids, type Random } from '../base/index.ts'
import { makeKeyring, type Keyring } from '../secret/index.ts'
import type { Entry } from '../journal/index.ts'
import type { EnvRow, Holder, LeaseRow, StoreMeta } from '../state/index.ts'
import { currentHolder, type CommitOptions, type Hold, type Store } from '../store/index.ts'
import { BackendError } from './errors.ts'
import { hasCode } from './translate.ts'
import { scopeOf } from './names.ts'
import type { Permit } from './permit.ts'
import type { RequestContext } from './contract.ts'

/** Where the key of a store comes from. */
export interface KeyPlace {
  read(): Uint8Array | undefined
  /** Made when the first secret has to be sealed. */
  create(): Uint8Array
}

/** How a commit stands to the rest: see {@link Session.commit}. */
interface Parting {
  readonly opens?: string
  readonly ends?: string
  readonly expectSeq?: number | undefined
  readonly ctx?: RequestContext | undefined
  /** Where it happens; absent: in the state as such. */
  readonly component?: string
}

/** Open changes of one process under one scope, and the lease that covers them. */
interface Scope {
  lease: LeaseRow | undefined
  keeper: Session | undefined
  readonly open: Map<string, Session>
  readonly turns: Turns
}

/**
 * Commits of one session at a time. Those of one go to its store in the order in which they are asked for, as many at once as there are; two connections keep
 * no order between them, so a release on one could overtake the change that another has just opened under the same lease.
 */
class Turns {
  #now: { readonly by: Session; flying: number } | undefined
  readonly #waiting: { readonly by: Session; go(): void }[] = []

  async run<T>(by: Session, act: () => Promise<T>): Promise<T> {
    if (this.#now && (this.#now.by !== by || this.#waiting.length > 0)) await new Promise<void>((go) => this.#waiting.push({ by, go }))
    else {
      this.#now ??= { by, flying: 0 }
      this.#now.flying++
    }
    try {
      return await act()
    } finally {
      this.#over()
    }
  }

  #over(): void {
    if (this.#now && --this.#now.flying > 0) return
    const next = this.#waiting[0]?.by
    this.#now = next && { by: next, flying: 0 }
    while (this.#now && this.#waiting[0]?.by === next) {
      this.#now.flying++
      this.#waiting.shift()?.go()
    }
  }
}

/**
 * What all backends of one process over one store share: the process holds a lease, not an object in it. Two of them never refuse each other; the store's
 * own rules order what they do.
 */
class Shared {
  readonly holder: Holder = currentHolder()
  readonly scopes = new Map<string, Scope>()
  /** Revisions that commits on their way will have made, so that many can share one write to the disk. */
  readonly heads = new Map<string, { next: number; flying: number }>()
  /** Resources that are being created: environment, type and address. */
  readonly creating = new Set<string>()
}

const byPath = new Map<string, Shared>()
const byObject = new WeakMap<object, Shared>()

function sharedOf(identity: string | object): Shared {
  const known = typeof identity === 'string' ? byPath.get(identity) : byObject.get(identity)
  if (known) return known
  const shared = new Shared()
  if (typeof identity === 'string') byPath.set(identity, shared)
  else byObject.set(identity, shared)
  return shared
}

const RETRIES_MAX = 20
const LOOK_EVERY = 256

/** One open store, with what every method needs: the key, time, ids, leases, and commits that are tried again when they met another. */
export class Session {
  readonly store: Store
  readonly clock: Clock
  readonly ids: Ids
  readonly meta: StoreMeta
  readonly permit: Permit | undefined
  readonly requiredOutputs: Readonly<Record<string, readonly string[]>>
  readonly shared: Shared
  readonly #keys: KeyPlace
  readonly #random: Random
  #ring: Keyring | undefined
  #keyCheck: string | undefined
  #ended = 0

  constructor(o: {
    readonly store: Store; readonly identity: string | object; readonly meta: StoreMeta; readonly clock: Clock; readonly random: Random; readonly ids: Ids; readonly keys: KeyPlace
    readonly permit: Permit | undefined; readonly requiredOutputs: Readonly<Record<string, readonly string[]>>
  }) {
    this.store = o.store
    this.clock = o.clock
    this.ids = o.ids
    this.meta = o.meta
    this.permit = o.permit
    this.requiredOutputs = o.requiredOutputs
    this.shared = sharedOf(o.identity)
    this.#keys = o.keys
    this.#random = o.random
    this.#keyCheck = o.meta.keyCheck
    this.#ring = this.#ringFrom(o.keys.read())
  }

  #ringFrom(key: Uint8Array | undefined): Keyring | undefined {
    if (!key) return undefined
    const ring = makeKeyring(key, this.meta.storeId, this.#random)
    key.fill(0)
    if (this.#keyCheck !== undefined && this.#keyCheck !== ring.keyCheck) throw new BackendError('The key does not belong to this store.', 'Use the key that the state was made with.', [], { code: 'HF4302' })
    return ring
  }

  /** Undefined: there is no key here. Secrets are shown as such, and stay closed. */
  get ring(): Keyring | undefined {
    return this.#ring
  }

  /** The key to seal with, made when there is none. `entries`: of the commit that stores what is sealed; the check of a new key becomes true with it. */
  ringToSeal(entries?: Entry[]): Keyring {
    if (!this.#ring && this.#keyCheck !== undefined) throw new BackendError('The state holds sealed values, and its key is not here.', 'Restore the key file, or set HOLDFAST_KEY.', [], { code: 'HF4301' })
    this.#ring ??= this.#ringFrom(this.#keys.create()) as Keyring
    if (this.#keyCheck === undefined) entries?.push({ t: 'meta.keyCheck', value: this.#ring.keyCheck })
    return this.#ring
  }

  /** True with every 256th change that ends: old events are looked for so often. */
  everySoOften(): boolean {
    return ++this.#ended % LOOK_EVERY === 0
  }

  get holder(): Holder {
    return this.shared.holder
  }

  fenceOf(env: EnvRow, component: string): number {
    return this.shared.scopes.get(scopeOf(env, component))?.lease?.fence ?? 0
  }

  #scope(name: string): Scope {
    let scope = this.shared.scopes.get(name)
    if (!scope) this.shared.scopes.set(name, (scope = { lease: undefined, keeper: undefined, open: new Map(), turns: new Turns() }))
    return scope
  }

  /**
   * Commits something that stands alone: refused (LeaseConflict) while another process has the lease, and (FenceRejected) when ours was taken over.
   *
   * `opens`, `ends`: the open change that begins or is over with it; the lease is held while there is one.
   */
  async commit(env: EnvRow, entries: readonly Entry[], o: Parting = {}): Promise<number> {
    const fence = o.ctx?.fence
    // The caller has a lease of its own: the fence is all that is asked for, and ours would only stand in its way.
    if (fence) return (await this.store.commit(entries, { env: env.id, expectSeq: o.ctx?.expectedRevision ?? o.expectSeq, fence })).seq
    const name = scopeOf(env, o.component)
    const scope = this.#scope(name)
    return scope.turns.run(this, () => this.#commit(env, entries, o, scope, name))
  }

  async #commit(env: EnvRow, entries: readonly Entry[], o: Parting, scope: Scope, name: string): Promise<number> {
    if (o.opens !== undefined) scope.open.set(o.opens, this)
    const ended = o.ends === undefined ? undefined : scope.open.get(o.ends)
    if (o.ends !== undefined) scope.open.delete(o.ends)
    const after: Hold['after'] = scope.open.size > 0 ? 'keep' : 'release'
    const { lease } = scope
    // Whoever comes while the release is on its way takes the lease anew.
    if (after === 'release') scope.lease = undefined
    const options: CommitOptions = {
      env: env.id, expectSeq: o.ctx?.expectedRevision ?? o.expectSeq, fence: lease && { scope: name, fence: lease.fence },
      hold: { scope: name, holder: this.holder, ttlMs: limits.leaseTtlMs, nowMs: this.clock.now(), after },
    }
    try {
      const { seq, lease: granted } = await this.store.commit(entries, options)
      if (after === 'keep') await this.#keep(scope, name, granted)
      else this.#letGo(scope, lease)
      return seq
    } catch (e) {
      if (o.opens !== undefined) scope.open.delete(o.opens)
      if (o.ends !== undefined && ended) scope.open.set(o.ends, ended)
      if (hasCode(e, 'HF4203')) this.#letGo(scope, lease)
      else if (after === 'release') scope.lease ??= lease
      throw e
    }
  }

  async #keep(scope: Scope, name: string, granted: LeaseRow | undefined): Promise<void> {
    if (scope.lease && scope.keeper) return // FIFO: the lease of the first of them is that of all
    const lease = granted ?? (await this.store.leases()).find((l) => l.scope === name && l.holder.id === this.holder.id)
    if (!lease || scope.lease?.fence === lease.fence) return
    scope.lease = lease
    this.#startKeeping(scope, lease)
  }

  #startKeeping(scope: Scope, lease: LeaseRow): void {
    scope.keeper = this
    this.store.lease.keepLater(lease, limits.leaseHeartbeatMs, () => {
      if (scope.lease === lease) scope.keeper = undefined // the fence says it to whoever writes next
    })
  }

  #letGo(scope: Scope, lease: LeaseRow | undefined): void {
    if (!lease) return
    scope.keeper?.store.lease.unkeep(lease)
    if (scope.lease && scope.lease !== lease) return
    scope.lease = undefined
    scope.keeper = undefined
  }

  /**
   * Commits a change of the revision. Many may be on their way at once; one that met another is built again on what that made.
   *
   * Takes  `build`: the entries of the commit for an environment as it will be by then.
   */
  async advance(env: EnvRow, build: (env: EnvRow) => Entry[], o: Parting = {}): Promise<void> {
    const { heads } = this.shared
    let now = env
    for (let attempt = 0; ; attempt++) {
      let head = heads.get(env.id)
      if (!head) heads.set(env.id, (head = { next: 0, flying: 0 }))
      const revision = head.flying > 0 ? Math.max(head.next, now.revision) : now.revision
      head.next = revision + 1
      head.flying++
      try {
        await this.commit(env, build({ ...now, revision }), o)
        return
      } catch (e) {
        if (!hasCode(e, 'HF2401') || o.ctx?.expectedRevision !== undefined || attempt === RETRIES_MAX) throw e
        head.next = 0
      } finally {
        if (--head.flying === 0) heads.delete(env.id)
      }
      now = (await this.store.envById(env.id)) ?? env
    }
  }

  /** Reads, decides and commits what depends on the rest of the state; begun again when the state moved in between. */
  async settled<T>(env: EnvRow, act: (env: EnvRow) => Promise<T>, ctx: RequestContext | undefined): Promise<T> {
    let now = env
    for (let attempt = 0; ; attempt++) {
      try {
        return await act(now)
      } catch (e) {
        if (!hasCode(e, 'HF2401') || ctx?.expectedRevision !== undefined || attempt === RETRIES_MAX) throw e
      }
      now = (await this.store.envById(env.id)) ?? env
    }
  }

  /** Lets go of what this session holds: open changes stay open, and whoever else in the process has some goes on keeping the lease. */
  async end(): Promise<void> {
    for (const scope of this.shared.scopes.values()) {
      for (const [token, session] of [...scope.open]) if (session === this) scope.open.delete(token)
      const { lease } = scope
      if (!lease) continue
      const [heir] = scope.open.values()
      if (!heir) {
        this.#letGo(scope, lease)
        await this.store.lease.release(lease)
      } else if (scope.keeper === this) {
        this.store.lease.unkeep(lease)
        heir.#startKeeping(scope, lease)
      }
    }
  }
}
