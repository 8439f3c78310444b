import { makeIds, systemClock, systemRandom, type Clock, type Random } from '../base/index.ts'
import { hasSecret, reveal, type Value } from '../model/index.ts'
import type { Entry } from '../journal/index.ts'
import type { EnvRow, ResourceRow } from '../state/index.ts'
import type { Store } from '../store/index.ts'
import { checkContext, checkedContents, checkedNames, checkFilter, checkParts, checkTransform, checkWatch, kept, keptNames, storable } from './check.ts'
import { amendChange, completeChange, failChange, openChange, recoverChange, removeChange } from './changes.ts'
import { componentUid, resolveReference, setExports, updateComponent } from './components.ts'
import { AbstractBackend, type BackendCapabilities, type ChangeFilter, type Differences, type RequestContext } from './contract.ts'
import { BackendClosed, ComponentDoesNotExist, InvalidArgument, KeyNotInCloudOutput, PermissionDenied, ResourceDoesNotExist, ResourceStateAlreadyExists, ResourceStateNotEmpty } from './errors.ts'
import type { ChangeRecord, CloudOutput, ComponentDifference, ComponentExport, ComponentModel, NewComponent, ResourceDifference, ResourceModel, ResourceReferenceDifference, ResourceState, StateEvent } from './models.ts'
import { childrenApp, componentOf, nameIn, parentOf, placeOf, stateName } from './names.ts'
import { forceUnlock, type ForcedLease } from './leases.ts'
import { demand, denial, type Permit, type PermitRequest } from './permit.ts'
import { stateDifferences } from './plan.ts'
import { callerOf, componentsOf, modelsOf, outputsOf, readable, readComponent, readState, recordOf, resourceByHash, resourceByName, resourcesByTag, stateOf, statusOf, uidOf } from './reader.ts'
import { once } from './requests.ts'
import { Session, type KeyPlace } from './session.ts'
import { hasCode, translate, translated } from './translate.ts'
import { shown, stored } from './values.ts'

export interface StoreBackendOptions {
  readonly capabilities: BackendCapabilities
  /** Called once, when the backend is first used. `identity`: equal for two backends of one process on one store. */
  readonly connect: () => Promise<{ readonly store: Store; readonly identity: string | object; readonly keys: KeyPlace }>
  readonly permit?: Permit | undefined
  /** Outputs that a resource of a type cannot be without: `{ 'acme::db::table': ['arn'] }`. */
  readonly requiredOutputs?: Readonly<Record<string, readonly string[]>> | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

/**
 * The founding contract over any store: it knows the port and nothing behind it. What an apply has written is read here, and what is written here is what
 * the next plan finds.
 */
export class StoreBackend extends AbstractBackend {
  readonly capabilities: BackendCapabilities
  readonly #options: StoreBackendOptions
  #session: Promise<Session> | undefined
  #closed = false

  /** Fails InvalidArgument. */
  constructor(options: StoreBackendOptions) {
    super()
    checkParts(options)
    this.capabilities = options.capabilities
    this.#options = options
  }

  #open(): Promise<Session> {
    if (this.#closed) return Promise.reject(new BackendClosed())
    if (!this.#session) {
      const opening = this.#connect()
      this.#session = opening
      // What failed may be tried again.
      opening.catch(() => { if (this.#session === opening) this.#session = undefined })
    }
    return this.#session
  }

  async #connect(): Promise<Session> {
    const { connect, permit, requiredOutputs = {}, clock = systemClock, random = systemRandom } = this.#options
    const { store, identity, keys } = await connect()
    try {
      return new Session({ store, identity, meta: await store.meta(), clock, random, ids: makeIds(clock, random), keys, permit, requiredOutputs })
    } catch (e) {
      await store.close()
      throw e
    }
  }

  #do<T>(act: (s: Session) => Promise<T>): Promise<T> {
    return translated(async () => act(await this.#open()))
  }

  /** Something that changes the state; the same request twice is done once. */
  #change<T>(scope: string, method: string, args: readonly unknown[], ctx: RequestContext | undefined, act: (s: Session, note: (answer: T) => Entry[]) => Promise<T>): Promise<T> {
    return this.#do((s) => once(s, scope, method, args, ctx, (note) => act(s, note)))
  }

  override async open(): Promise<void> {
    await this.#do(async () => undefined)
  }

  override async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const session = await this.#session?.catch(() => undefined)
    if (!session) return
    await session.end()
    await session.store.close()
  }

  override createResourceState(name: string, parent?: string | null, ctx?: RequestContext): Promise<string> {
    return this.#change<string>('', 'createResourceState', [name, parent ?? null], ctx, async (s, note) => {
      const above = parent === undefined || parent === null ? undefined : await stateOf(s, parent)
      if (typeof name !== 'string' || name === '' || !storable(name)) throw new InvalidArgument('The name of a resource state must be a text, without NUL and without half characters.')
      const place = placeOf(name.normalize('NFC'), above?.id)
      const taken = () => new ResourceStateAlreadyExists(`There is a resource state ${name} already${above ? ` under ${stateName(above)}` : ''}.`)
      if (await s.store.env(place.app, place.name)) throw taken()
      await demand(s.permit, ctx, 'state:create', { state: name })
      const id = s.ids.next('e')
      try {
        await s.store.commit([
          { t: 'env.create', row: { id, ...place, revision: 0, partial: false, seq: 0, openRun: undefined } },
          { t: 'event', at: s.clock.now(), kind: 'state.created', data: JSON.stringify({ state: name }) }, ...note(id),
        ], { env: id })
      } catch (e) {
        if (hasCode(e, 'HF2401')) throw taken()
        throw e
      }
      return id
    })
  }

  override deleteResourceState(uuid: string, ctx?: RequestContext): Promise<void> {
    return this.#change<void>(uuid, 'deleteResourceState', [uuid], ctx, async (s, note) => {
      const env = await stateOf(s, uuid)
      await s.settled(env, async (now) => {
        const name = stateName(now)
        const has = (what: string) => new ResourceStateNotEmpty(`${name} has ${what}.`)
        if ((await s.store.envs(childrenApp(now))).length > 0) throw has('children')
        const components = await s.store.components(now.id)
        if (components.some((c) => c.declared) || (await s.store.resources(now.id, 'current')).length > 0) throw has('components')
        if ((await s.store.txs({ env: now.id, unresolved: true })).length > 0) throw has('changes that are not settled')
        await demand(s.permit, ctx, 'state:delete', { state: name })
        await s.commit(now, [
          ...components.map((c) => ({ t: 'component.drop' as const, env: now.id, uid: c.uid })), { t: 'env.drop', env: now.id },
          { t: 'event', at: s.clock.now(), kind: 'state.deleted', data: JSON.stringify({ state: name }) }, ...note(),
        ], { expectSeq: now.seq, ctx })
      }, ctx)
    })
  }

  override getResourceState(uuid: string, ctx?: RequestContext): Promise<ResourceState> {
    return this.#do(async (s) => {
      const env = await readable(s, uuid, ctx)
      return readState(s, env, await this.#clear(s, ctx, env))
    })
  }

  override getTopLevelResourceStates(ctx?: RequestContext): Promise<ResourceState[]> {
    return this.#do(async (s) => {
      checkContext(ctx)
      const states: ResourceState[] = []
      for (const env of await s.store.envs()) {
        // Who may not read a state does not hear of it here.
        if (parentOf(env) !== undefined || (await denial(s.permit, ctx, 'state:read', { state: stateName(env) })) !== undefined) continue
        states.push(await readState(s, env, await this.#clear(s, ctx, env)))
      }
      return states.sort((a, b) => (a.name < b.name ? -1 : 1))
    })
  }

  override getComponent(uuid: string, component: string, ctx?: RequestContext): Promise<ComponentModel> {
    return this.#do(async (s) => {
      const at = keptNames({ component })
      const env = await readable(s, uuid, ctx, 'component:read', at)
      return readComponent(s, env, at.component, await this.#clear(s, ctx, env, at))
    })
  }

  override updateComponent(uuid: string, diff: ComponentDifference, ctx?: RequestContext): Promise<void> {
    return this.#change<void>(uuid, 'updateComponent', [uuid, diff], ctx, (s, note) => updateComponent(s, uuid, diff, ctx, note))
  }

  override getComponentUuid(uuid: string, component: string, ctx?: RequestContext): Promise<string> {
    return this.#do(async (s) => {
      const at = keptNames({ component })
      return componentUid(s, await readable(s, uuid, ctx, 'component:read', at), at.component)
    })
  }

  /** What others may refer to in a component; null: everything, as in the beginning. */
  setComponentExports(uuid: string, component: string, exports: readonly ComponentExport[] | null, ctx?: RequestContext): Promise<void> {
    return this.#change<void>(uuid, 'setComponentExports', [uuid, component, exports], ctx, (s, note) => setExports(s, uuid, kept(component), exports, ctx, note))
  }

  override createResourceChangeTransaction(uuid: string, component: string, diff: ResourceDifference, ctx?: RequestContext): Promise<[string, string]> {
    return this.#change<[string, string]>(uuid, 'createResourceChangeTransaction', [uuid, component, diff], ctx, async (s, note) => {
      for (let attempt = 0; ; attempt++) {
        try {
          return await openChange(s, uuid, kept(component), diff, ctx, note)
        } catch (e) {
          // The resource was changed between our look and our commit: the next look says how.
          if (!hasCode(e, 'HF2401') || ctx?.expectedRevision !== undefined || attempt > 3) throw e
        }
      }
    })
  }

  override completeResourceChange(uuid: string, component: string, diff: ResourceDifference, token: string, output: CloudOutput, resolved: Readonly<Record<string, unknown>> = {}, ctx?: RequestContext): Promise<void> {
    return this.#change<void>(uuid, 'completeResourceChange', [uuid, component, diff, token, output, resolved], ctx, (s, note) => completeChange(s, uuid, kept(component), diff, token, output, resolved, ctx, note))
  }

  override failResourceChange(uuid: string, component: string, diff: ResourceDifference, token: string, failedState: unknown, ctx?: RequestContext): Promise<void> {
    return this.#change<void>(uuid, 'failResourceChange', [uuid, component, diff, token, failedState], ctx, (s, note) => failChange(s, uuid, kept(component), diff, token, failedState, ctx, note))
  }

  override resolveReferenceChange(uuid: string, diff: ResourceReferenceDifference, ctx?: RequestContext): Promise<void> {
    return this.#change<void>(uuid, 'resolveReferenceChange', [uuid, diff], ctx, (s, note) => resolveReference(s, uuid, diff, ctx, note))
  }

  override changeFailedStateOfResourceChange(uuid: string, token: string, failedState: unknown, ctx?: RequestContext): Promise<void> {
    return this.#change<void>(uuid, 'changeFailedStateOfResourceChange', [uuid, token, failedState], ctx, (s, note) => amendChange(s, uuid, token, failedState, ctx, note))
  }

  override recoverFailedResourceChange(uuid: string, token: string, toPrevious = true, output?: CloudOutput, ctx?: RequestContext): Promise<void> {
    return this.#change<void>(uuid, 'recoverFailedResourceChange', [uuid, token, toPrevious, output ?? null], ctx, (s, note) => recoverChange(s, uuid, token, toPrevious, output, ctx, note))
  }

  override removeFailedResourceChange(uuid: string, token: string, ctx?: RequestContext): Promise<void> {
    return this.#change<void>(uuid, 'removeFailedResourceChange', [uuid, token], ctx, (s, note) => removeChange(s, uuid, token, ctx, note))
  }

  override getResourceByName(uuid: string, component: string, type: string, name: string, ctx?: RequestContext): Promise<ResourceModel> {
    return this.#resource(uuid, ctx, { component, ruuid: type, name }, (s, env, at) => resourceByName(s, env, at.component, type, at.name as string))
  }

  override getResourceByHash(uuid: string, component: string, type: string, hash: string, ctx?: RequestContext): Promise<ResourceModel> {
    return this.#resource(uuid, ctx, { component, ruuid: type }, (s, env, at) => resourceByHash(s, env, at.component, type, hash))
  }

  #resource(uuid: string, ctx: RequestContext | undefined, about: About, find: Find): Promise<ResourceModel> {
    return this.#do(async (s) => {
      const at = keptNames(about)
      const env = await readable(s, uuid, ctx, 'component:read', at)
      const row = await find(s, env, at)
      const [model] = await modelsOf(s, [row], (await this.#clear(s, ctx, env, { component: componentOf(row.address), ruuid: row.type, name: nameIn(row.address) }))(row))
      return model as ResourceModel
    })
  }

  override async getResourcesByTag(uuid: string, component: string, type: string, tag: string, ctx?: RequestContext): Promise<ResourceModel[]> {
    const found = await this.listResourcesByTag(uuid, component, type, tag, ctx)
    if (found.length === 0) throw new ResourceDoesNotExist(`${component} has no ${type} with the tag ${tag}.`)
    return found
  }

  override listResourcesByTag(uuid: string, component: string, type: string, tag: string, ctx?: RequestContext): Promise<ResourceModel[]> {
    return this.#do(async (s) => {
      const at = keptNames({ component, ruuid: type })
      const env = await readable(s, uuid, ctx, 'component:read', at)
      const [first, ...rest] = await resourcesByTag(s, env, at.component, type, tag)
      return first ? modelsOf(s, [first, ...rest], (await this.#clear(s, ctx, env, at))(first)) : []
    })
  }

  override getCloudOutputValueByName(uuid: string, component: string, type: string, name: string, key: string, transform?: (value: any) => unknown, ctx?: RequestContext): Promise<any> {
    return this.#value(uuid, { component, ruuid: type, name, key }, transform, ctx, (s, env, at) => resourceByName(s, env, at.component, type, at.name as string))
  }

  override getCloudOutputValueByHash(uuid: string, component: string, type: string, hash: string, key: string, transform?: (value: any) => unknown, ctx?: RequestContext): Promise<any> {
    return this.#value(uuid, { component, ruuid: type, key }, transform, ctx, (s, env, at) => this.#byHash(s, env, at.component, type, hash))
  }

  override getCloudOutputByName(uuid: string, component: string, type: string, name: string, ctx?: RequestContext): Promise<CloudOutput> {
    return this.#output(uuid, { component, ruuid: type, name }, ctx, (s, env, at) => resourceByName(s, env, at.component, type, at.name as string))
  }

  override getCloudOutputByHash(uuid: string, component: string, type: string, hash: string, ctx?: RequestContext): Promise<CloudOutput> {
    return this.#output(uuid, { component, ruuid: type }, ctx, (s, env, at) => this.#byHash(s, env, at.component, type, hash))
  }

  /** A component by its name, or by its uuid where nothing is called so. */
  async #byHash(s: Session, env: EnvRow, component: string, type: string, hash: string): Promise<ResourceRow> {
    try {
      return await resourceByHash(s, env, component, type, hash)
    } catch (e) {
      if (!(e instanceof ComponentDoesNotExist)) throw e
      const rows = await s.store.components(env.id)
      const name = rows.find((c) => c.uid === component)?.name ?? [...(await componentsOf(s, env)).keys()].find((n) => uidOf(rows, env.id, n) === component)
      if (name === undefined) throw e
      return resourceByHash(s, env, name, type, hash)
    }
  }

  async #value(uuid: string, about: About & { readonly key: string }, transform: ((value: any) => unknown) | undefined, ctx: RequestContext | undefined, find: Find): Promise<unknown> {
    checkTransform(transform)
    const { key } = about
    const value = await this.#do(async (s) => {
      const at = keptNames(about)
      const env = await readable(s, uuid, ctx, 'output:read', at)
      const row = await find(s, env, at)
      const outputs = await outputsOf(s, row) as Record<string, Value>
      if (!Object.hasOwn(outputs, key)) throw new KeyNotInCloudOutput(`The output of ${row.type} ${nameIn(row.address)} has no key ${key}.`, undefined, [], { details: { key, keys: Object.keys(outputs) } })
      const found = outputs[key] as Value
      if (!hasSecret(found)) return shown(found, false)
      await openSecrets(s, ctx, env, { component: componentOf(row.address), ruuid: row.type, name: nameIn(row.address), key })
      return reveal(found)
    })
    return transform ? transform(value) : value // what it throws is its caller's
  }

  #output(uuid: string, about: About, ctx: RequestContext | undefined, find: Find): Promise<CloudOutput> {
    return this.#do(async (s) => {
      const at = keptNames(about)
      const env = await readable(s, uuid, ctx, 'output:read', at)
      const row = await find(s, env, at)
      const outputs = await outputsOf(s, row)
      return (shown(outputs, hasSecret(outputs) && (await this.#clear(s, ctx, env, { component: componentOf(row.address), ruuid: row.type, name: nameIn(row.address) }))(row)) ?? {}) as CloudOutput
    })
  }

  override createDifferences(uuid: string, newComponents: readonly NewComponent[], oldComponents: readonly string[], ctx?: RequestContext): Promise<Differences> {
    return this.#do(async (s) => {
      const env = await readable(s, uuid, ctx)
      const components = checkedContents('new', newComponents)
      return stateDifferences(s, env, components, checkedNames(oldComponents), ctx)
    })
  }

  override listChanges(filter: ChangeFilter = {}, ctx?: RequestContext): Promise<ChangeRecord[]> {
    return this.#do(async (s) => {
      checkContext(ctx)
      checkFilter(filter)
      const { status, stateUuid } = filter
      if (stateUuid !== undefined) await readable(s, stateUuid, ctx)
      const settled = status === 'completed' || status === 'abandoned'
      const txs = await s.store.txs({ ...(stateUuid === undefined ? {} : { env: stateUuid }), ...(settled ? {} : { unresolved: true }) })
      const mayRead = new Map<string, boolean>()
      const records: ChangeRecord[] = []
      for (const tx of txs) {
        if (status !== undefined && statusOf(tx) !== status) continue
        if (s.permit && stateUuid === undefined) {
          const env = mayRead.has(tx.env) ? undefined : await s.store.envById(tx.env)
          if (env) mayRead.set(tx.env, (await denial(s.permit, ctx, 'state:read', { state: stateName(env) })) === undefined)
          if (mayRead.get(tx.env) !== true) continue
        }
        records.push(await recordOf(s, tx))
      }
      return records
    })
  }

  /**
   * What is committed to a state, by whichever process: in order, none twice, none left out. Ends at the signal, or when the backend is closed.
   *
   * Takes    `from`: the revision that was seen last (0: everything that is kept), or `now`, which is the default.
   * Fails    ResourceStateDoesNotExist, PermissionDenied (`watch`), RevisionCompacted when what would have to be given first was taken away: read the state, then watch
   *          from its `revision` on.
   */
  async *watch(uuid: string, options: { readonly from?: number | 'now'; readonly signal?: AbortSignal } = {}, ctx?: RequestContext): AsyncGenerator<StateEvent, void, undefined> {
    checkWatch(options)
    const { from = 'now', signal } = options
    const events = await this.#do(async (s) => {
      const env = await readable(s, uuid, ctx, 'watch')
      return s.store.watch(env.id, { from, signal })
    })
    try {
      for await (const { seq, n, at, kind, data } of events) yield { revision: seq, n, at: new Date(at).toISOString(), kind, data: stored(data) as Record<string, unknown> }
    } catch (e) {
      throw translate(e)
    }
  }

  /**
   * Takes the leases of a state, or of one of its components, away from whoever has them: for a holder that is gone, or hangs, where nobody can tell.
   *
   * Gives    who had them; empty where nobody did.
   * Durable  on return, together with an event that says who did it. Who had a lease writes nothing under it any more (FenceRejected).
   * Fails    ResourceStateDoesNotExist, PermissionDenied (`lease:force`), LeaseConflict when somebody else took it in the same moment.
   */
  forceUnlock(uuid: string, component?: string | null, ctx?: RequestContext): Promise<ForcedLease[]> {
    return this.#change<ForcedLease[]>(uuid, 'forceUnlock', [uuid, component ?? null], ctx, (s, note) => forceUnlock(s, uuid, kept(component ?? undefined), ctx, note))
  }

  /** Whether the secrets of rows may be given out in clear: asked for, allowed, and the key is here. Written down before they are. Fails PermissionDenied. */
  async #clear(s: Session, ctx: RequestContext | undefined, env: EnvRow, about: Partial<About> = {}): Promise<(row: ResourceRow) => boolean> {
    if (ctx?.reveal !== true) return () => false
    await openSecrets(s, ctx, env, about)
    return () => true
  }
}

/** What a look-up is about, as the permission hook is asked. */
type About = Omit<PermitRequest['resource'], 'state' | 'component'> & { readonly component: string }
type Find = (s: Session, env: EnvRow, at: About) => Promise<ResourceRow>

/** The caller may see secrets in clear, and that it did is durable. Fails PermissionDenied. */
async function openSecrets(s: Session, ctx: RequestContext | undefined, env: EnvRow, about: Partial<About>): Promise<void> {
  await demand(s.permit, ctx, 'output:readSecret', { state: stateName(env), ...about })
  if (!s.ring) throw new PermissionDenied('The key to open secrets is not here.')
  await s.store.commit([{ t: 'event', at: s.clock.now(), kind: 'secret.revealed', data: JSON.stringify({ what: 'state', by: callerOf(s, ctx), ...about }) }], { env: env.id })
}
