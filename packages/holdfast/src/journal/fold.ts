import { assert, limits, mutant, unreachable } from '../base/index.ts'
import { runMayBecome, txMoves, type ChainRow, type EnvRow, type EventRow } from '../state/index.ts'
import { chainHash, compactedChain, newChain, type ChainedEvent } from './chain.ts'
import { checkEntries, OTHER_ENV, scopesOf } from './check.ts'
import { dropClaims, freeClaims, putClaim } from './claim-rows.ts'
import { dropComponent, dropReference, putComponent, putReference } from './component-rows.ts'
import { Edits } from './edits.ts'
import type { Entry } from './entry.ts'
import { closePart, openPart } from './part-rows.ts'
import { refusals } from './refusals.ts'
import { putRequest } from './request-rows.ts'
import { compactHistory, storeResource } from './resource-rows.ts'
import { GONE, referenceKey, under, type StoredResource, type Tables } from './tables.ts'
import { guardLone, storeTx } from './tx-rows.ts'

export interface FoldOptions {
  /** Environment whose `seq` moves and that the entries belong to. */
  readonly env: string
  /** Refused with HF4203 when the lease of `scope`, or of one of the others, is not at this fence. */
  readonly fence?: { readonly scope: string; readonly fence: number; readonly also?: readonly { readonly scope: string; readonly fence: number }[] | undefined } | undefined
  /** Refused with HF2401 when the environment is not at this seq (0: it does not exist yet). */
  readonly expectSeq?: number | undefined
}

/**
 * What a list of entries means. Changes the tables, all or nothing: after a failure they are as before.
 *
 * Gives  the `seq` of the commit; every row it touched is stamped with it.
 * Fails  HF4203, HF2401, HF2403, HF2404, HF4101, HF2105; a Bug for what the engine promised never to ask (an illegal move, a row that is not there).
 * Costs  in proportion to the entries, not to the tables.
 */
export function fold(tables: Tables, entries: readonly Entry[], options: FoldOptions): { readonly seq: number } {
  const change = new Change(tables, options)
  try {
    return change.run(entries)
  } catch (e) {
    change.takeBack()
    throw e
  }
}

class Change {
  private readonly t: Tables
  private readonly options: FoldOptions
  private readonly edits = new Edits()
  private seq = 0
  private readonly said: ChainedEvent[] = []

  constructor(tables: Tables, options: FoldOptions) {
    this.t = tables
    this.options = options
  }

  takeBack(): void {
    this.edits.takeBack()
  }

  run(entries: readonly Entry[]): { readonly seq: number } {
    const { env: id, fence, expectSeq } = this.options
    checkEntries(entries, id, scopesOf(fence))
    for (const f of fence ? [fence, ...(fence.also ?? [])] : []) if (!mutant('no-fence-check') && !holds(this.t, f)) throw refusals.fenceLost(f.scope)
    const before = this.t.envs.get(id)
    if (expectSeq !== undefined && (before?.seq ?? 0) !== expectSeq) throw refusals.stale(expectSeq, before?.seq ?? 0)
    this.seq = (before?.seq ?? 0) + 1
    if (before) this.edits.set(this.t.envs, id, { ...before, seq: this.seq })
    else {
      const first = entries[0]
      assert(first?.t === 'env.create' && first.row.id === id, `commit: there is no environment ${id}, and the first entry does not create it`)
    }
    for (const e of entries) this.apply(e)
    if (this.said.length > 0) {
      const chain = this.chain()
      this.edits.set(this.t.chains, id, { ...chain, seq: this.seq, hash: chainHash(chain.hash, id, this.seq, this.said) })
    }
    return { seq: this.seq }
  }

  private apply(e: Entry): void {
    const { t, edits } = this
    switch (e.t) {
      case 'env.create': {
        for (const other of t.envs.values()) {
          if (other.id === e.row.id || (other.app === e.row.app && other.name === e.row.name)) throw refusals.envExists(e.row.app, e.row.name)
        }
        edits.set(t.chains, e.row.id, newChain(e.row.id))
        return edits.set(t.envs, e.row.id, { ...e.row, seq: this.seq })
      }
      case 'env.commit': return this.commit(e)
      case 'env.open':
        return edits.set(t.envs, e.env, { ...this.env(), openRun: e.run })
      case 'part.open': return openPart(t, edits, this.env(), e.part)
      case 'part.close': return closePart(t, edits, this.env(), e.tag, e.to)
      case 'run.put': {
        const old = t.runs.get(e.row.id)
        assert(!old || runMayBecome(old.status, e.row.status), `run.put: ${e.row.id} cannot move from ${old?.status} to ${e.row.status}`)
        return edits.set(t.runs, e.row.id, e.row)
      }
      case 'plan.put':
        return edits.set(t.plans, e.row.id, e.row)
      case 'plan.use': {
        const plan = t.plans.get(e.id)
        if (!plan) throw refusals.planUnknown(e.id)
        if (plan.usedBy !== undefined && plan.usedBy !== e.run) throw refusals.planUsed(e.id, plan.usedBy)
        return edits.set(t.plans, e.id, { ...plan, usedBy: e.run })
      }
      case 'plan.approve': {
        const plan = t.plans.get(e.id)
        if (!plan) throw refusals.planUnknown(e.id)
        if (plan.usedBy !== undefined) throw refusals.planUsed(e.id, plan.usedBy)
        return edits.set(t.plans, e.id, { ...plan, approval: e.approval })
      }
      case 'tx.open':
        assert(!t.txs.has(e.row.token), `tx.open: ${e.row.token} exists already`)
        storeTx(t, edits, undefined, e.row)
        if (e.row.target.change !== undefined) guardLone(t, e.row, e.row.target.change)
        return
      case 'tx.move': {
        const old = t.txs.get(e.token)
        assert(old, `tx.move: there is no transaction ${e.token}`)
        assert(old.env === this.options.env, `tx.move: ${OTHER_ENV}`)
        assert((txMoves[old.status] as readonly string[]).includes(e.to), `tx.move: ${e.token} cannot move from ${old.status} to ${e.to}`)
        return storeTx(t, edits, old, { ...old, ...e.set, status: e.to })
      }
      case 'resource.put': return this.putResource(e)
      case 'resource.until': {
        const old = t.resources.get(e.uid)?.get(e.since)
        assert(old && old.row.env === this.options.env, `resource.until: there is no row ${e.uid} since ${e.since}`)
        return storeResource(t, edits, old, { row: { ...old.row, until: e.until, seq: this.seq }, docs: old.docs })
      }
      case 'resource.drop': {
        const old = t.resources.get(e.uid)?.get(e.since)
        if (old && old.row.env === this.options.env) storeResource(t, edits, old, undefined)
        return
      }
      case 'claim.put': return putClaim(t, edits, e.row)
      case 'claim.drop': return dropClaims(t, edits, this.options.env, e.uid, e.key)
      case 'task.put': return edits.set(under(t.tasks, e.row.run, () => new Map()), e.row.id, e.row)
      case 'outputs.put':
        return edits.set(under(t.outputs, e.row.env, () => new Map()), e.row.since, e.row)
      case 'secret.put':
        return edits.set(under(t.secrets, e.row.env, () => new Map()), e.row.name, e.row)
      case 'secret.drop':
        return edits.drop(under(t.secrets, e.env, () => new Map()), e.name)
      case 'trash.put':
        return edits.set(t.trash, e.row.id, e.row)
      case 'trash.drop': return edits.drop(t.trash, e.id)
      case 'env.drop': return this.dropEnv()
      case 'component.put': return putComponent(t, edits, e.row)
      case 'component.drop': return dropComponent(t, edits, this.options.env, e.uid)
      case 'reference.put': return putReference(t, edits, e.row)
      case 'reference.drop': return dropReference(t, edits, referenceKey(e))
      case 'resolved.put': return edits.set(t.resolved, e.row.uid, e.row)
      case 'resolved.drop': {
        if (t.resolved.get(e.uid)?.env === e.env) edits.drop(t.resolved, e.uid)
        return
      }
      case 'request.put': return putRequest(t, edits, e.row)
      case 'meta.keyCheck': {
        const old = t.meta
        t.meta = { ...old, keyCheck: e.value }
        edits.made(() => { t.meta = old })
        return
      }
      case 'event': {
        const list = under(t.events, this.options.env, () => [])
        list.push({ env: this.options.env, seq: this.seq, n: this.said.length, at: e.at, kind: e.kind, data: e.data })
        this.said.push([e.at, e.kind, e.data])
        edits.made(() => { list.pop() })
        return
      }
      case 'events.compact': {
        const upTo = Math.min(e.upTo, this.seq - 1)
        const list = t.events.get(e.env) ?? []
        const kept = list.filter((v) => v.seq > upTo)
        edits.set(t.chains, e.env, compactedChain(this.chain(), upTo, list.slice(0, list.length - kept.length)))
        return edits.set<string, EventRow[]>(t.events, e.env, kept)
      }
      default: return unreachable(e, 'fold')
    }
  }

  private commit(e: Extract<Entry, { t: 'env.commit' }>): void {
    const { t, edits } = this
    const env = this.env()
    if (env.revision !== e.from) throw refusals.revisionMoved(e.from, env.revision)
    edits.set(t.envs, env.id, { ...env, revision: e.to, partial: e.partial })
    freeClaims(t, edits, env.id, e.to)
    compactHistory(t, edits, env.id, e.to - limits.historyRevisions)
  }

  private putResource(e: Extract<Entry, { t: 'resource.put' }>): void {
    const old = this.t.resources.get(e.row.uid)?.get(e.row.since)
    assert(e.docs || old, `resource.put: ${e.row.address} comes without documents, and there is no row since ${e.row.since}`)
    storeResource(this.t, this.edits, old, { row: { ...e.row, seq: this.seq }, docs: e.docs ?? (old as StoredResource).docs })
  }

  private dropEnv(): void {
    const { t } = this
    const env = this.env()
    const name = env.app.startsWith('/') ? env.name : `${env.app}/${env.name}`
    const inUse = (by: string) => refusals.stateInUse(name, by)
    for (const uid of t.uidsOf.get(env.id) ?? []) for (const { row } of t.resources.get(uid)?.values() ?? []) if (row.until === undefined) throw inUse('it has resources')
    if (t.componentAt.get(env.id)?.size) throw inUse('it has components')
    for (const other of t.envs.values()) if (other.app === `/${env.id}`) throw inUse('it has children')
    for (const token of t.unresolvedOf.values()) if (t.txs.get(token)?.env === env.id) throw inUse('it has changes that are not settled')
    this.edits.set(t.envs, env.id, { ...env, app: GONE, name: env.id })
  }

  private chain(): ChainRow {
    return this.t.chains.get(this.options.env) as ChainRow
  }

  private env(): EnvRow {
    return this.t.envs.get(this.options.env) as EnvRow
  }
}

/** The lease is held at this fence, in a mode that may change something. */
const holds = (t: Tables, { scope, fence }: { readonly scope: string; readonly fence: number }): boolean =>
  t.leases.get(scope)?.fence === fence || t.leases.get(`${scope} ${fence}`)?.mode === 'IX'
