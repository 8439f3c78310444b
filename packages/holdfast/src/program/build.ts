import { failure, isFailure, type Site } from '../base/index.ts'
import { topologicalOrder, type DesiredGraph, type DesiredNode } from '../graph/index.ts'
import { leafShape, type Address, type ExprNode, type ResolvedOptions } from '../model/index.ts'
import { environmentNames, placeOf, type AnyApp } from './app.ts'
import { compareBuilds, NodesBeside } from './compare.ts'
import { readConfig } from './config.ts'
import { isExpr, type Expr } from './expr.ts'
import { nothingInherited } from './options.ts'
import { isNode, makeExpr } from './reference.ts'
import { runBuild } from './run-build.ts'
import { within, type Build, type DeclaredNode } from './scope.ts'
import { failureAt, mapSite } from './site.ts'
import { collectRefs, toNode } from './to-node.ts'

export interface BuildRequest {
  /** May be left out when the app has one. */
  readonly env?: string | undefined
  /** Values of `--set`, over those of the environment. */
  readonly config?: Readonly<Record<string, unknown>> | undefined
  /** Default true: build() is called twice and must declare the same. */
  readonly checkPurity?: boolean
}

/** A finished build: what was declared, and what build() returned. */
export interface BuildResult extends Build {
  readonly outputs: ExprNode
}

/**
 * Runs the program and gives what it asks for.
 *
 * Fails    HF1301 configuration, HF1302 and HF1303 environment, HF1101 to HF1109 and HF1201 to HF1208 misuse, HF1105 when two builds differ,
 *          HF2101 circle, HF2103 reference to a node that is not in this build.
 * Costs    two builds and one walk over both: about 0.1 s for 10,000 small nodes, of which a third is noting where each was declared.
 */
export function buildGraph(app: AnyApp, request: BuildRequest = {}): DesiredGraph {
  const env = chooseEnvironment(app, request.env)
  const first = runApp(app, env, request.config, { noteSites: true, nodes: new Map() })
  if (request.checkPurity !== false) compareBuilds(first, again(app, env, request.config, first))
  return finish(app, env, first)
}

/** The environment that is meant. Fails HF1302, HF1303. */
export function chooseEnvironment(app: AnyApp, env: string | undefined): string {
  const names = environmentNames(app)
  if (env === undefined) {
    const [only] = names
    if (names.length === 1 && only !== undefined) return only
    throw failure('HF1303', { message: `${app.name} has several environments: ${names.join(', ')}.` })
  }
  if (names.includes(env)) return env
  throw failure('HF1302', { message: `${app.name} has no environment ${JSON.stringify(env)}. It has: ${names.join(', ')}.` })
}

function runApp(app: AnyApp, env: string, set: BuildRequest['config'], how: Pick<Build, 'noteSites' | 'nodes'>): BuildResult {
  const build: Build = { env, ...how, components: new Map() }
  const config = readConfig(app, env, set)
  const outputs = within({ build, prefix: '', inherited: nothingInherited, inEach: false }, () => {
    const out = runBuild(app.name, undefined, () => app.build({ config, env, secrets: secretsOf(app) }), placeOf(app))
    if (out !== undefined && (typeof out !== 'object' || out === null || Array.isArray(out) || (isExpr(out) && !isNode(out)))) {
      throw failure('HF1109', { message: `build() of ${app.name} must return an object of outputs, or nothing.`, site: mapped(placeOf(app)), hint: 'Return { name: value }.' })
    }
    return toNode(out ?? {}, { path: ['outputs'] })
  })
  return { ...build, outputs }
}

/** The second build, only to compare. What throws now and did not before is a difference too. */
function again(app: AnyApp, env: string, set: BuildRequest['config'], first: BuildResult): BuildResult {
  try {
    return runApp(app, env, set, { noteSites: false, nodes: new NodesBeside(first) })
  } catch (e) {
    throw failure('HF1105', {
      message: `build() was called twice to compare, and the second call failed: ${e instanceof Error ? e.message : String(e)}`,
      ...(isFailure(e) && { site: e.site, ...(e.address !== undefined && { address: e.address }) }), cause: e,
    })
  }
}

function secretsOf(app: AnyApp): Readonly<Record<string, Expr<string>>> {
  const secrets: Record<string, Expr<string>> = Object.create(null)
  for (const name of app.secrets as readonly string[]) secrets[name] = makeExpr({ k: 'secret', name }, leafShape)
  return new Proxy(Object.freeze(secrets), {
    get(target, name, receiver) {
      if (typeof name === 'symbol' || name in target) return Reflect.get(target, name, receiver)
      if (name === 'then' || name === 'toJSON') return undefined
      throw failureAt('HF1304', undefined, { message: `${app.name} declares no secret ${JSON.stringify(name)}. It has: ${app.secrets.join(', ') || 'none'}.` })
    },
  })
}

function finish(app: AnyApp, env: string, build: BuildResult): DesiredGraph {
  const nodes: ReadonlyMap<Address, DesiredNode> = build.nodes
  for (const node of build.nodes.values()) {
    const { address, deps, options, site } = node
    node.deps = resolve(deps, build, address, site)
    node.options = tiesResolved(options, build, address, site)
  }
  const returned = new Set<Address>()
  collectRefs(build.outputs, returned, {})
  resolve([...returned], build, undefined, undefined)
  try {
    topologicalOrder(nodes.keys(), (n) => (nodes.get(n) as DesiredNode).deps)
  } catch (e) {
    if (isFailure(e)) e.site ??= mapped(nodes.get(e.address ?? '')?.site)
    throw e
  }
  return {
    app: app.name, env, nodes, outputs: build.outputs, secrets: app.secrets as readonly string[],
    components: new Map([...build.components].map(([address, c]) => [address, c.type])),
  }
}

/** A component in `replaceWith` stands for every node under it. Fails HF1208: `deletedWith` must be a node that is deleted. */
function tiesResolved(options: ResolvedOptions, build: Build, address: Address, site: Site | undefined): ResolvedOptions {
  const { replaceWith, deletedWith } = options
  const what = deletedWith === undefined ? undefined : build.components.has(deletedWith) ? 'a component, and not one object' : build.nodes.get(deletedWith)?.action === 'read' ? 'a look-up, which is never deleted' : undefined
  if (what !== undefined) throw failure('HF1208', { address, site: mapped(site), message: `${address}: deletedWith must be a node, and ${deletedWith} is ${what}.`, hint: 'Name the node whose deletion takes the object along.' })
  return replaceWith ? { ...options, replaceWith: resolve(replaceWith, build, address, site) } : options
}

const none: readonly Address[] = Object.freeze([])
/** Addresses of nodes, each once; a component stands for every node under it. */
function resolve(refs: readonly Address[], build: Build, from: Address | undefined, site: Site | undefined): readonly Address[] {
  if (refs.length === 0) return none
  const out = new Set<Address>()
  for (const ref of refs) {
    if (build.nodes.has(ref)) out.add(ref)
    else if (build.components.has(ref)) for (const n of under(ref, build.nodes)) out.add(n)
    else {
      throw failure('HF2103', {
        message: `${from ?? 'What build() returned'} refers to ${ref}, which is not declared in this build.`,
        ...(from !== undefined && { address: from }), site: mapped(site),
      })
    }
  }
  return [...out]
}

const members = new WeakMap<ReadonlyMap<Address, DeclaredNode>, Map<Address, readonly Address[]>>()
/** Nodes of a component. Found once per build and component. */
function under(component: Address, nodes: ReadonlyMap<Address, DeclaredNode>): readonly Address[] {
  let known = members.get(nodes)
  if (!known) members.set(nodes, (known = new Map()))
  let list = known.get(component)
  if (!list) known.set(component, (list = [...nodes.keys()].filter((n) => n.startsWith(`${component}/`))))
  return list
}

const mapped = (site: Site | undefined): Site | undefined => site && mapSite(site)
