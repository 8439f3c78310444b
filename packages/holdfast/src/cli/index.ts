/**
 * The command line: one of the ways to ask.
 *
 * Always true: the result is on stdout, everything else on stderr; every text passes the redactor; a verb decides nothing that the engine should.
 * May import base, model, secret, state, store, flow, plan, engine, project, backend.
 * @module
 */
export { main } from './main.ts'
