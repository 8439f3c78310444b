/**
 * What proves an adapter: one suite for each port, the same for the built-in adapters and for those of an outsider.
 *
 * Always true: a suite takes `describe` and `test` from its caller, so it runs under vitest and under node:test; what an adapter lacks is declared with a reason
 * and shown; nothing here is imported by what a user runs. May import anything.
 * @module
 */
export { storeCases, storeSuite, type StoreSubject, type StoreSuiteOptions } from './store-suite.ts'
export { backendCases, backendSuite, runBackendCase, type BackendFactory, type BackendSuiteOptions } from './backend-suite.ts'
export { checkProvider, providerCases, providerSuite, type ProviderCase, type ProviderSubject, type ProviderSuite, type TestFramework } from './provider-suite.ts'
export { flowCases, flowSuite, type FlowSubject, type FlowSuiteOptions } from './flow-suite.ts'
export { snapshotCases, snapshotSuite, type SnapshotSubject, type SnapshotSuiteOptions } from './snapshot-suite.ts'
export { targetCases, targetSuite, type TargetSubject, type TargetSuiteOptions } from './target-suite.ts'
export type { CrashTarget } from './provider-crash.ts'
/** The port of a store, and the store that keeps nothing: a model to compare with, and a base to wrap. */
export { MemoryStore, type CommitOptions, type Fence, type Leases, type Store, type StoreTraits } from '../store/index.ts'
export type { Entry } from '../journal/index.ts'
export type * from '../state/index.ts'
/** What a workflow engine of one's own is made against. */
export type { EngineOptions, Flow, FlowEngine, FlowReport, Task, WorkFlowEngine } from '../flow/workflow/index.ts'
