/**
 * The store in one SQLite file.
 *
 * Always true: one connection of a process writes (inline at first, in a thread of its own when there is much to write); every commit is synced;
 * the SQL files under sql/ are the schema, and migrations.ts holds the same text.
 * @module
 */
export { commitsMade } from './failpoint.ts'
export { openSqliteStore, type SqliteStoreOptions } from './store.ts'
export { schemaVersion, sqliteVersion } from './versions.ts'
