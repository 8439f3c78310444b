import { failure, isFailure, type FailureCode } from '../base/index.ts'
import { compare, differentAt, withStored, type PathDiff } from '../diff/index.ts'
import type { DesiredNode } from '../graph/index.ts'
import { firstUnknown, hasSecret, type Address, type Value } from '../model/index.ts'
import type { Host, ResourceType } from '../provider/index.ts'
import type { ResourceRow } from '../state/index.ts'
import { ask, callContext, openInputs, withDeadline, type CallTarget } from './call.ts'
import { predictedBy } from './asked.ts'
import { claimsOf, idField, idIn, receiveOutputs, rulesOf, timeoutsOf, type Fields } from './facts.ts'
import type { EnvState } from './state.ts'

/** An object that a change takes over. `other`: also when the type says that it is somebody else's. */
export interface Adopting {
  readonly id: string
  readonly other: boolean
}

/** What stands behind an id, as the plan saw it. */
export interface Adoption {
  readonly id: string
  readonly other: boolean
  readonly only: boolean
  readonly owner: 'mine' | 'other' | 'unknown'
  /** Undefined: it is read at apply, because inputs are not known before. */
  readonly outputs: Fields | undefined
  readonly paths: readonly PathDiff[]
  /** Inputs of which no output tells anything: they are taken to be as the program says. */
  readonly unseen: readonly string[]
  readonly claims: readonly string[]
}

/** Why an object cannot be taken over. */
export interface AdoptProblem {
  readonly address: Address
  readonly id: string
  readonly code: Extract<FailureCode, 'HF2120' | 'HF2121'>
  readonly message: string
}

export interface AdoptOptions {
  /** Objects to take over, by address, over what the nodes say. */
  readonly rows: ReadonlyMap<Address, string>
  readonly other: boolean
  /** Nothing else is done: what differs is left for the next apply. */
  readonly only: boolean
}

/**
 * Inputs of an object as far as its outputs tell: an output that bears the name of an input is what the object has. Where the type predicts that output
 * from what is wanted, and it is so, the input is as wanted (a path is written relative, and read absolute). What is known to differ, and not how, is left
 * out. What nothing tells is taken as wanted.
 */
export function foundInputs(type: ResourceType, wanted: Fields, outputs: Fields, host: Host): { readonly inputs: Fields; readonly differs: boolean; readonly unseen: readonly string[] } {
  const known = Object.fromEntries(Object.entries(wanted).filter(([, v]) => v !== undefined && !firstUnknown(v) && !hasSecret(v)))
  const predicted = predictedBy(type, known, host)
  const inputs: Record<string, Value | undefined> = { ...wanted }
  const unseen: string[] = []
  let differs = false
  for (const key of Object.keys(type.inputs.shape)) {
    const seen = outputs[key]
    if (seen === undefined) {
      if (wanted[key] !== undefined) unseen.push(key)
      continue
    }
    if (sameText(wanted[key], seen) || sameText(predicted[key] as Value | undefined, seen)) continue
    inputs[key] = seen
    differs = true
  }
  // A digest that is not what follows from an input tells that the input differs, and not what it is.
  for (const key of Object.keys(predicted)) {
    if (key in type.inputs.shape || outputs[key] === undefined || predicted[key] === undefined || sameText(predicted[key] as Value, outputs[key])) continue
    for (const from of derivedFrom(type, key)) {
      if (inputs[from] === undefined || outputs[from] !== undefined) continue
      delete inputs[from]
      differs = true
    }
  }
  return { inputs, differs, unseen: unseen.filter((k) => inputs[k] !== undefined) }
}

const derivedFrom = (type: ResourceType, output: string): readonly string[] =>
  Object.entries(type.derived ?? {}).flatMap(([path, from]) => (path.split('.')[0] === output ? from : []))

/** Equal, whether one of them is secret or not: an output may be sealed where the input is plain. */
const sameText = (a: Value | undefined, b: Value | undefined): boolean => a !== undefined && compare(a, b).length === 0

/** What `read` answered when it was asked for one id. Fails HF2120 when that is another object or none, HF2121 when it is somebody else's. */
export function foundObject(type: ResourceType, address: Address, adopting: Adopting, raw: unknown): Record<string, unknown> {
  const { owner, ...outputs } = (raw ?? {}) as Record<string, unknown> & { readonly owner?: unknown }
  if (raw === undefined || raw === null || idIn(outputs as Fields) !== adopting.id) throw failure('HF2120', { address, message: `${address}: ${type.type} finds no object ${adopting.id}.` })
  if (owner === 'other' && !adopting.other) throw failure('HF2121', { address, message: `${address}: ${adopting.id} belongs to somebody else.` })
  return outputs
}

const ownerIn = (raw: unknown): Adoption['owner'] => {
  const owner = (raw as { readonly owner?: unknown }).owner
  return owner === 'mine' || owner === 'other' ? owner : 'unknown'
}

/**
 * Looks at an object that a node is to take over, and says what would differ.
 *
 * Gives    the adoption, or why there can be none. Changes nothing.
 * Fails    with what the provider rejected the read with: that is no word about the object.
 */
export async function lookToAdopt(state: EnvState, node: DesiredNode, type: ResourceType, id: string, inputs: Fields, o: AdoptOptions): Promise<Adoption | AdoptProblem> {
  const { address, site } = node
  const no = (message: string, code: AdoptProblem['code'] = 'HF2120'): AdoptProblem => ({ address, id, code, message })
  const { read } = type
  const field = idField(type)
  if (!read) return no(`${type.type} cannot read an object, so none can be taken over`)
  if (field === undefined) return no(`${type.type} gives no id (an output id, arn or path)`)
  const adopting = { id, other: o.other }
  if (firstUnknown(inputs as Value)) {
    if (o.only) return no('its inputs are not known yet: take over what it refers to as well, or apply that first')
    return { ...adopting, only: o.only, owner: 'unknown', outputs: undefined, paths: [], unseen: [], claims: [] }
  }
  const target: CallTarget = { token: 'adopt', uid: address, ordinal: 0, epoch: 0, address, site, physicalName: undefined }
  const { storeId } = await state.cx.store.meta()
  const limit = { timeoutMs: timeoutsOf(node.options)?.read ?? type.timeoutMs }
  const answer = await withDeadline(state, limit, new AbortController().signal, (signal) => ask(state, address, site, signal, () =>
    read({ ...callContext(state, type, target, storeId, signal), inputs: openInputs(state, type, inputs, target) as never, outputs: { [field]: id } as never })))
  if (answer.kind === 'rejected') return no(`it cannot be read: ${answer.error.message}`)
  if (answer.kind !== 'applied') return no(`it cannot be read: ${answer.kind === 'unknown' ? answer.evidence : answer.message}`)
  let outputs: Fields
  try {
    outputs = receiveOutputs(type, foundObject(type, address, adopting, answer.raw), inputs, state.cx.ring, address, false)
  } catch (e) {
    if (!isFailure(e)) throw e
    return no(e.message.replace(/\.$/, '').replace(`${address}: `, ''), e.code === 'HF2121' ? 'HF2121' : 'HF2120')
  }
  const found = foundInputs(type, inputs, outputs, state.cx.host)
  // What is ignored stays as it is found.
  const wanted = node.options.ignore ? withStored(inputs, found.inputs, node.options.ignore) : inputs
  const paths = compare(found.inputs as Value, wanted as Value)
  const rules = rulesOf(type)
  const own = differentAt(found.inputs as Record<string, Value>, wanted as Record<string, Value>, node.options.replaceOn ?? [])
  const replacing = [...new Set([...paths.map((p) => p.path.split('.')[0] as string).filter((k) => !rules.updatable || rules.replaceOn.includes(k)), ...own.map((d) => d.path)])]
  if (replacing.length > 0) return no(`it differs in ${replacing.join(', ')}, which would need a new object`)
  return { ...adopting, only: o.only, owner: ownerIn(answer.raw), outputs, paths, unseen: found.unseen, claims: claimsOf(type, found.inputs, state.cx.host, node) ?? [] }
}

/** Finds out who has an object already: another node, one that leaves, or one that is still to be deleted. */
export class Owners {
  readonly #rows = new Map<string, ResourceRow[]>()
  readonly #wanted = new Map<string, Address>()

  constructor(state: EnvState) {
    for (const r of state.current.values()) {
      if (r.meta.physicalId === undefined) continue
      const key = `${r.type}\0${r.meta.physicalId}`
      this.#rows.set(key, [...(this.#rows.get(key) ?? []), r as ResourceRow])
    }
  }

  /** Why the node may not have it; undefined when it may. Asked once for each node. */
  problem(node: DesiredNode, row: ResourceRow | undefined, id: string): AdoptProblem | undefined {
    const key = `${node.type}\0${id}`
    const no = (message: string): AdoptProblem => ({ address: node.address, id, code: 'HF2120', message })
    const other = this.#wanted.get(key)
    if (other !== undefined) return no(`${other} takes it over, too`)
    this.#wanted.set(key, node.address)
    const owner = this.#rows.get(key)?.find((r) => r.uid !== row?.uid)
    if (!owner) return undefined
    return no(owner.status === 'deleting' ? 'it is still to be deleted, for an earlier run' : `${owner.address} has it already; to rename a node, say movedFrom`)
  }
}
