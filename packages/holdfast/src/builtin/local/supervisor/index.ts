/**
 * The small program that looks after one Process: it starts it, writes its log, hands over its socket, restarts it, and outlives the command that asked for it.
 *
 * Always true: one supervisor for one uid; every program that has begun stands in status.json; no secret is in an argument, a file or a log.
 * May import base, model, secret.
 * @module
 */
export { canRunBeside, needsNewProcess } from './decide.ts'
export { supervisorEntry } from './entry.ts'
export { endProcess, identify, isAlive, type ProcessId } from './identity.ts'
export { liveChildren, makeFolders, placeOf, readPid, readStatus, removePlace, SOCKET_FILE, type Place, type Status } from './place.ts'
export { onMessage, PROTOCOL, send, type Answer, type Definition, type Ready, type Request, type Running, type Stop } from './protocol.ts'
