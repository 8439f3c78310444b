import type { Io } from './io.ts'

/** Version of every document that is printed with --json and with --events. */
export const DOCUMENT_VERSION = 1

export interface Where {
  readonly app: string | null
  readonly env: string | null
}

/** The one document of a command on stdout. */
export function printDocument(io: Io, where: Where, doc: object): void {
  io.out(`${JSON.stringify({ v: DOCUMENT_VERSION, app: where.app, env: where.env, ...doc })}\n`)
}
