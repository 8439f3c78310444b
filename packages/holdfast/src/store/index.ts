/**
 * Where the truth is kept: one port, several stores, one suite (testing/store-suite).
 *
 * Always true: a commit is all or nothing and durable when it resolves; a writer without its fence writes nothing.
 * May import base, model, secret, state, journal.
 * @module
 */
export { oldEvents } from './compact.ts'
export { OWNER_ONLY } from './doctor.ts'
export { clockPutOn, currentHolder, holderAlive } from './holder.ts'
export { conflict, covers, grant, type Acquired, type GrantActs, type GrantRequest, type GrantRows } from './grant.ts'
export type { AcquireOptions, Committed, CommitOptions, Fence, Hold, Leases, Lookup, ResourceView, Store, StoreTraits } from './port.ts'
export { exportLine, type TableName } from './rows.ts'
export { framed, type Imported } from './transfer.ts'
export type { WatchOptions } from './watch.ts'
export type { FlowChange, FlowJournal, ForgetQuery, StoredFlow } from './flow-port.ts'
export { MemoryFlowJournal } from './memory/flow-journal.ts'
export { MemoryStore, type MemoryStoreOptions } from './memory/index.ts'
export { openFlowJournal, type FlowJournalOptions } from './sqlite/flow-journal.ts'
export { commitsMade, openSqliteStore, schemaVersion, sqliteVersion, type SqliteStoreOptions } from './sqlite/index.ts'
export { FileSpool, type Spool, type SpoolFile, type SpoolStep } from './spool.ts'
