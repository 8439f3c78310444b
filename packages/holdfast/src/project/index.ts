/**
 * The composition root: finds a project, loads its TypeScript, chooses environment, values, state and key, and hands the engine everything it may touch.
 *
 * Always true: only here are the parts put together; nothing is created on disk by a command that only reads.
 * May import all but the three ways to ask (worker, server, cli).
 * @module
 */
export { defineProject, keyEnv, keyFile, sqlite, type EnvironmentOptions, type KeyChoice, type PlaceOptions, type Project, type ProjectOptions, type StateChoice } from './define.ts'
export { openAssets, type Assets } from './assets.ts'
export { keySource, openRing } from './key.ts'
export { emptyTrashOf, logLines, restoreFromTrash, trashItems, type TrashItem } from './local.ts'
export { allTypes, importState, openProject, type Opened, type OpenRequest } from './open.ts'
export { loadProgram, type Program, type ProgramRequest } from './program.ts'
