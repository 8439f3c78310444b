/**
 * What `import ... from 'holdfast'` gives: the author's API.
 *
 * Always true: importing it runs nothing and opens nothing.
 * @module
 */
export { HoldfastError } from './base/index.ts'
export type { NodeOptions } from './model/index.ts'
export { notOurs, outcomeUnknown, refused, type CallContext, type CallKey, type Host, type Prior, type ResourceSpec } from './provider/index.ts'
export { app, asset, component, each, hook, lookup, policy, resource, sensitive } from './program/index.ts'
export {
  add, and, at, base64, coalesce, concat, duration, eq, get, hmac, join, json, keys, length, lower, max, merge, min, mul, not, or, replace, sha256, split, str, sub,
  trim, unbase64, upper, url, values, when, yaml,
} from './program/index.ts'
export type {
  AnyRef, App, AppContext, AppSpec, AssetValue, ComponentContext, ComponentFn, ComponentResult, ComponentSpec, Expr, Hook, HookContext, HookFunction, Input, LookupOptions, Node, NodeInputs, Policy, PolicyFinding, PolicyGraph, PolicyNode, Ref, Resolved,
  ResourceFn, UrlParts,
} from './program/index.ts'
export { Value, type ValueFn } from './builtin/value/index.ts'
export { defineProject, keyEnv, keyFile, sqlite, type Project, type ProjectOptions } from './project/index.ts'
