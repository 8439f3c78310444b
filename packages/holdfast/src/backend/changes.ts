import { completeLone, dropLone, failLone, loneRun, openLone, type Entry, type LoneChange } from '../journal/index.ts'
import type { EnvRow, ResourceDocs, ResourceRow, TxRow } from '../state/index.ts'
import { unresolved } from '../state/index.ts'
import { conflict, oldEvents } from '../store/index.ts'
import { checkOutput, checkResolved, checkTexts, checkToPrevious, storable } from './check.ts'
import type { RequestContext } from './contract.ts'
import {
  ComponentBusy, ComponentDoesNotExist, InvalidDifference, OutputsRequired, PermissionDenied, ResourceAlreadyExists, ResourceBusy, ResourceChangeTransactionDoesNotExist, ResourceDoesNotExist,
  ResourceReferenceError, StaleBase, TransactionAlreadyCompleted, TransactionMismatch,
} from './errors.ts'
import type { CloudOutput, ResourceDifference, ResourceModel } from './models.ts'
import { addressOf, checkedName, componentOf, nameIn, namespaceToken, scopeOf, seedOf, stateName } from './names.ts'
import { demand, type Action } from './permit.ts'
import { callerOf, componentExists, demandComponent, docsOf, stateOf, type ChangeDoc } from './reader.ts'
import type { Session } from './session.ts'
import { attributesOf, decode, digestOf, encode, keepSecrets, tagsOf } from './values.ts'

/** `provider` of rows that no type of a program made. */
const PROVIDER = 'holdfast/backend'

/** Both sides of a difference, checked. Fails InvalidDifference. */
function sides(diff: ResourceDifference): { readonly previous: ResourceModel | undefined; readonly next: ResourceModel | undefined } {
  const bad = (why: string) => new InvalidDifference(`The difference of a resource is not well formed: ${why}.`)
  if (typeof diff !== 'object' || diff === null) throw bad('it is no object')
  const { actionType, previousResource: previous, newResource: next } = diff
  if (!['CREATE', 'UPDATE_IDENTITY', 'UPDATE_NAME', 'DELETE'].includes(actionType)) throw bad(`${String(actionType)} is no action`)
  if ((actionType === 'CREATE') !== (previous === undefined || previous === null)) throw bad('CREATE has no previous resource, and the others have one')
  if ((actionType === 'DELETE') !== (next === undefined || next === null)) throw bad('DELETE has no new resource, and the others have one')
  const checked = (model: ResourceModel | null | undefined): ResourceModel | undefined => {
    if (!model) return undefined
    const name = checkedName('The name of a resource', model.name)
    for (const field of ['ruuid', 'hash'] as const) if (typeof model[field] !== 'string' || model[field] === '' || !storable(model[field])) throw bad(`\`${field}\` must be a text, without NUL and without half characters`)
    return name === model.name ? model : { ...model, name }
  }
  const out = { previous: checked(previous), next: checked(next) }
  if (previous && next && previous.ruuid !== next.ruuid) throw bad('a resource cannot change its type; delete it and create another')
  return out
}

/** What tells one difference from another: names, types, hashes, and what is new. */
function digestOfDiff(s: Session, diff: ResourceDifference): string {
  const { previous, next } = sides(diff)
  return digestOf([diff.actionType, previous ? [previous.name, previous.ruuid, previous.hash] : null, next ? [next.name, next.ruuid, next.hash, attributesOf(next)] : null], () => s.ringToSeal())
}

const ops = { CREATE: 'create', UPDATE_IDENTITY: 'update', UPDATE_NAME: 'update', DELETE: 'delete' } as const
export const actions = { CREATE: 'resource:create', UPDATE_IDENTITY: 'resource:update', UPDATE_NAME: 'resource:rename', DELETE: 'resource:delete' } as const satisfies Record<string, Action>

/** `component` absent: what is asked for reaches beyond one. */
export function refuseOpenRun(env: EnvRow, component?: string): void {
  const wish = { scope: scopeOf(env, component), mode: 'X' as const }
  const run = env.openRun ?? env.parts?.find((p) => p.scopes.some((scope) => conflict(wish, { scope, mode: 'X' })))?.run
  if (run === undefined) return
  throw new ComponentBusy(`${stateName(env)} has a run that is neither committed nor taken back: ${run}.`, 'Run `holdfast apply`, `holdfast run resume` or `holdfast run revert` first.', [], { details: { run } })
}

const busy = (row: Pick<TxRow, 'token' | 'address'>) =>
  new ResourceBusy(`${row.address} has a change that is not settled: ${row.token}.`, undefined, [], { details: { transactionToken: row.token } })

/** The name of a difference is that of the component, or the one it is about to get. One that another component has is a mix-up. Fails InvalidDifference. */
async function refuseMixUp(s: Session, env: EnvRow, component: string, named: unknown): Promise<void> {
  if (named === undefined || named === null || named === component) return
  const bad = (why: string) => new InvalidDifference(`The difference of a resource is not well formed: ${why}.`)
  if (typeof named !== 'string' || !storable(named)) throw bad('componentName must be a text')
  if (named.normalize('NFC') !== component && await componentExists(s, env, named.normalize('NFC'))) throw bad(`its componentName is ${named}, and the call is about ${component}`)
}

export async function openChange(s: Session, stateUuid: string, componentName: string, diff: ResourceDifference, ctx: RequestContext | undefined, note: (answer: [string, string]) => Entry[]): Promise<[string, string]> {
  const env = await stateOf(s, stateUuid)
  checkTexts({ component: componentName })
  const component = await demandComponent(s, env, componentName)
  const { previous, next } = sides(diff)
  await refuseMixUp(s, env, componentName, diff.componentName)
  refuseOpenRun(env, componentName)
  const type = (next ?? previous as ResourceModel).ruuid
  const address = addressOf(componentName, (previous ?? next as ResourceModel).name)
  const nextAddress = next && addressOf(componentName, next.name)
  const creating = `${env.id} ${type} ${nextAddress ?? address}`
  if (s.shared.creating.has(creating)) throw new ResourceBusy(`${address} has a change that is being opened.`)
  s.shared.creating.add(creating)
  try {
    // What ends between the two looks is caught when the change is opened: its base is checked again there.
    const row = (await s.store.find(env.id, 'committed', { address })).find((r) => r.type === type)
    await refuseBusy(s, env, type, row, address, nextAddress)
    if (diff.actionType === 'CREATE') {
      if (row) throw new ResourceAlreadyExists(`${componentName} has a ${type} called ${nameIn(address)} already.`)
    } else {
      if (!row) throw new ResourceDoesNotExist(`${componentName} has no ${type} called ${nameIn(address)}.`)
      if (row.fingerprint !== (previous as ResourceModel).hash) {
        throw new StaleBase(`${address} has the hash ${row.fingerprint}, and the difference was made for ${(previous as ResourceModel).hash}.`, undefined, [], { details: { hash: row.fingerprint } })
      }
      if (nextAddress !== undefined && nextAddress !== address && (await s.store.find(env.id, 'committed', { address: nextAddress })).some((r) => r.type === type)) {
        throw new ResourceAlreadyExists(`${componentName} has a ${type} called ${nameIn(nextAddress)} already.`)
      }
    }
    if (diff.actionType === 'DELETE') await refuseNeeded(s, env, row as ResourceRow)
    await demand(s.permit, ctx, actions[diff.actionType], { state: stateName(env), component: componentName, ruuid: type, name: nameIn(nextAddress ?? address), tags: next ? tagsOf(next) : (row as ResourceRow).meta.tags })
    return await recordIntent(s, env, componentName, seedOf(component, componentName), diff, row, ctx, note)
  } finally {
    s.shared.creating.delete(creating)
  }
}

/** One change of a resource at a time; of one that is only being created, too. */
async function refuseBusy(s: Session, env: EnvRow, type: string, row: ResourceRow | undefined, address: string, nextAddress: string | undefined): Promise<void> {
  if (row) {
    const [open] = await s.store.txs({ unresolved: true, uid: row.uid })
    if (open) throw busy(open)
  }
  if (row && (nextAddress === undefined || nextAddress === address)) return
  for (const tx of await s.store.txs({ env: env.id, unresolved: true })) {
    const becomes = tx.target.row?.address
    if (tx.type === type && (tx.address === address || becomes === address || (nextAddress !== undefined && becomes === nextAddress))) throw busy(tx)
  }
}

async function refuseNeeded(s: Session, env: EnvRow, row: ResourceRow): Promise<void> {
  if (row.meta.protect) throw new PermissionDenied(`${row.address} is protected.`, 'Remove `protect` from it first.')
  const referrers = (await s.store.references({ targetUid: row.uid })).map((r) => r.component)
  if (referrers.length > 0) {
    const names = new Map<string, string>()
    for (const e of new Set((await s.store.references({ targetUid: row.uid })).map((r) => r.env))) for (const c of await s.store.components(e)) names.set(c.uid, c.name)
    const shown = referrers.map((uid) => names.get(uid) ?? uid).sort()
    throw new ResourceReferenceError(`${row.address} is used by ${shown.join(', ')}.`, undefined, [], { details: { referrers: shown } })
  }
  // What a program made may be read by other nodes of it; nothing depends on what came through here.
  if (row.meta.provider === PROVIDER) return
  const needs = (await s.store.resources(env.id, 'committed')).filter((r) => r.meta.deps.includes(row.address)).map((r) => r.address)
  if (needs.length > 0) throw new ResourceReferenceError(`${row.address} is used by ${needs.join(', ')}.`, undefined, [], { details: { referrers: needs } })
}

async function recordIntent(s: Session, env: EnvRow, componentName: string, seed: string, diff: ResourceDifference, old: ResourceRow | undefined, ctx: RequestContext | undefined, note: (answer: [string, string]) => Entry[]): Promise<[string, string]> {
  const { previous, next } = sides(diff)
  const token = s.ids.next('t')
  const uid = old?.uid ?? s.ids.next('u')
  const type = (next ?? previous as ResourceModel).ruuid
  const now = s.clock.now()
  const entries: Entry[] = []
  const ring = () => s.ringToSeal(entries)
  const [prior] = old ? await docsOf(s, [old]) : []
  const address = addressOf(componentName, (previous ?? next as ResourceModel).name)
  let row: Omit<ResourceRow, 'seq'> | undefined
  let inputs = prior?.inputs ?? '{}'
  if (next) {
    inputs = encode(keepSecrets(attributesOf(next), prior && decode(uid, type, 'inputs', prior.inputs, s.ring)), { uid, type, field: 'inputs', token }, ring)
    const meta = old?.meta ?? { typeVersion: 1, provider: PROVIDER, deps: [], claims: [], protect: false, retain: false, tags: {} }
    row = {
      env: env.id, uid, address: addressOf(componentName, next.name), type, since: env.revision + 1, until: undefined, status: 'ready', ordinal: old?.ordinal ?? 1, fingerprint: next.hash,
      shape: old && old.fingerprint === next.hash ? old.shape : next.hash, meta: { ...meta, tags: tagsOf(next) },
    }
  }
  const change: ChangeDoc = {
    action: diff.actionType, owner: callerOf(s, ctx),
    ...(previous ? { previous: { name: previous.name, hash: previous.hash } } : {}),
  }
  const tx: TxRow = {
    token, env: env.id, run: loneRun(token), task: address, uid, address, type, op: ops[diff.actionType], status: 'sent', applied: undefined, undo: false, ordinal: old?.ordinal ?? 1, epoch: 0, attempts: 1,
    payloadDigest: digestOfDiff(s, diff), capability: {}, fence: s.fenceOf(env, componentName), openedAt: now, firstSentAt: now, lastSentAt: now, endedAt: undefined, evidence: undefined,
    target: { ...(row ? { row } : {}), inputs, ...(prior ? { prior } : {}), change: JSON.stringify(change) },
  }
  const answer: [string, string] = [token, namespaceToken(s.meta.storeId, env.id, seed, type)]
  await s.commit(env, [...entries, ...openLone(changeOf(s, env, tx)), ...note(answer)], { opens: token, ctx, component: componentName })
  return answer
}

const changeOf = (s: Session, env: EnvRow, tx: TxRow): LoneChange => ({ tx, env, holder: s.holder, now: s.clock.now() })

/** A transaction that is still open. Fails ResourceChangeTransactionDoesNotExist. */
async function openTx(s: Session, env: EnvRow, token: string): Promise<TxRow> {
  checkTexts({ transactionToken: token })
  const tx = await s.store.tx(token)
  if (!tx || tx.env !== env.id) throw new ResourceChangeTransactionDoesNotExist(`There is no change transaction ${token} in ${stateName(env)}.`)
  if (tx.status === 'completed') throw new TransactionAlreadyCompleted(`The change transaction ${token} was completed already.`)
  if (tx.status !== 'open' && tx.status !== 'sent') throw new ResourceChangeTransactionDoesNotExist(`The change transaction ${token} is not open any more: it is ${tx.status}.`)
  return tx
}

/** What a call about an open transaction has to fit. */
async function ownTx(s: Session, env: EnvRow, componentName: string, diff: ResourceDifference, token: string): Promise<TxRow> {
  checkTexts({ component: componentName })
  const tx = await openTx(s, env, token)
  if (!(await componentExists(s, env, componentName))) throw new ComponentDoesNotExist(`${stateName(env)} has no component ${componentName}.`)
  if (componentOf(tx.address) !== componentName || tx.target.change === undefined || tx.payloadDigest !== digestOfDiff(s, diff)) {
    throw new TransactionMismatch(`The difference is not the one that ${token} was opened with.`, undefined, [], { details: { transactionToken: token } })
  }
  return tx
}

export async function completeChange(
  s: Session, stateUuid: string, componentName: string, diff: ResourceDifference, token: string, output: CloudOutput | undefined, resolved: Readonly<Record<string, unknown>>, ctx: RequestContext | undefined, note: () => Entry[],
): Promise<void> {
  const env = await stateOf(s, stateUuid)
  const tx = await ownTx(s, env, componentName, diff, token)
  checkOutput(output)
  await finish(s, env, tx, output, resolved ?? {}, undefined, ctx, note)
}

/** The change becomes true: outputs, resolved values, row, revision and the end of the transaction in one commit. */
async function finish(
  s: Session, env: EnvRow, tx: TxRow, output: CloudOutput | undefined, resolved: Readonly<Record<string, unknown>>, evidence: string | undefined, ctx: RequestContext | undefined, note: () => Entry[],
): Promise<void> {
  checkResolved(resolved)
  // What a change of ours is to make has no row before it completes.
  const makes = tx.op === 'create' && tx.target.change !== undefined
  const old = makes ? undefined : (await s.store.find(env.id, 'current', { address: tx.address })).find((r) => r.uid === tx.uid)
  const extra: Entry[] = []
  const put = putOf(s, tx, output, extra)
  if (put && Object.keys(resolved).length > 0) {
    extra.push({ t: 'resolved.put', row: { env: env.id, uid: tx.uid, doc: encode(resolved, { uid: tx.uid, type: tx.type, field: 'resolved', token: tx.token }, () => s.ringToSeal(extra)) } })
  } else if (put && old) extra.push({ t: 'resolved.drop', env: env.id, uid: tx.uid })
  if (put && old && put.row.address !== old.address) for (const r of await s.store.references({ targetUid: tx.uid })) if (r.env === env.id) extra.push({ t: 'reference.put', row: { ...r, address: put.row.address } })
  if (s.everySoOften()) extra.push(...(await oldEvents(s.store, env, s.clock.now())))
  const build = (at: EnvRow): Entry[] => [...completeLone(changeOf(s, at, tx), { old, put, evidence }), ...extra, ...note()]
  await s.advance(env, build, { ends: tx.token, ctx, component: componentOf(tx.address) })
}

function putOf(s: Session, tx: TxRow, output: CloudOutput | undefined, extra: Entry[]): { readonly row: Omit<ResourceRow, 'seq'>; readonly docs: ResourceDocs } | undefined {
  const { row, inputs, prior } = tx.target
  if (!row || tx.op === 'delete') return undefined
  const at = { uid: tx.uid, type: tx.type, field: 'outputs' as const, token: tx.token }
  const before = prior && decode(tx.uid, tx.type, 'outputs', prior.outputs, s.ring)
  const { noOutputs: _none, ...meta } = row.meta
  // Without outputs, those of the resource before the change stand.
  const none = output === undefined || output === null ? (prior ? row.meta.noOutputs === true : true) : false
  const outputs = output === undefined || output === null ? (prior?.outputs ?? '{}') : encode(keepSecrets(output, before), at, () => s.ringToSeal(extra))
  return { row: { ...row, meta: { ...meta, ...(none ? { noOutputs: true } : {}) } }, docs: { inputs, outputs } }
}

export async function failChange(s: Session, stateUuid: string, componentName: string, diff: ResourceDifference, token: string, failedState: unknown, ctx: RequestContext | undefined, note: () => Entry[]): Promise<void> {
  const env = await stateOf(s, stateUuid)
  const tx = await ownTx(s, env, componentName, diff, token)
  await demand(s.permit, ctx, 'tx:fail', { state: stateName(env), component: componentName, ruuid: tx.type, name: nameIn(tx.address) })
  const extra: Entry[] = []
  const failed = encodeFailed(s, tx, failedState, extra)
  const unknown = (failedState as { readonly outcome?: unknown } | null | undefined)?.outcome === 'unknown'
  await s.commit(env, [...extra, ...failLone(changeOf(s, env, tx), unknown ? 'unknown' : 'failed', 'its caller said that it failed', failed), ...note()], { ends: token, ctx, component: componentName })
}

const encodeFailed = (s: Session, tx: TxRow, failedState: unknown, extra: Entry[]): string =>
  encode(failedState === undefined ? null : failedState, { uid: tx.uid, type: tx.type, field: 'failed', token: tx.token }, () => s.ringToSeal(extra))

/** A change that failed, or whose outcome is unknown. Fails ResourceChangeTransactionDoesNotExist. */
async function failedTx(s: Session, env: EnvRow, token: string): Promise<TxRow> {
  checkTexts({ transactionToken: token })
  const tx = await s.store.tx(token)
  if (!tx || tx.env !== env.id || !unresolved(tx) || (tx.status !== 'failed' && tx.status !== 'unknown')) {
    throw new ResourceChangeTransactionDoesNotExist(`There is no failed change transaction ${token} in ${stateName(env)}.`)
  }
  return tx
}

const aboutTx = (env: EnvRow, tx: TxRow) => ({ state: stateName(env), component: componentOf(tx.address), ruuid: tx.type, name: nameIn(tx.address) })

export async function amendChange(s: Session, stateUuid: string, token: string, failedState: unknown, ctx: RequestContext | undefined, note: () => Entry[]): Promise<void> {
  const env = await stateOf(s, stateUuid)
  const tx = await failedTx(s, env, token)
  await demand(s.permit, ctx, 'tx:fail', aboutTx(env, tx))
  const extra: Entry[] = []
  const target = { ...tx.target, failed: encodeFailed(s, tx, failedState, extra) }
  await s.commit(env, [...extra, { t: 'tx.move', token, to: tx.status, set: { target } }, ...note()], { ctx, component: componentOf(tx.address) })
}

export async function recoverChange(s: Session, stateUuid: string, token: string, toPrevious: boolean, output: CloudOutput | undefined, ctx: RequestContext | undefined, note: () => Entry[]): Promise<void> {
  const env = await stateOf(s, stateUuid)
  checkToPrevious(toPrevious)
  checkOutput(output)
  const tx = await failedTx(s, env, token)
  const component = componentOf(tx.address)
  if (!(await componentExists(s, env, component))) throw new ComponentDoesNotExist(`${stateName(env)} has no component ${component}.`)
  await demand(s.permit, ctx, 'tx:recover', aboutTx(env, tx))
  const evidence = `${callerOf(s, ctx)} says that it ${toPrevious ? 'did not happen' : 'happened'}`
  if (toPrevious) {
    await s.commit(env, [...dropLone(changeOf(s, env, tx), 'previous', evidence), ...note()], { ctx, component })
    return
  }
  if (tx.op !== 'delete') {
    const given = output ?? (tx.target.prior && decode(tx.uid, tx.type, 'outputs', tx.target.prior.outputs, s.ring) as CloudOutput) ?? {}
    const missing = (s.requiredOutputs[tx.type] ?? []).filter((key) => !Object.hasOwn(given, key))
    if (missing.length > 0) throw new OutputsRequired(`${tx.address} becomes what it was to be only with its outputs: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing.`, undefined, [], { details: { missing } })
  }
  await finish(s, env, tx, output, {}, evidence, ctx, note)
}

export async function removeChange(s: Session, stateUuid: string, token: string, ctx: RequestContext | undefined, note: () => Entry[]): Promise<void> {
  const env = await stateOf(s, stateUuid)
  const tx = await failedTx(s, env, token)
  await demand(s.permit, ctx, 'tx:abandon', aboutTx(env, tx))
  await s.commit(env, [...dropLone(changeOf(s, env, tx), 'abandoned', `given up by ${callerOf(s, ctx)}; what it left behind is nobody's`), ...note()], { ctx, component: componentOf(tx.address) })
}
