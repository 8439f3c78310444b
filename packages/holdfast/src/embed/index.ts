/**
 * `import ... from 'holdfast/engine'`: founding contract 2. The engine, over a provider of targets and a provider of snapshots of one's own.
 *
 * Always true: there is one engine; here its journal is brackets that a snapshot provider opens and ends. A provider sees no secret in clear.
 * May import everything above but backend, cli and testing.
 * @module
 */
export { Engine, type CallOptions, type ChangeOptions, type EngineParts, type EnginePlan, type ImportOptions, type PlanOptions, type PlanText } from './engine.ts'
export { checkTargetName, damaged as damagedSnapshot, MutationOpen, newer as newerSnapshot, TargetNotFound } from './failures.ts'
export { holderLives, openHolder } from './holders.ts'
export type {
  OpenChange, OpenRecord, ResourceRecord, SecretReader, Snapshot, SnapshotHead, SnapshotMutation, SnapshotProvider, StoreIdentity, Target, TargetProvider,
} from './ports.ts'
export { packSnapshot, unpackSnapshot, withOpen, type SnapshotDocument } from './snapshot.ts'
export { exitCodeOf, type ChangeDocument, type EngineEvent, type PlanDocument, type RefreshDocument, type RunDocument, type SettleHow, type TaskDocument } from '../engine/index.ts'
export type { AnyApp } from '../program/index.ts'
export type { Holder } from '../state/index.ts'
