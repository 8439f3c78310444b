import { failure, inWords } from '../base/index.ts'
import { isPolicy, type Policy } from '../program/index.ts'

/** Where the state of an environment is kept. */
export interface StateChoice {
  readonly kind: 'sqlite'
  /** Relative to the project file. */
  readonly path: string
}

/** Where the key of an environment comes from. */
export type KeyChoice = { readonly kind: 'file'; readonly path: string } | { readonly kind: 'env'; readonly name: string }

export interface PlaceOptions {
  readonly state?: StateChoice
  readonly key?: KeyChoice
  /** Most tasks at the same time. */
  readonly concurrency?: number
}

export interface EnvironmentOptions extends PlaceOptions {
  /** `type-name`: a person must type the name of the environment before anything is changed. `required`: only a plan is applied that was approved (`holdfast plan approve ID`). */
  readonly approve?: 'type-name' | 'required'
}

export interface ProjectOptions {
  /** The program, relative to the project file; default `./app.ts`. */
  readonly app?: string
  /** Packages whose types are needed also when the program no longer imports them. */
  readonly providers?: readonly string[]
  readonly defaults?: PlaceOptions
  /** Rules about every plan, whatever the program says. */
  readonly policies?: readonly Policy[]
  readonly environments?: Readonly<Record<string, EnvironmentOptions>>
}

const PROJECT = Symbol.for('holdfast.project')
/** What `holdfast.config.ts` exports. */
export interface Project extends ProjectOptions {
  readonly [PROJECT]: true
}

/** Fails HF1005. */
function given(value: unknown, what: string): string {
  if (text(value)) return value
  throw wrong(`${what} must be a text that is not empty, and is ${inWords(value)}`)
}
/** The state in a file. Fails HF1005. */
export const sqlite = (path: string): StateChoice => ({ kind: 'sqlite', path: given(path, 'sqlite(path): path') })
/** The key in a file. Fails HF1005. */
export const keyFile = (path: string): KeyChoice => ({ kind: 'file', path: given(path, 'keyFile(path): path') })
/** The key in a variable of the environment. Fails HF1005. */
export const keyEnv = (name: string): KeyChoice => ({ kind: 'env', name: given(name, 'keyEnv(name): name') })

/** Checks the options of a project. Fails HF1005 naming the option. */
export function defineProject(options: ProjectOptions): Project {
  const o = object(options, 'defineProject(...)', ['app', 'providers', 'defaults', 'policies', 'environments'])
  if (o.app !== undefined && !text(o.app)) throw wrong('app must be the path of the program')
  if (o.providers !== undefined && !(Array.isArray(o.providers) && o.providers.every(text))) throw wrong('providers must be a list of package names')
  if (o.policies !== undefined && !(Array.isArray(o.policies) && o.policies.every(isPolicy))) throw wrong('policies must be a list of what policy() gives')
  if (o.defaults !== undefined) place(o.defaults, 'defaults', [])
  if (o.environments !== undefined) {
    for (const [name, value] of Object.entries(object(o.environments, 'environments'))) {
      const env = place(value, `environments.${name}`, ['approve'])
      if (env.approve !== undefined && env.approve !== 'type-name' && env.approve !== 'required') throw wrong(`environments.${name}.approve must be 'type-name' or 'required'`)
    }
  }
  return Object.freeze({ ...options, [PROJECT]: true as const })
}

export const isProject = (v: unknown): v is Project => typeof v === 'object' && v !== null && (v as { [PROJECT]?: unknown })[PROJECT] === true

function place(value: unknown, where: string, more: readonly string[]): Record<string, unknown> {
  const o = object(value, where, ['state', 'key', 'concurrency', ...more])
  if (o.state !== undefined) {
    const s = object(o.state, `${where}.state`)
    if (s.kind !== 'sqlite' || !text(s.path)) throw wrong(`${where}.state must be sqlite('path')`)
  }
  if (o.key !== undefined) {
    const k = object(o.key, `${where}.key`)
    if (!((k.kind === 'file' && text(k.path)) || (k.kind === 'env' && text(k.name)))) throw wrong(`${where}.key must be keyFile('path') or keyEnv('NAME')`)
  }
  if (o.concurrency !== undefined && !(Number.isInteger(o.concurrency) && (o.concurrency as number) > 0)) throw wrong(`${where}.concurrency must be a whole number above 0`)
  return o
}

function object(value: unknown, where: string, known?: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(`${where} must be an object`)
  for (const k of Object.keys(value)) {
    if (known && !known.includes(k)) throw wrong(`${where === 'defineProject(...)' ? '' : `${where}.`}${k} is not an option; known are ${known.join(', ')}`)
  }
  return value as Record<string, unknown>
}

const text = (v: unknown): v is string => typeof v === 'string' && v !== ''
const wrong = (what: string) => failure('HF1005', { message: `${what}.` })
