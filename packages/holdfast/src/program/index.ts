/**
 * What an author writes: app, component, resource, look-ups and expressions; and its evaluation into a desired graph.
 *
 * Always true: nothing runs at import; build() is synchronous and pure, and what it declares is data. Misuse fails with a code at the author's line.
 * May import base, model, secret, graph, provider.
 * @module
 */
export { app, environmentNames, isApp, type AnyApp, type App, type AppContext, type AppSpec } from './app.ts'
export { asset, sensitive, type AssetValue } from './asset.ts'
export { buildGraph, chooseEnvironment, type BuildRequest } from './build.ts'
export { component, type ComponentContext, type ComponentFn, type ComponentResult, type ComponentSpec, type Inside } from './component.ts'
export { declaredHook, forgetHooks, hook, type Hook, type HookContext, type HookFunction } from './hook.ts'
export { isExpr, type AnyRef, type Expr, type Input, type Node, type NodeInputs, type Prim, type Ref, type Resolved } from './expr.ts'
export {
  add, and, at, base64, coalesce, concat, duration, each, eq, get, hmac, join, json, keys, length, lower, max, merge, min, mul, not, or, replace, sha256, split, str, sub,
  trim, unbase64, upper, url, values, when, yaml, type UrlParts,
} from './functions.ts'
export { lookup, type LookupOptions } from './lookup.ts'
export { askPolicies, isPolicy, policy, type Policy, type PolicyFinding, type PolicyGraph, type PolicyNode, type Verdict } from './policy.ts'
export { isNode } from './reference.ts'
export { declaredTypes, forgetProgramTypes, resource, type NodeArgs, type ResourceFn, type ResourceOrigin } from './resource.ts'
export { mapSite, setSiteMapper, showSite } from './site.ts'
export { withoutSites } from './to-node.ts'
