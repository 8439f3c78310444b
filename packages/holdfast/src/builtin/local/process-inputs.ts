import { constants } from 'node:os'
import { z } from 'zod'
import { parseDuration } from '../../base/index.ts'
import { contentRef } from './file.ts'

const port = z.number().int().min(1).max(65_535)
const duration = z.string().refine((t) => parseDuration(t) !== undefined, 'must be a duration such as 500ms, 10s or 2m')
const signal = z.string().refine((s) => s in constants.signals, 'must be the name of a signal such as SIGTERM')
const pathLike = z.union([z.string(), contentRef])
const argv = z.array(pathLike).min(1)
const isPattern = (text: string): boolean => {
  try {
    return new RegExp(text, 'u') !== undefined
  } catch {
    return false
  }
}
const isHttpTarget = (text: string): boolean => text.startsWith('/') || (/^https?:\/\//.test(text) && URL.canParse(text))

/** Inputs of a Process. */
export const processInputs = z.object({
  /** Program and arguments. A file or asset among them is its path, and its content is an input: when it changes, the program is started anew. */
  command: argv,
  /** Added to a small environment (PATH, HOME, locale, time zone, TMPDIR): nothing else of the caller's environment reaches the program. */
  env: z.record(z.string().regex(/^[^=\0]+$/, 'must be the name of a variable'), pathLike).default({}),
  /** Default: the program's folder. */
  cwd: pathLike.optional(),
  /** Account that the program runs as. Another than the own needs root. */
  user: z.string().min(1).optional(),
  /** Port that the program opens itself; it is told in the variable PORT. `auto`: a free one, and a new version gets another. */
  port: z.union([port, z.literal('auto')]).optional(),
  /**
   * Port whose socket is kept open for the program, which gets it as file descriptor 3 (`LISTEN_FDS=1`, `LISTEN_PID`): `server.listen({ fd: 3 })`.
   * A new version starts beside the old one on the same socket. With `ready.http` or `ready.tcp` it is started once apart first, on a private socket.
   */
  listen: port.optional(),
  /** Address that `listen` binds. Default: every interface. */
  host: z.string().min(1).optional(),
  /** Every check named must pass. Default with a port: a connection to it; without: the program lives for a moment. */
  ready: z
    .object({
      /** `true`: the program's own port. */
      tcp: z.union([port, z.literal(true)]).optional(),
      /** A path on the program's port, or a URL, that answers with a status of 200 to 299. */
      http: z.string().refine(isHttpTarget, 'must be a path that begins with / or a URL').optional(),
      /** Regular expression for one line of what it prints. */
      log: z.string().refine(isPattern, 'must be a regular expression').optional(),
      /** Ends with 0 when the program is ready. */
      command: argv.optional(),
      within: duration.default('10s'),
    })
    .optional(),
  stop: z.object({ signal: signal.default('SIGTERM'), within: duration.default('10s') }).optional(),
  /** When nothing but files named in `on` has changed, the program gets the signal instead of a new start. */
  reload: z.object({ signal: signal.default('SIGHUP'), on: z.array(contentRef).min(1) }).optional(),
  /** What the supervisor does when a program that was ready ends by itself. */
  restart: z.enum(['never', 'on-failure', 'always']).default('never'),
  /** Any value: when it changes, the program is started anew. */
  restartOn: z.json().optional(),
})
export type ProcessInputs = z.output<typeof processInputs>

export const processOutputs = z.object({
  /** Where the program answers: `listen`, else its own port; 0 when it has none. */
  port: z.number(),
  pid: z.number(),
  /** Relative to the program's folder. */
  logPath: z.string(),
  startedAt: z.string(),
  /** Time without a ready process during the last change. */
  downMs: z.number().optional(),
  /** False: its supervisor was killed. The next change, or `drift --repair`, starts it anew under a new one. */
  supervised: z.boolean(),
})
export type ProcessOutputs = z.output<typeof processOutputs>
