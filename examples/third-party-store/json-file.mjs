// A backend of an outsider: all states in one JSON file, for one process at a time. Every change writes the whole file anew beside the old one and
// puts it in its place, so a crash leaves the old file or the new one. It passes `backendSuite`, and is loaded by its name:
//   await loadBackend({ module: 'third-party-store', export: 'JsonFileBackend', config: { path: 'state.json' } })
import { createHash, randomUUID } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import {
  AbstractBackend, BackendClosed, compareComponents, ComponentAlreadyExists, ComponentBusy, ComponentDoesNotExist, componentHash, ComponentNotEmpty, InvalidDifference, KeyNotInCloudOutput, OutputsRequired,
  RequestIdConflict, ResourceAlreadyExists, ResourceBusy, ResourceChangeTransactionDoesNotExist, ResourceDoesNotExist, resourceKey, ResourceReferenceError, ResourceStateAlreadyExists,
  ResourceStateDoesNotExist, ResourceStateNotEmpty, RevisionConflict, SchemaTooNew, StaleBase, StoreCorrupt, TransactionAlreadyCompleted, TransactionMismatch,
} from 'holdfast/backend'

const VERSION = 1
const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
const is = (a) => (b) => a.ruuid === b.ruuid && a.name === b.name
/** Equal for equal values, in whatever order their keys stand. */
const text = (v) => JSON.stringify(v, (_, x) => (x && typeof x === 'object' && !Array.isArray(x) ? Object.fromEntries(Object.entries(x).sort(([a], [b]) => (a < b ? -1 : 1))) : x))

export class JsonFileBackend extends AbstractBackend {
  static configSchema = z.strictObject({ path: z.string().min(1), requiredOutputs: z.record(z.string(), z.array(z.string())).default({}) })
  capabilities = { name: 'json-file', durable: true, severalWriters: false }
  #path
  #requiredOutputs
  #doc
  #turn = Promise.resolve()
  #closed = false

  constructor(config) {
    super()
    const { path, requiredOutputs } = JsonFileBackend.configSchema.parse(config)
    this.#path = resolve(path)
    this.#requiredOutputs = requiredOutputs
  }

  async open() {
    await this.#read()
  }
  async close() {
    this.#closed = true
    await this.#turn
  }

  async #read() {
    if (this.#closed) throw new BackendClosed()
    if (this.#doc) return this.#doc
    const found = await readFile(this.#path, 'utf8').catch((e) => {
      if (e.code !== 'ENOENT') throw e
    })
    if (found === undefined) return (this.#doc ??= { version: VERSION, states: [], requests: {} })
    let doc
    try {
      doc = JSON.parse(found)
    } catch (cause) {
      throw new StoreCorrupt(undefined, undefined, [], { cause })
    }
    if (!Array.isArray(doc?.states)) throw new StoreCorrupt()
    if (doc.version > VERSION) throw new SchemaTooNew()
    return (this.#doc ??= doc)
  }

  async #write(doc) {
    const file = await open(`${this.#path}.next`, 'w', 0o600)
    try {
      await file.writeFile(JSON.stringify(doc))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${this.#path}.next`, this.#path)
    const folder = await open(dirname(this.#path), 'r')
    await folder.sync().finally(() => folder.close())
    this.#doc = doc
  }

  /** One change after the other, each on a copy: what throws has changed nothing. */
  #change(method, args, ctx, act) {
    const turn = this.#turn.then(async () => {
      const doc = structuredClone(await this.#read())
      const digest = createHash('sha256').update(text([method, args])).digest('hex')
      const known = ctx?.requestId === undefined ? undefined : doc.requests[ctx.requestId]
      if (known && known.digest !== digest) throw new RequestIdConflict()
      if (known) return known.result
      const state = method === 'createResourceState' ? undefined : stateOf(doc, args[0])
      if (state && ctx?.expectedRevision !== undefined && ctx.expectedRevision !== state.revision) throw new RevisionConflict(undefined, undefined, [], { details: { revision: state.revision } })
      const result = act(doc, state)
      if (state) state.revision++
      if (ctx?.requestId !== undefined) doc.requests[ctx.requestId] = { digest, result }
      await this.#write(doc)
      return result
    })
    this.#turn = turn.catch(() => {})
    return turn
  }

  /** What is read is a copy. */
  async #look(state, component, find) {
    const doc = await this.#read()
    const s = stateOf(doc, state)
    return structuredClone(find(component === undefined ? s : componentOf(s, component), s, doc))
  }

  createResourceState(name, parent = null, ctx = undefined) {
    return this.#change('createResourceState', [name, parent], ctx, (doc) => {
      if (parent !== null) stateOf(doc, parent)
      if (doc.states.some((s) => s.name === name && s.parent === parent)) throw new ResourceStateAlreadyExists(`There is a state ${name} already.`)
      const uuid = randomUUID()
      doc.states.push({ uuid, name, parent, revision: 1, components: [], changes: {}, completed: [] })
      return uuid
    })
  }
  deleteResourceState(uuid, ctx) {
    return this.#change('deleteResourceState', [uuid], ctx, (doc, state) => {
      if (doc.states.some((s) => s.parent === uuid) || state.components.length > 0 || Object.keys(state.changes).length > 0) throw new ResourceStateNotEmpty()
      doc.states = doc.states.filter((s) => s !== state)
    })
  }
  getResourceState(uuid) {
    return this.#look(uuid, undefined, (s, _, doc) => stateModel(doc, s))
  }
  async getTopLevelResourceStates() {
    const doc = await this.#read()
    return structuredClone(doc.states.filter((s) => s.parent === null).sort(byName).map((s) => stateModel(doc, s)))
  }

  getComponent(uuid, component) {
    return this.#look(uuid, component, (c, s, doc) => componentModel(doc, s, c))
  }
  getComponentUuid(uuid, component) {
    return this.#look(uuid, component, (c) => c.uuid)
  }
  updateComponent(uuid, { actionType, previousName, newName }, ctx) {
    return this.#change('updateComponent', [uuid, { actionType, previousName, newName }], ctx, (doc, state) => {
      const taken = state.components.some((c) => c.name === newName)
      if (actionType === 'CREATE') {
        if (taken) throw new ComponentAlreadyExists(`There is a component ${newName} already.`)
        return void state.components.push({ uuid: randomUUID(), name: newName, resources: [], references: [] })
      }
      const c = componentOf(state, previousName)
      if (actionType === 'UPDATE_IDENTITY') return
      if (actionType === 'UPDATE_NAME' && taken) throw new ComponentAlreadyExists(`There is a component ${newName} already.`)
      if (actionType === 'DELETE') {
        refuseReferred(c.resources.flatMap((r) => referrersOf(doc, c, r.model)), c.name)
        if (c.resources.length > 0) throw new ComponentNotEmpty(`${c.name} has resources.`)
      }
      if (Object.values(state.changes).some((x) => x.component === c.uuid)) throw new ComponentBusy(`${c.name} has changes that are not settled.`)
      if (actionType === 'DELETE') state.components = state.components.filter((x) => x !== c)
      else c.name = newName
    })
  }

  createResourceChangeTransaction(uuid, component, diff, ctx) {
    return this.#change('createResourceChangeTransaction', [uuid, component, diff], ctx, (doc, state) => {
      const c = componentOf(state, component)
      const { previousResource: previous, newResource: next, actionType } = diff
      if ((actionType === 'CREATE') !== !previous || (actionType === 'DELETE') !== !next) throw new InvalidDifference()
      checkTags(next)
      const touched = [previous, next].filter((x) => x !== undefined)
      for (const [token, x] of Object.entries(state.changes)) {
        const other = [x.diff.previousResource, x.diff.newResource].filter((y) => y !== undefined)
        if (x.component === c.uuid && touched.some((y) => other.some(is(y)))) throw new ResourceBusy(undefined, undefined, [], { details: { transactionToken: token } })
      }
      const stored = previous && c.resources.find((r) => is(previous)(r.model))
      if (previous && !stored) throw new ResourceDoesNotExist(`${component} has no ${resourceKey(previous)}.`)
      if (stored && stored.model.hash !== previous.hash) throw new StaleBase()
      if (next && (!previous || !is(previous)(next)) && c.resources.some((r) => is(next)(r.model))) throw new ResourceAlreadyExists()
      if (actionType === 'DELETE') refuseReferred(referrersOf(doc, c, previous), resourceKey(previous))
      const token = randomUUID()
      state.changes[token] = { component: c.uuid, diff, status: 'open', failedState: null, owner: ctx?.principal ?? `pid ${process.pid}`, openedAt: new Date().toISOString() }
      return [token, createHash('sha256').update(`${uuid} ${c.uuid} ${touched[0].ruuid}`).digest('hex').slice(0, 32)]
    })
  }
  completeResourceChange(uuid, component, diff, token, output, resolved = {}, ctx = undefined) {
    return this.#change('completeResourceChange', [uuid, component, diff, token, output, resolved], ctx, (doc, state) => {
      settle(doc, state, changeOf(state, component, diff, token), token, output, resolved)
    })
  }
  failResourceChange(uuid, component, diff, token, failedState, ctx) {
    return this.#change('failResourceChange', [uuid, component, diff, token, failedState], ctx, (_, state) => {
      Object.assign(changeOf(state, component, diff, token), { status: 'failed', failedState })
    })
  }
  changeFailedStateOfResourceChange(uuid, token, failedState, ctx) {
    return this.#change('changeFailedStateOfResourceChange', [uuid, token, failedState], ctx, (_, state) => void (failedOf(state, token).failedState = failedState))
  }
  recoverFailedResourceChange(uuid, token, toPrevious = true, output = undefined, ctx = undefined) {
    return this.#change('recoverFailedResourceChange', [uuid, token, toPrevious, output], ctx, (doc, state) => {
      const change = failedOf(state, token)
      if (toPrevious) return void delete state.changes[token]
      const missing = (this.#requiredOutputs[change.diff.newResource?.ruuid] ?? []).filter((key) => output?.[key] === undefined)
      if (missing.length > 0) throw new OutputsRequired(`Its outputs must have ${missing.join(', ')}.`)
      settle(doc, state, change, token, output ?? {}, {})
    })
  }
  removeFailedResourceChange(uuid, token, ctx) {
    return this.#change('removeFailedResourceChange', [uuid, token], ctx, (_, state) => {
      failedOf(state, token)
      delete state.changes[token]
    })
  }
  async listChanges({ status, stateUuid } = {}) {
    const states = (await this.#read()).states.filter((s) => stateUuid === undefined || s.uuid === stateUuid)
    const all = states.flatMap((s) => Object.entries(s.changes).map(([transactionToken, x]) => ({
      transactionToken, stateUuid: s.uuid, componentName: nameOf(s, x.component), diff: x.diff, status: x.status, failedState: x.failedState, owner: x.owner, openedAt: x.openedAt, endedAt: null, evidence: null, ownerGone: false,
    })))
    return structuredClone(all.filter((x) => status === undefined || x.status === status))
  }

  resolveReferenceChange(uuid, { actionType, originatingComponentName, resourceReference: r }, ctx) {
    return this.#change('resolveReferenceChange', [uuid, actionType, originatingComponentName, r], ctx, (doc, state) => {
      const consumer = componentOf(state, originatingComponentName)
      const owner = r.isInParentResourceState ? doc.states.find((s) => s.uuid === state.parent) : state
      const target = owner?.components.find((c) => c.name === r.componentName)
      const same = (x) => x.component === target?.uuid && is(r)(x)
      const held = consumer.references.some(same)
      if (actionType === 'DELETE') {
        if (!held) throw new ResourceReferenceError(`${consumer.name} does not refer to that.`)
        consumer.references = consumer.references.filter((x) => !same(x))
        return
      }
      if (!target?.resources.some((x) => is(r)(x.model))) throw new ResourceReferenceError('There is no such resource.')
      if (Object.values(owner.changes).some((x) => x.component === target.uuid && x.diff.actionType === 'DELETE' && is(r)(x.diff.previousResource))) throw new ResourceReferenceError('It is being deleted.')
      if (!held) consumer.references.push({ state: owner.uuid, component: target.uuid, ruuid: r.ruuid, name: r.name })
    })
  }

  #resource(uuid, component, matches) {
    return this.#look(uuid, component, (c) => {
      const found = c.resources.filter((r) => matches(r.model)).sort((a, b) => byName(a.model, b.model))[0]
      if (!found) throw new ResourceDoesNotExist()
      return found
    })
  }
  #byHash(uuid, component, type, hash) {
    return this.#look(uuid, undefined, (s) => s.components.find((c) => c.uuid === component)?.name ?? component)
      .then((name) => this.#resource(uuid, name, (m) => m.ruuid === type && m.hash === hash))
  }
  #byName(uuid, component, type, name) {
    return this.#resource(uuid, component, is({ ruuid: type, name }))
  }
  async getResourceByName(...place) {
    return (await this.#byName(...place)).model
  }
  async getResourceByHash(uuid, component, type, hash) {
    return (await this.#resource(uuid, component, (m) => m.ruuid === type && m.hash === hash)).model
  }
  listResourcesByTag(uuid, component, type, tag) {
    const at = tag.indexOf('=')
    const [key, value] = at < 0 ? [tag] : [tag.slice(0, at), tag.slice(at + 1)]
    const carries = ({ ruuid, tags = {} }) => ruuid === type && Object.hasOwn(tags, key) && (value === undefined || tags[key] === value)
    return this.#look(uuid, component, (c) => c.resources.map((r) => r.model).filter(carries).sort(byName))
  }
  async getResourcesByTag(...place) {
    const found = await this.listResourcesByTag(...place)
    if (found.length === 0) throw new ResourceDoesNotExist()
    return found
  }
  async getCloudOutputByName(...place) {
    return (await this.#byName(...place)).output
  }
  async getCloudOutputByHash(...place) {
    return (await this.#byHash(...place)).output
  }
  async getCloudOutputValueByName(uuid, component, type, name, key, transform = (v) => v) {
    return transform(valueOf((await this.#byName(uuid, component, type, name)).output, key))
  }
  async getCloudOutputValueByHash(uuid, component, type, hash, key, transform = (v) => v) {
    return transform(valueOf((await this.#byHash(uuid, component, type, hash)).output, key))
  }

  createDifferences(uuid, newComponents, oldNames) {
    return this.#look(uuid, undefined, (s, _, doc) => {
      const olds = oldNames.map((name) => componentModel(doc, s, componentOf(s, name)))
      const others = s.components.filter((c) => !oldNames.includes(c.name)).map((c) => componentModel(doc, s, c))
      const above = doc.states.find((x) => x.uuid === s.parent)
      const { components, resources, references } = compareComponents(newComponents, olds, { others, parents: (above?.components ?? []).map((c) => componentModel(doc, above, c)) })
      return [components, resources, references]
    })
  }
}

function stateOf(doc, uuid) {
  const found = doc.states.find((s) => s.uuid === uuid)
  if (!found) throw new ResourceStateDoesNotExist(`There is no state ${uuid}.`)
  return found
}
function componentOf(state, name) {
  const found = state.components.find((c) => c.name === name)
  if (!found) throw new ComponentDoesNotExist(`${state.name} has no component ${name}.`)
  return found
}
const nameOf = (state, uuid) => state.components.find((c) => c.uuid === uuid).name
const allComponents = (doc) => doc.states.flatMap((s) => s.components)
const referrersOf = (doc, component, resource) => allComponents(doc).filter((c) => c.references.some((x) => x.component === component.uuid && is(resource)(x))).map((c) => c.name)
function refuseReferred(referrers, what) {
  if (referrers.length > 0) throw new ResourceReferenceError(`${what} is used by ${[...new Set(referrers)].sort().join(', ')}.`)
}
function valueOf(output, key) {
  if (!Object.hasOwn(output, key)) throw new KeyNotInCloudOutput(`The output has no key ${key}.`)
  return output[key]
}
function checkTags(resource) {
  const entries = Object.entries(resource?.tags ?? {})
  if (entries.length > 50 || entries.some(([k, v]) => k.length < 1 || k.length > 128 || k.toLowerCase().startsWith('aws') || v.length > 256)) throw new InvalidDifference('The tags are not valid.')
}

function changeOf(state, component, diff, token) {
  const change = state.changes[token]
  if (state.completed.includes(token)) throw new TransactionAlreadyCompleted()
  if (change?.status !== 'open') throw new ResourceChangeTransactionDoesNotExist()
  const { uuid } = componentOf(state, component)
  if (uuid !== change.component || text(diff) !== text(change.diff)) throw new TransactionMismatch()
  return change
}
function failedOf(state, token) {
  if (state.changes[token]?.status !== 'failed') throw new ResourceChangeTransactionDoesNotExist()
  return state.changes[token]
}
/** The change has happened: resource, output and references say so, and the transaction is over. */
function settle(doc, state, { component, diff: { previousResource: previous, newResource: next } }, token, output, resolved) {
  const c = state.components.find((x) => x.uuid === component)
  if (previous) c.resources = c.resources.filter((r) => !is(previous)(r.model))
  if (next) c.resources.push({ model: next, output, resolved })
  if (previous && next) for (const x of allComponents(doc).flatMap((y) => y.references)) if (x.component === component && is(previous)(x)) x.name = next.name
  delete state.changes[token]
  state.completed.push(token)
}

function componentModel(doc, state, c) {
  const maps = (field) => Object.fromEntries(c.resources.map((r) => [resourceKey(r.model), r[field]]))
  const references = c.references.map((x) => {
    const owner = doc.states.find((s) => s.uuid === x.state)
    return { componentName: nameOf(owner, x.component), ruuid: x.ruuid, name: x.name, ...(owner === state ? {} : { isInParentResourceState: true }) }
  })
  const resources = c.resources.map((r) => r.model).sort((a, b) => (a.ruuid < b.ruuid ? -1 : a.ruuid > b.ruuid ? 1 : byName(a, b)))
  const counted = resources.map((r) => [resourceKey(r), { cnt: referrersOf(doc, c, r).length }]).filter(([, { cnt }]) => cnt > 0)
  return { name: c.name, hash: componentHash({ resources, references }), resources, references, cloudOutput: maps('output'), previousResolvedCloudValues: maps('resolved'), externalReferences: Object.fromEntries(counted) }
}
function stateModel(doc, s) {
  const components = [...s.components].sort(byName)
  const changes = (wanted) => Object.entries(s.changes).filter(([, x]) => (x.status === 'open') === wanted)
  const shown = ({ component, diff, owner, openedAt }) => ({ componentName: nameOf(s, component), diff, owner, openedAt })
  return {
    name: s.name, uuid: s.uuid, parentUuid: s.parent, revision: s.revision, children: doc.states.filter((x) => x.parent === s.uuid).map((x) => x.uuid),
    components: components.map((c) => componentModel(doc, s, c)), componentNameToUuid: Object.fromEntries(components.map((c) => [c.name, c.uuid])),
    resourceChanges: Object.fromEntries(changes(true).map(([token, x]) => [token, { ...shown(x), ownerGone: false }])),
    failedChanges: Object.fromEntries(changes(false).map(([token, x]) => [token, { ...shown(x), failedState: x.failedState, outcome: 'failed' }])),
  }
}
