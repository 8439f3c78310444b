import { failure, isFailure, systemClock, systemRandom, type Clock } from '../base/index.ts'
import {
  beginRun, makePlan, readAdoptRows, refuseDeletes, repairOf, setSecret, type ApplyOptions, type EngineContext, type EngineEvent, type PlanDocument, type PlannedRun, type PlanRequest, type RefreshDocument, type RunDocument, type RunOptions, type RunSession, type SettleHow,
} from '../engine/index.ts'
import type { KeyChoice } from '../project/index.ts'
import type { AnyApp, ResourceFn } from '../program/index.ts'
import type { Holder } from '../state/index.ts'
import { currentHolder } from '../store/index.ts'
import { Brackets } from './brackets.ts'
import { checkCall, checkForPlan, checkParts, checkSettle, checkTarget } from './check.ts'
import { makeContext, type Surroundings } from './context.ts'
import { aboutKey, asMutation, checkTargetName, documentAboutKey, fromProvider, notKept, TargetNotFound } from './failures.ts'
import { openHolder } from './holders.ts'
import { openCall, type Opened } from './open.ts'
import { graphFor } from './program.ts'
import type { Snapshot, SnapshotMutation, SnapshotProvider, Target, TargetProvider } from './ports.ts'
import { checkSnapshot } from './snapshot.ts'

export interface EngineParts {
  /** Asked for every target, once per call. */
  readonly targets: TargetProvider
  /** Asked for every snapshot; what is changed goes to it first. */
  readonly snapshots: SnapshotProvider
  /** Types of resources that may occur. Default: the built-in ones and every one that was declared in this process. */
  readonly providers?: readonly Pick<ResourceFn, 'type'>[]
  readonly clock?: Clock
  /** Tasks at one time; default 64. A type has a limit of its own beside it. */
  readonly parallelism?: number
  /**
   * Folder for what is kept beside the snapshots: the key, outcomes that the provider of snapshots refused, data that was set aside. It must be the same
   * one whenever a target is worked on. Without it nothing is kept, and what needs a key fails HF4301.
   */
  readonly home?: string
  /** Where the key is: `keyFile(path)` or `keyEnv(name)`. Default: the file `key` in `home`, made when it is needed for the first time. */
  readonly key?: KeyChoice
}

export interface CallOptions {
  /** What it throws harms nothing; the process warns of it once (`process.on('warning')`). */
  readonly onEvent?: (event: EngineEvent) => void
  /** Aborted: no further task starts, and the run ends as it does after a failure. Aborted before the call: nothing starts. */
  readonly signal?: AbortSignal
}

export interface PlanOptions extends CallOptions, Pick<PlanRequest, 'targets' | 'targetDependents' | 'excludes' | 'excludeDependents' | 'replace' | 'allowDeletes'> {
  /** What a refresh found: what differs from what the program asked for is brought back, also where the program did not change. */
  readonly refreshed?: RefreshDocument
}

export interface ChangeOptions extends PlanOptions {
  /** Default `revert`: what was not committed is taken back. */
  readonly onFailure?: ApplyOptions['onFailure']
  /** Aborted: running calls are told to end as well; what became of them is looked up by the next run. */
  readonly abort?: AbortSignal
}

export interface ImportOptions extends CallOptions {
  /** Also what belongs to somebody else, as far as its type can tell. */
  readonly adoptOther?: boolean
}

/** What an apply would do, of one target. It is applied once, and refused when the snapshot has moved on (HF2401). */
export interface EnginePlan {
  readonly target: string
  readonly document: PlanDocument
  /** Nothing would be done. */
  readonly empty: boolean
  /** For another process; needs a key (HF4301 when it is applied without). */
  text(): string
}

/** A plan as text, from `EnginePlan.text()`. */
export interface PlanText {
  readonly text: string
}

const planned = new WeakMap<EnginePlan, PlannedRun>()
/** One for each call: whoever listens to it goes with it. */
const never = (): AbortSignal => new AbortController().signal

/**
 * Founding contract 2: an engine made of who knows targets and who keeps snapshots.
 *
 * Always true: it keeps nothing between calls; every name is checked before anything is asked; nothing is changed before the snapshot provider has
 * marked that it may be; an outcome is persisted before anything that depends on it begins.
 */
export class Engine {
  readonly #targets: TargetProvider
  readonly #snapshots: SnapshotProvider
  readonly #around: Surroundings

  /** Fails HF1306. */
  constructor(parts: EngineParts) {
    checkParts(parts)
    this.#targets = parts.targets
    this.#snapshots = parts.snapshots
    this.#around = { clock: parts.clock ?? systemClock, parallelism: parts.parallelism, key: parts.key, home: parts.home, providers: parts.providers }
  }

  /**
   * Says what {@link apply} would do. Calls no provider of resources but for look-ups, and writes nothing; where a key is to be made, it is made.
   *
   * Fails    HF1305 the name, HF1306 an option, HF6011 the target, HF4011 and HF4002 the snapshot, HF1xxx the program, HF2xxx and HF5xxx the plan.
   * Costs    one reading of the snapshot, and a digest per node; what did not change is not looked at further.
   */
  async preview(name: string, program: AnyApp, o: PlanOptions = {}): Promise<EnginePlan> {
    checkTargetName(name)
    checkCall('preview', o)
    const target = await this.#target(name)
    const graph = graphFor(program, target)
    const snapshot = await this.#snapshot(name)
    try {
      const { cx } = await this.#open(snapshot, { target, program, create: true, holder: currentHolder(), o })
      return shown(name, await makePlan(cx, { graph, ...requestOf(o) }))
    } catch (e) {
      throw aboutKey(e)
    }
  }

  /**
   * Makes the target as the program, or as a plan of {@link preview}, says. What a dead run left is settled first.
   *
   * Gives    what became of it: `outcome`, and `error` with its code when it failed.
   * Durable  when it resolves. With the bracket of the run two writes of the snapshot provider, and two per change; none when there is nothing to do.
   * Fails    as {@link preview}; HF4204 while somebody else is at work; HF4006 when the run could not be marked. Nothing was changed then.
   */
  async apply(name: string, what: AnyApp | EnginePlan | PlanText, o: ChangeOptions = {}): Promise<RunDocument> {
    checkTargetName(name)
    checkCall('apply', o)
    if (isPlan(what)) checkForPlan(o as Readonly<Record<string, unknown>>)
    const target = await this.#target(name)
    if (!isPlan(what)) {
      const request: PlanRequest = { graph: graphFor(what, target), ...requestOf(o) }
      return this.#change({ target, program: what, create: true, o }, (session) => session.plan(request), (cx) => makePlan(cx, request))
    }
    const given = planned.get(what as EnginePlan)
    if (given && (what as EnginePlan).target !== name) throw failure('HF2402', { message: `The plan was made for ${(what as EnginePlan).target}, not for ${name}.` })
    const from = given ? given.plan : identityIn((what as PlanText).text)
    if (given) refuseDeletes(given, o.allowDeletes)
    const load = async (session: RunSession): Promise<PlannedRun> => {
      const run = given ?? await session.load({ text: (what as PlanText).text })
      refuseDeletes(run, o.allowDeletes)
      return run
    }
    return this.#change({ target, program: undefined, create: true, from, o }, load, given && (async () => given))
  }

  /** Deletes everything that the snapshot knows. Gives and fails as {@link apply}. */
  async destroy(name: string, o: ChangeOptions = {}): Promise<RunDocument> {
    checkTargetName(name)
    checkCall('destroy', o)
    const target = await this.#target(name)
    const request: PlanRequest = { graph: undefined, ...requestOf(o) }
    return this.#change({ target, program: undefined, create: false, o }, (session) => session.plan(request), (cx) => makePlan(cx, request))
  }

  /**
   * Reads every object and records what it finds as outputs, as a revision of its own; what is gone leaves the snapshot. Inputs stay what the program said;
   * `asked` names the nodes whose object is not what it asked for. No object is touched. Types that cannot read are left as they are.
   *
   * Durable  when it resolves: one revision, or nothing when nothing differs.
   * Fails    HF4101 while a run is open, HF2501 when more is gone than `allowDeletes`; whatever a read fails with. The snapshot is as it was then.
   * Costs    one `read` per object, side by side up to the limits of the types.
   */
  async refresh(name: string, o: CallOptions & { readonly allowDeletes?: number } = {}): Promise<RefreshDocument> {
    checkTargetName(name)
    checkCall('refresh', o)
    const target = await this.#target(name)
    const refresh = (session: RunSession) => session.refresh({ allowDeletes: o.allowDeletes }, { stop: o.signal ?? never() })
    return this.#mutate({ target, program: undefined, create: false, o }, {
      idle: (cx) => withRun(cx, o, async (session) => {
        const found = await refresh(session)
        return found.drifted.length === 0 ? found : undefined
      }),
      act: refresh,
      unkept: (_, e) => {
        throw e
      },
    })
  }

  /**
   * Takes objects that exist over into the snapshot: all of them or none. Nothing else is done; what differs from the program is left for the next apply.
   *
   * Takes    `objects`: the id of each object by the address of the node that is to have it, `{ 'web/box': 'i-123' }`; `program`: has those nodes.
   *          The types read the objects.
   * Gives    as {@link apply}; `unchanged` when every node has its object already.
   * Fails    HF2120 and HF2121 with every row that is not possible; else as {@link apply}.
   */
  async import(name: string, objects: Readonly<Record<string, string>>, program: AnyApp, o: ImportOptions = {}): Promise<RunDocument> {
    checkTargetName(name)
    checkCall('import', o)
    const target = await this.#target(name)
    const request: PlanRequest = { graph: graphFor(program, target), adopt: readAdoptRows(objects), adoptOther: o.adoptOther }
    return this.#change({ target, program, create: true, o }, (session) => session.plan(request), (cx) => makePlan(cx, request))
  }

  /**
   * Settles a change whose outcome only a person can tell, by that person's word: `id` as `open` of the snapshot has it.
   *
   * Gives    the transaction as it is now.
   * Fails    HF6003 when there is no such unsettled change, HF6007 when the way does not fit it; HF4204 as {@link apply}.
   */
  async settle(name: string, id: string, how: SettleHow, o: CallOptions = {}): Promise<Readonly<Record<string, unknown>>> {
    checkTargetName(name)
    checkCall('settle', o)
    checkSettle(id, how)
    const target = await this.#target(name)
    return this.#mutate({ target, program: undefined, create: false, o }, {
      idle: async (cx) => withRun(cx, o, (session) => session.settle(id, how)), // nothing is open: it says so
      act: (session) => session.settle(id, how),
      unkept: (_, e) => {
        throw e
      },
    })
  }

  async #target(name: string): Promise<Target> {
    const target = (await fromProvider(`getTarget(${JSON.stringify(name)})`, () => this.#targets.getTarget(name))) as Target | null | undefined
    if (target === undefined || target === null) throw new TargetNotFound(name)
    return checkTarget(name, target)
  }

  async #snapshot(name: string): Promise<Snapshot | undefined> {
    return checkSnapshot(name, await fromProvider(`getSnapshot(${JSON.stringify(name)})`, () => this.#snapshots.getSnapshot(name)))
  }

  #change(call: CallRequest, plan: (session: RunSession) => Promise<PlannedRun>, look?: (cx: EngineContext) => Promise<PlannedRun>): Promise<RunDocument> {
    const { o } = call
    const options: RunOptions = { onFailure: (o as ChangeOptions).onFailure ?? 'revert', stop: o.signal ?? never(), abort: (o as ChangeOptions).abort ?? never() }
    return this.#mutate(call, {
      // Nothing to do: said without a mark. The store of the call is thrown away, so that nothing it notes goes anywhere.
      idle: async (cx) => {
        const found = await look?.(cx)
        return found?.empty ? withRun(cx, o, (session) => session.apply(found, options)) : undefined
      },
      act: async (session) => session.apply(await plan(session), options),
      unkept: (doc, e) => ({ ...doc, outcome: 'incomplete', error: isFailure(e) ? e.toDocument() : { message: String(e) } }),
    })
  }

  async #mutate<T>(call: CallRequest, m: Mutating<T>): Promise<T> {
    try {
      return documentAboutKey(await this.#marked(call, m))
    } catch (e) {
      throw aboutKey(e)
    }
  }

  async #marked<T>(call: CallRequest, m: Mutating<T>): Promise<T> {
    const { name } = call.target
    const before = await this.#snapshot(name)
    if (!before || before.reliable) {
      const { cx } = await this.#open(before, { ...call, holder: currentHolder() })
      const idle = await m.idle({ ...cx, emit: () => undefined })
      if (idle !== undefined) return idle
    }
    const { holder, close } = openHolder()
    try {
      const run = await this.#begin(name, holder)
      // Read again: what was read before the mark may have been changed by whoever held it then.
      const opened = await this.#open(await this.#snapshot(name), { ...call, holder })
      return await this.#bracketed(name, opened, run, (cx) => withRun(cx, call.o, m.act), m.unkept)
    } finally {
      close()
    }
  }

  async #begin(name: string, holder: Holder): Promise<SnapshotMutation> {
    try {
      return asMutation(await this.#snapshots.beginMutation(name, undefined, holder))
    } catch (e) {
      throw isFailure(e) ? e : notKept(name, 'the run could not be marked, so it was not begun', e)
    }
  }

  async #bracketed<T>(target: string, opened: Opened, run: SnapshotMutation, act: (cx: EngineContext) => Promise<T>, unkept: (result: T, why: unknown) => T): Promise<T> {
    const { cx, store, intents, stray } = opened
    const brackets = new Brackets({ snapshots: this.#snapshots, target, by: cx.holder, store, env: cx.env.id, clock: cx.clock, run, intents })
    store.around = brackets
    let result: T
    try {
      result = await act(cx)
    } catch (e) {
      store.around = undefined
      await brackets.finish(stray).catch(() => undefined) // the first failure is the one to tell
      throw e
    }
    store.around = undefined
    try {
      await brackets.finish(stray)
    } catch (e) {
      return unkept(result, e)
    }
    return result
  }

  async #open(snapshot: Snapshot | undefined, call: CallRequest & { readonly holder: Holder }): Promise<Opened> {
    const { clock } = this.#around
    const { target, program, from, o } = call
    const opened = await openCall(snapshot, {
      clock, random: systemRandom, target: target.name, app: program?.name, from,
      context: (c) => makeContext(this.#around, { ...c, holder: call.holder, program, create: call.create, emit: quietly(o.onEvent) }),
    })
    for (const secret of (program?.secrets ?? from?.secrets ?? []) as readonly string[]) {
      const value = await fromProvider(`The reader of secrets of ${target.name}, asked for ${secret},`, () => target.secrets.get(secret), true)
      if (value !== undefined && typeof value !== 'string') throw failure('HF1306', { message: `The secret ${secret} that the target ${target.name} gave must be a text.` })
      if (value !== undefined) await setSecret(opened.cx, secret, value)
    }
    return opened
  }
}

/** A listener is told, and has no say: what it throws is shown by the process once, and harms no run. */
function quietly(onEvent: CallOptions['onEvent']): (e: EngineEvent) => void {
  if (!onEvent) return () => undefined
  let warned = false
  return (e) => {
    try {
      onEvent(e)
    } catch (error) {
      if (!warned) process.emitWarning(error instanceof Error ? error : String(error))
      warned = true
    }
  }
}

interface Mutating<T> {
  idle(cx: EngineContext): Promise<T | undefined>
  act(session: RunSession): Promise<T>
  unkept(result: T, why: unknown): T
}

type PlanOrigin = Pick<PlannedRun['plan'], 'store' | 'env' | 'app' | 'secrets'>

interface CallRequest {
  readonly target: Target
  readonly program: AnyApp | undefined
  readonly create: boolean
  /** What a plan was made for. */
  readonly from?: PlanOrigin | undefined
  readonly o: CallOptions
}

async function withRun<T>(cx: EngineContext, o: CallOptions & { readonly abort?: AbortSignal }, act: (session: RunSession) => Promise<T>): Promise<T> {
  const session = await beginRun(cx, { lockTimeoutMs: 0, stop: o.signal ?? never(), ...(o.abort ? { abort: o.abort } : {}) })
  try {
    return await act(session)
  } finally {
    await session.end()
  }
}

function requestOf(o: PlanOptions): Omit<PlanRequest, 'graph'> {
  const { targets, targetDependents, excludes, excludeDependents, replace, allowDeletes, refreshed } = o
  return {
    ...(targets ? { targets } : {}), ...(targetDependents ? { targetDependents } : {}), ...(excludes ? { excludes } : {}), ...(excludeDependents ? { excludeDependents } : {}),
    ...(replace ? { replace } : {}), ...(refreshed ? { repair: repairOf(refreshed) } : {}), allowDeletes,
  }
}

function shown(target: string, run: PlannedRun): EnginePlan {
  const plan: EnginePlan = { target, document: run.document, empty: run.empty, text: () => run.text() }
  planned.set(plan, run)
  return plan
}

const isPlan = (what: AnyApp | EnginePlan | PlanText): what is EnginePlan | PlanText =>
  typeof what === 'object' && what !== null && (planned.has(what as EnginePlan) || typeof (what as PlanText).text === 'string')

/** Who the plan says it was made for; whether that is true is checked when its MAC is. */
function identityIn(text: string): PlanOrigin | undefined {
  try {
    const { store, env, app, secrets = [] } = JSON.parse(text.split('\n', 2)[1] ?? '') as { store: unknown; env: unknown; app: unknown; secrets?: unknown }
    const texts = [store, env, app, ...(Array.isArray(secrets) ? secrets as unknown[] : [undefined])]
    return texts.every((t) => typeof t === 'string') ? { store, env, app, secrets } as PlanOrigin : undefined
  } catch {
    return undefined
  }
}
