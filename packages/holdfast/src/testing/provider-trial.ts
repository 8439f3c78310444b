import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Mark } from '../model/index.ts'
import type { CallContext, CallKey, ResourceSpec } from '../provider/index.ts'
import type { ProviderSubject, ProviderSuite } from './provider-suite.ts'

// `any`: the suite runs types of every shape
export type AnySpec = ResourceSpec<any, any>
export type Fields = Record<string, unknown>

/** One object through its life, as the engine would lead it. */
export class Trial {
  readonly suite: ProviderSuite
  readonly spec: AnySpec
  readonly subject: ProviderSubject
  readonly inputs: Fields
  readonly mark: Mark = { store: 's-suite', uid: 'u-suite', ordinal: 1 }
  readonly said: string[] = []
  partial: Fields | undefined

  constructor(suite: ProviderSuite, subject: ProviderSubject) {
    this.suite = suite
    this.spec = suite.spec
    this.subject = subject
    this.inputs = suite.spec.inputs.parse(subject.inputs) as Fields
  }
  get changed(): Fields {
    assert.ok(this.subject.changed, 'make() gives no `changed`, and the type has an update')
    return this.spec.inputs.parse(this.subject.changed) as Fields
  }
  context(key = newKey()): CallContext {
    const say = (text: string) => void this.said.push(text)
    return { key, mark: this.mark, namespace: 'suite', physicalName: 'suite-object', signal: new AbortController().signal, host: this.subject.host, log: say, progress: say }
  }
  readonly #partial = async (o: Fields): Promise<void> => void (this.partial = { ...this.partial, ...o })

  async create(key = newKey(), inputs = this.inputs): Promise<Fields> {
    return this.spec.outputs.parse(await this.spec.create({ ...this.context(key), inputs, partial: this.#partial })) as Fields
  }
  async read(outputs: Fields | undefined, key = newKey(), inputs = this.inputs): Promise<{ owner: unknown; outputs: Fields } | undefined> {
    assert.ok(this.spec.read, 'the type has no read')
    const seen = await this.spec.read({ ...this.context(key), inputs, ...(outputs ? { outputs } : {}) })
    if (!seen) return undefined
    const { owner, ...rest } = seen as Fields
    return { owner, outputs: this.spec.outputs.parse(rest) as Fields }
  }
  async update(from: Fields, outputs: Fields, to: Fields, key = newKey()): Promise<Fields> {
    assert.ok(this.spec.update)
    return this.spec.outputs.parse(await this.spec.update({ ...this.context(key), inputs: to, outputs, prior: { inputs: from, outputs }, partial: this.#partial })) as Fields
  }
  async delete(outputs: Fields, key = newKey(), inputs = this.inputs): Promise<void> {
    await this.spec.delete({ ...this.context(key), inputs, outputs })
  }
  world = async (): Promise<readonly string[]> => [...(await this.subject.world())].sort()

  /** What the engine does about a create whose answer never came. */
  async settleCreate(key: CallKey): Promise<Fields> {
    const how = this.spec.capability?.create ?? 'none'
    if (how === 'none') assert.fail('class D: only a person can settle it; declare the case in `lacks`')
    if ('find' in how) {
      assert.ok(this.spec.find, 'class C needs find')
      const answer = await this.spec.find({ ...this.context(key), inputs: this.inputs, mark: this.mark })
      const [found, ...more] = Array.isArray(answer) ? answer : answer === undefined ? [] : [answer]
      assert.equal(more.length, 0, 'several objects carry one mark')
      return found ? (this.spec.outputs.parse(found) as Fields) : this.create(key)
    }
    if ('name' in how) {
      const seen = await this.read(this.partial, key)
      assert.notEqual(seen?.owner, 'other', 'what the lost call made is taken for somebody else\'s')
      if (seen) return seen.outputs
    }
    return this.create(key)
  }
}

export function newKey(): CallKey {
  const token = randomBytes(32).toString('hex')
  return { toString: () => token, step: (name) => `${token}.${name}` }
}
