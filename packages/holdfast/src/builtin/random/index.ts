/**
 * Values that are made once and kept: passwords, ids, names, numbers, orders.
 *
 * Always true: nothing stands outside the state; every value comes from the generator of the system, without bias, unless a seed is given; a new one comes only with changed inputs.
 * May import base, model, secret, provider, program.
 * @module
 */
import type { z } from 'zod'
import type { NodeOptions } from '../../model/index.ts'
import { resource, type Expr, type Node, type NodeInputs, type ResourceFn } from '../../program/index.ts'
import { idSpec, integerSpec, passwordSpec, petSpec, shuffleSpec, uuidSpec } from './types.ts'

const origin = (name: string) => ({ provider: `holdfast#random/${name}` })

/** `Id(name, { bytes?, keepers? })`: outputs `hex`, `base64url`, `dec`. */
export const Id = resource(idSpec, origin('Id'))
/** `Uuid(name, { keepers? })`: output `value`. */
export const Uuid = resource(uuidSpec, origin('Uuid'))
/** `Pet(name, { words?, separator?, prefix?, keepers? })`: output `value`, such as `brave-otter`. */
export const Pet = resource(petSpec, origin('Pet'))
/** `Integer(name, { min, max, seed?, keepers? })`: output `value`, both ends included. */
export const Integer = resource(integerSpec, origin('Integer'))
/** `Shuffle(name, { input, resultCount?, seed?, keepers? })`: output `value`, a list. */
export const Shuffle = resource(shuffleSpec, origin('Shuffle'))

/** The data that a secret opens: the node that holds it, or its path. */
export type BoundTo = string | Expr<string> | { readonly $path: string; readonly path: Expr<string> }
export interface PasswordOptions extends NodeOptions {
  /** The Directory (with `data`) that it opens: it goes to the trash with it, and comes back with it. */
  readonly boundTo?: BoundTo
}
type PasswordSpec = typeof passwordSpec
type PasswordInputs = PasswordSpec['inputs']
type PasswordOutputs = PasswordSpec['outputs']
type Given = Omit<NodeInputs<z.input<PasswordInputs>>, 'boundTo'> & { readonly boundTo?: BoundTo }
export interface PasswordFn extends Pick<ResourceFn<PasswordInputs, PasswordOutputs>, 'type' | 'spec'> {
  (name: string, inputs?: Given, options?: PasswordOptions): Node<z.output<PasswordOutputs>>
}

const password = resource(passwordSpec, origin('Password'))
/** `Password(name, { length?, lower?, upper?, digits?, symbols?, ..., boundTo? })`: output `value`, a secret. */
export const Password = Object.freeze(
  Object.assign(
    (name: string, inputs?: Given, options?: PasswordOptions) => {
      let given = inputs
      let rest: NodeOptions | undefined = options
      if (typeof options === 'object' && options !== null && 'boundTo' in options) {
        const { boundTo, ...others } = options
        rest = others
        if (boundTo !== undefined) given = { ...inputs, boundTo }
      }
      if (typeof given === 'object' && given !== null && given.boundTo !== undefined) given = { ...given, boundTo: pathOf(given.boundTo) }
      return password(name, given as NodeInputs<z.input<PasswordInputs>>, rest)
    },
    { type: password.type, spec: password.spec },
  ),
) as PasswordFn

/** Only a node knows its address; an output of one does not answer to it. */
const pathOf = (to: BoundTo): string | Expr<string> => (typeof to === 'object' && '$path' in to ? (to as { path: Expr<string> }).path : to)
