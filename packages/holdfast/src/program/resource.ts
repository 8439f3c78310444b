import type { z } from 'zod'
import { isFailure } from '../base/index.ts'
import { describeSchema, shapeOf, type NodeOptions } from '../model/index.ts'
import { completeType, type ResourceSpec, type ResourceType } from '../provider/index.ts'
import { declare } from './declare.ts'
import { forgetHooks } from './hook.ts'
import type { Node, NodeInputs } from './expr.ts'
import { makeNode } from './reference.ts'
import { failureAt } from './site.ts'

/** Arguments after the name; the inputs may be left out when none is needed. */
export type NodeArgs<I, P = NodeOptions> = {} extends I ? [inputs?: NodeInputs<I>, options?: P] : [inputs: NodeInputs<I>, options?: P]

/** A resource type: declares a node when it is called in build(). */
export interface ResourceFn<I extends z.ZodObject = z.ZodObject, O extends z.ZodObject = z.ZodObject> {
  (name: string, ...args: NodeArgs<z.input<I>>): Node<z.output<O>>
  readonly type: string
  readonly spec: ResourceSpec<I, O>
}

const TYPES = Symbol.for('holdfast.types')
const holder = globalThis as { [TYPES]?: Map<string, ResourceType> }
/** Shared by all copies of the package in the process. */
const types = (): Map<string, ResourceType> => (holder[TYPES] ??= new Map())

/** Every type that was declared in this process, of the program and of the packages it imports. */
export const declaredTypes = (): readonly ResourceType[] => [...types().values()]

/** Forgets the types and hooks that programs declared, so that another program may be loaded in this process. */
export function forgetProgramTypes(): void {
  for (const [name, t] of types()) if (t.provider.startsWith(PROGRAM)) types().delete(name)
  forgetHooks()
}
const PROGRAM = 'program#'

/** For types that come with a package. */
export interface ResourceOrigin {
  /** `package@version#export`. */
  readonly provider: string
}

/**
 * Declares a resource type.
 *
 * Fails HF1107 for a declaration that is not valid, HF1108 when the name is taken by another definition.
 */
export function resource<I extends z.ZodObject, O extends z.ZodObject>(spec: ResourceSpec<I, O>, origin?: ResourceOrigin): ResourceFn<I, O> {
  register(spec as unknown as ResourceSpec, origin)
  const inputs = shapeOf(spec.inputs, 'in')
  const outputs = shapeOf(spec.outputs)
  function node(name: string, given?: unknown, options?: unknown): Node<z.output<O>> {
    const address = declare({ type: spec.type, action: 'manage', name, inputs: given, options, shape: inputs, above: node })
    return makeNode(address, outputs) as unknown as Node<z.output<O>>
  }
  return Object.freeze(Object.assign(node, { type: spec.type, spec })) as unknown as ResourceFn<I, O>
}

function register(spec: ResourceSpec, origin: ResourceOrigin | undefined): void {
  let type: ResourceType
  try {
    type = completeType(spec, origin?.provider ?? `${PROGRAM}${(spec as { type?: unknown } | undefined)?.type}`)
  } catch (e) {
    if (isFailure(e)) throw failureAt(e.code, resource, { message: e.message, hint: e.hint })
    throw e
  }
  const taken = types().get(type.type)
  if (taken && owner(taken) !== owner(type)) throw failureAt('HF1108', resource, { message: `${type.type} is a type of ${nameOfProvider(taken)} already.` })
  if (taken && origin === undefined && definition(taken) !== definition(type)) throw failureAt('HF1108', resource, { message: `${type.type} is declared twice, with different definitions.` })
  types().set(type.type, type)
}

/** Whose type it is, whatever the version: two copies of a package may meet. */
const owner = (t: ResourceType): string => t.provider.replace(/@[^@/#]*#/, '#')
const nameOfProvider = (t: ResourceType): string => (t.provider.startsWith(PROGRAM) ? 'the program' : t.provider)

/** Text by which two declarations are told apart: a module that is loaded twice declares the same again. */
function definition(t: ResourceType): string {
  return Object.entries(t)
    .map(([k, v]) => `${k}=${k === 'inputs' || k === 'outputs' ? describeSchema(v as z.ZodType) : JSON.stringify(v, (_, x: unknown) => (typeof x === 'function' || typeof x === 'bigint' ? String(x) : x)) ?? String(v)}`)
    .sort().join('\n')
}
