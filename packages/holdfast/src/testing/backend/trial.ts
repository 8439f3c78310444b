import assert from 'node:assert/strict'
import type { Backend, BackendError, CloudOutput, ResourceDifference, ResourceModel, ResourceReferenceDifference, ResourceReferenceModel } from '../../backend/index.ts'

/** How the suite gets backends. Each is fresh and empty, unless it says otherwise. */
export interface BackendFactory {
  readonly name: string
  /** `wanted.requiredOutputs`: outputs that a resource of a type cannot be without, for a backend that can be told. */
  open(wanted: { readonly requiredOutputs: Readonly<Record<string, readonly string[]>> }): Promise<Backend>
  /** Closes the backend and opens another on what it kept. A backend that keeps nothing leaves it out. */
  reopen?(backend: Backend): Promise<Backend>
  /** Another one on the same data, as another process would have it. */
  second?(backend: Backend): Promise<Backend>
  /** Lets time pass for the store, where it has a clock of its own. */
  readonly clock?: { advance(ms: number): void }
  /** Removes what `open` made, after everything was closed. */
  dispose?(backend: Backend): Promise<void>
}

/** What of a factory a case cannot do without. */
export type Need = 'reopen' | 'second' | 'clock'

export interface BackendCase {
  readonly name: string
  readonly needs: readonly Need[]
  run(trial: Trial): Promise<void>
}

type Register = (name: string, run: (trial: Trial) => Promise<void>, needs?: readonly Need[]) => void

/** Cases in the order in which they are written. */
export function cases(write: (test: Register) => void): readonly BackendCase[] {
  const all: BackendCase[] = []
  write((name, run, needs = []) => void all.push({ name, run, needs }))
  return all
}

export const X = 'cdev::simple::x'
export const Y = 'cdev::simple::y'
/** A type that has to have the output `arn`. */
export const STRICT = 'cdev::simple::strict'
export const wanted = { requiredOutputs: { [STRICT]: ['arn'] } }

/** A resource of type {@link X}. */
export const r = (name: string, hash = `hash of ${name}`, more: Readonly<Record<string, unknown>> = {}): ResourceModel => ({ ruuid: X, name, hash, ...more })
export const creating = (componentName: string, newResource: ResourceModel): ResourceDifference => ({ actionType: 'CREATE', componentName, newResource })
export const updating = (componentName: string, previousResource: ResourceModel, newResource: ResourceModel): ResourceDifference => ({ actionType: 'UPDATE_IDENTITY', componentName, previousResource, newResource })
export const renaming = (componentName: string, previousResource: ResourceModel, newResource: ResourceModel): ResourceDifference => ({ actionType: 'UPDATE_NAME', componentName, previousResource, newResource })
export const deleting = (componentName: string, previousResource: ResourceModel): ResourceDifference => ({ actionType: 'DELETE', componentName, previousResource })
export const to = (componentName: string, target: ResourceModel, more: Partial<ResourceReferenceModel> = {}): ResourceReferenceModel => ({ componentName, ruuid: target.ruuid, name: target.name, ...more })
export const refer = (originatingComponentName: string, resourceReference: ResourceReferenceModel): ResourceReferenceDifference => ({ actionType: 'CREATE', originatingComponentName, resourceReference })
export const unrefer = (originatingComponentName: string, resourceReference: ResourceReferenceModel): ResourceReferenceDifference => ({ actionType: 'DELETE', originatingComponentName, resourceReference })

/** A class of errors, of this copy of the package or of another. */
interface ErrorClass {
  readonly code: string
  new (...args: never[]): BackendError
}

/** The call is refused with that class of error (or one below it), and the error has all that every error has. */
export async function refused(Class: ErrorClass, act: Promise<unknown>): Promise<BackendError> {
  let error: BackendError
  try {
    await act
  } catch (e) {
    error = e as BackendError
    assert.ok(isOf(Class, e), `expected ${Class.code}, got ${e instanceof Error ? `${(e as BackendError).code ?? e.name}: ${e.message}` : String(e)}`)
    assert.ok(typeof error.errorMessage === 'string' && error.errorMessage !== '', 'errorMessage is a text')
    assert.ok(typeof error.helpMessage === 'string' && error.helpMessage !== '', 'helpMessage says what to do next')
    assert.ok(Array.isArray(error.helpResources), 'helpResources is a list')
    return error
  }
  throw new assert.AssertionError({ message: `expected ${Class.code}, but it was accepted` })
}

function isOf(Class: ErrorClass, e: unknown): boolean {
  if (e instanceof Class) return true
  for (let p: unknown = (e as { constructor?: unknown } | null)?.constructor; typeof p === 'function'; p = Object.getPrototypeOf(p)) if (Reflect.get(p, 'code') === Class.code) return true
  return false
}

/** No uuid or token that any backend gives out. */
export const NOBODY = 'nobody-00000000-0000-4000-8000-000000000000'

/** One backend in the hands of a case. */
export class Trial {
  be: Backend
  readonly factory: BackendFactory
  readonly #opened: Backend[]
  constructor(factory: BackendFactory, be: Backend) {
    this.factory = factory
    this.be = be
    this.#opened = [be]
  }

  async reopen(): Promise<Backend> {
    this.be = await (this.factory.reopen as NonNullable<BackendFactory['reopen']>)(this.be)
    this.#opened.push(this.be)
    return this.be
  }
  async second(): Promise<Backend> {
    const other = await (this.factory.second as NonNullable<BackendFactory['second']>)(this.be)
    this.#opened.push(other)
    return other
  }
  async end(): Promise<void> {
    for (const be of this.#opened) await be.close()
    await this.factory.dispose?.(this.#opened[0] as Backend)
  }

  /** A state with components. */
  async state(name = 'demo', ...components: string[]): Promise<string> {
    const state = await this.be.createResourceState(name)
    for (const c of components) await this.component(state, c)
    return state
  }
  component(state: string, newName: string): Promise<void> {
    return this.be.updateComponent(state, { actionType: 'CREATE', newName })
  }
  async open(state: string, diff: ResourceDifference): Promise<string> {
    return (await this.be.createResourceChangeTransaction(state, diff.componentName, diff))[0]
  }
  /** Opens the change and completes it. */
  async change(state: string, diff: ResourceDifference, output: CloudOutput = {}, resolved?: Readonly<Record<string, unknown>>): Promise<string> {
    const token = await this.open(state, diff)
    await this.be.completeResourceChange(state, diff.componentName, diff, token, output, ...(resolved === undefined ? [] : [resolved]))
    return token
  }
  async make(state: string, component: string, ...resources: ResourceModel[]): Promise<void> {
    for (const resource of resources) await this.change(state, creating(component, resource), { id: `id of ${resource.name}` })
  }
  async fail(state: string, diff: ResourceDifference, failedState: unknown = { why: 'the cloud said no' }): Promise<string> {
    const token = await this.open(state, diff)
    await this.be.failResourceChange(state, diff.componentName, diff, token, failedState)
    return token
  }
  async names(state: string, component: string): Promise<string[]> {
    return (await this.be.getComponent(state, component)).resources.map((x) => x.name).sort()
  }
  async openTokens(state: string): Promise<string[]> {
    return Object.keys((await this.be.getResourceState(state)).resourceChanges)
  }
  async failedTokens(state: string): Promise<string[]> {
    return Object.keys((await this.be.getResourceState(state)).failedChanges)
  }
}
