import { describe, expect, test } from 'vitest'
import * as backend from '../../src/backend/index.ts'
import { AbstractBackend, BackendError, backendErrorCodes, BackendInitializationError, KeyNotInCloudOutput, ResourceChangeTransactionDoesNotExist, TransactionAlreadyCompleted } from '../../src/backend/index.ts'
import type {
  Backend, BackendCapabilities, ComponentDifference, ComponentModel, Differences, RequestContext, ResourceDifference, ResourceModel, ResourceReferenceDifference, ResourceReferenceModel, ResourceState,
} from '../../src/backend/index.ts'
import { backendCases, runBackendCase } from '../../src/testing/backend-suite.ts'

/** Fails to compile where the two are not the same. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never
const holds = <_T extends true>(): void => undefined

describe('the contract', () => {
  test('S000-20 has the 21 methods of the founding text, in camel case', () => {
    const founding = [
      'createResourceState', 'deleteResourceState', 'getResourceState', 'getTopLevelResourceStates', 'getComponent', 'updateComponent', 'getComponentUuid',
      'createResourceChangeTransaction', 'completeResourceChange', 'failResourceChange', 'resolveReferenceChange', 'changeFailedStateOfResourceChange', 'recoverFailedResourceChange',
      'removeFailedResourceChange', 'getResourceByName', 'getResourceByHash', 'getResourcesByTag', 'getCloudOutputValueByName', 'getCloudOutputByName', 'getCloudOutputValueByHash', 'createDifferences',
    ] as const satisfies readonly (keyof Backend)[]
    expect(founding).toHaveLength(21)
    expect(backend.backendMethods).toEqual(expect.arrayContaining([...founding]))
    for (const name of founding) expect(typeof AbstractBackend.prototype[name], name).toBe('function')
  })

  test('S000-03 S000-38 S000-40 S000-57 S000-92 every model of it is exported, with the founding fields', () => {
    holds<Same<keyof ComponentDifference, 'actionType' | 'previousName' | 'newName' | 'denied'>>()
    holds<Same<keyof ResourceDifference, 'actionType' | 'componentName' | 'previousResource' | 'newResource' | 'denied'>>()
    holds<Same<keyof ResourceReferenceDifference, 'actionType' | 'originatingComponentName' | 'resourceReference' | 'denied'>>()
    holds<Same<keyof ResourceReferenceModel, 'componentName' | 'ruuid' | 'name' | 'isInParentResourceState'>>()
    holds<Same<Pick<ResourceModel, 'name' | 'ruuid' | 'hash'>, { readonly name: string; readonly ruuid: string; readonly hash: string }>>()
    holds<'name' | 'hash' | 'resources' | 'references' | 'cloudOutput' | 'previousResolvedCloudValues' | 'externalReferences' extends keyof ComponentModel ? true : never>()
    holds<'name' | 'uuid' | 'components' | 'componentNameToUuid' | 'parentUuid' | 'children' | 'resourceChanges' | 'failedChanges' extends keyof ResourceState ? true : never>()
    holds<Same<Differences, [ComponentDifference[], ResourceDifference[], ResourceReferenceDifference[]]>>()
  })

  test('S000-96 a reference change takes a state and a difference, and no component or resource', () => {
    holds<Same<Parameters<Backend['resolveReferenceChange']>, [stateUuid: string, diff: ResourceReferenceDifference, ctx?: RequestContext]>>()
  })
  test('S000-117 the whole output takes four arguments, and no key', () => {
    holds<Same<Parameters<Backend['getCloudOutputByName']>, [stateUuid: string, componentName: string, resourceType: string, resourceName: string, ctx?: RequestContext]>>()
  })

  test('S000-17 S000-18 a method that a backend leaves out rejects, and none is silent; the base itself cannot be made', async () => {
    class Nothing extends AbstractBackend {
      readonly capabilities: BackendCapabilities = { name: 'nothing', durable: false, severalWriters: false }
    }
    const nothing = new Nothing() as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
    for (const name of backend.backendMethods) {
      if (name === 'open' || name === 'close') continue
      await expect(nothing[name]?.('a', 'b'), name).rejects.toMatchObject({ code: 'NOT_IMPLEMENTED', errorMessage: expect.stringContaining(name) })
    }
    expect(() => new (AbstractBackend as unknown as new () => unknown)()).toThrow(BackendError)
  })

  test('S000-18 a backend that is silent about what it lacks fails the suite', async () => {
    class Silent extends AbstractBackend {
      readonly capabilities: BackendCapabilities = { name: 'silent', durable: false, severalWriters: false }
      override createResourceState = async () => 'uuid'
      override updateComponent = async () => undefined
      override getComponentUuid = async () => undefined as never
    }
    const factory = { name: 'silent', open: async () => new Silent() }
    const failed: string[] = []
    for (const name of backendCases()) {
      if (!/S000-(39|42|43|44|46|47)\b/.test(name)) continue
      await runBackendCase(factory, name).catch(() => failed.push(name))
    }
    expect(failed.length).toBeGreaterThan(5)
    for (const name of backendCases().filter((n) => /S000-(41|42|43|44|46|47)\b/.test(n))) expect(failed, name).toContain(name)
  })
})

describe('errors', () => {
  const classes = Object.entries(backend).filter((e): e is [string, typeof BackendError] => typeof e[1] === 'function' && (e[1] === BackendError || e[1].prototype instanceof BackendError))

  test('S000-11 D31 there is one root, and every error is caught by it', () => {
    const founding = [
      'ResourceStateAlreadyExists', 'ResourceStateDoesNotExist', 'ResourceStateNotEmpty', 'ComponentAlreadyExists', 'ComponentDoesNotExist', 'ComponentNotEmpty', 'ResourceChangeTransactionDoesNotExist',
      'ResourceReferenceError', 'ResourceDoesNotExist', 'CloudOutputDoesNotExist', 'KeyNotInCloudOutput', 'BackendInitializationError', 'CanNotFindResourceStateFile', 'InvalidResourceStateData',
    ]
    const ours = [
      'ResourceBusy', 'ComponentBusy', 'StaleBase', 'RevisionConflict', 'PlanStale', 'PlanAlreadyApplied', 'TransactionMismatch', 'TransactionAlreadyCompleted', 'OutputsRequired', 'FenceRejected', 'LeaseConflict',
      'LeaseExpired', 'RequestIdConflict', 'PayloadChanged', 'PermissionDenied', 'DependencyCycle', 'DuplicateResourceName', 'UnknownReferenceTarget', 'RevisionCompacted', 'StoreCorrupt', 'SchemaTooNew',
    ]
    expect(classes.map(([name]) => name)).toEqual(expect.arrayContaining([...founding, ...ours]))
    for (const [name, Class] of classes) expect(new Class(), name).toBeInstanceOf(BackendError)
    expect(new TransactionAlreadyCompleted()).toBeInstanceOf(ResourceChangeTransactionDoesNotExist)
    expect(new KeyNotInCloudOutput()).toBeInstanceOf(backend.CloudOutputDoesNotExist)
  })

  test('S000-07 every error has a message, a code of its own and a name; none is empty', () => {
    for (const [name, Class] of classes) {
      const e = new Class()
      expect(e.errorMessage.length, name).toBeGreaterThan(0)
      expect(e.message, name).toBe(e.errorMessage)
      expect(e.name, name).toBe(name)
    }
    const codes = classes.map(([, Class]) => Class.code)
    expect(new Set(codes).size).toBe(codes.length)
    for (const code of codes) expect(code === 'BACKEND_ERROR' || code === 'BACKEND_INITIALIZATION_ERROR' || code in backendErrorCodes, code).toBe(true)
  })

  test('S000-08 S000-12 an error has message, help and resources', () => {
    expect(new BackendError('it broke', 'mend it', ['docs/a.md'])).toMatchObject({ errorMessage: 'it broke', helpMessage: 'mend it', helpResources: ['docs/a.md'] })
    expect(new BackendInitializationError('no', 'help', ['x'])).toMatchObject({ errorMessage: 'no', helpMessage: 'help', helpResources: ['x'] })
  })
  test('S000-09 help is empty where nothing is known, and says what to do next where a class has it', () => {
    expect(new BackendError('x').helpMessage).toBe('')
    for (const [name, Class] of classes) if (Class.code in backendErrorCodes) expect(new Class('x').helpMessage, name).not.toBe('')
  })
  test('S000-10 every error has a list of its own', () => {
    const [one, two] = [new BackendError('x'), new BackendError('x')]
    one.helpResources.push('mine')
    expect(two.helpResources).toEqual([])
    expect(new BackendError('x').helpResources).toEqual([])
  })
})
