import type { ExprNode } from '../model/index.ts'

/** Under this key an expression carries its data. A registered symbol: two copies of the package understand each other. */
export const EXPR: unique symbol = Symbol.for('holdfast.expr') as never

declare const VALUE: unique symbol

/** A value that is known at apply, or already: data, never code. `V` is what it will be. */
export interface Expr<out V> {
  /** Only for the compiler. */
  readonly [VALUE]: V
}

export type Prim = string | number | boolean | bigint | null | undefined | Uint8Array | Date

/** A reference of which nothing is known: every property may be asked for. */
export interface AnyRef extends Expr<any> {
  readonly [key: string]: any
}

/** A reference to an output: an {@link Expr} with the properties that the type declares. */
export type Ref<V> = unknown extends V ? AnyRef : Expr<V> & Below<NonNullable<V>>
type Below<V> =
  [V] extends [Prim] ? unknown
    : [V] extends [readonly (infer E)[]] ? { at(index: number): Ref<E> }
      : [V] extends [object] ? { readonly [K in keyof V]-?: Ref<V[K]> } : unknown

/** Anything that may stand where a `V` is wanted: the value, an expression, or a structure of both. */
export type Input<V> = V | Expr<V> | Deep<V>
type Deep<V> = V extends Prim ? never
  : V extends readonly (infer E)[] ? readonly Input<E>[]
    : V extends object ? { readonly [K in keyof V]: Input<V[K]> } : never

/** The inputs of a node, each a value or an expression. */
export type NodeInputs<I> = { readonly [K in keyof I]: Input<I[K]> }

/** What a value with expressions in it will be. */
export type Resolved<T> =
  unknown extends T ? any
    : T extends Expr<infer V> ? V
      : T extends Prim ? T
        : T extends readonly unknown[] ? { -readonly [K in keyof T]: Resolved<T[K]> }
          : T extends object ? { -readonly [K in keyof T]: Resolved<T[K]> } : T

/** A node: its outputs by name, and its address. */
export type Node<O> = Ref<O> & { readonly $path: string }

/** The data of an expression, or undefined when the value is none. */
export function exprOf(v: unknown): ExprNode | undefined {
  return typeof v === 'object' && v !== null ? (v as { [EXPR]?: ExprNode })[EXPR] : undefined
}
export const isExpr = (v: unknown): v is Expr<unknown> => exprOf(v) !== undefined
