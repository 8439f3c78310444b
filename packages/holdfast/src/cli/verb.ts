import type { Millis } from '../base/index.ts'
import type { OnFailure } from '../engine/index.ts'
import type { Io } from './io.ts'

/** The flags of a call, checked and with their defaults. */
export interface Flags {
  readonly env: string | undefined
  readonly cwd: string
  readonly config: string | undefined
  readonly set: readonly string[]
  readonly json: boolean
  readonly events: string | undefined
  readonly yes: boolean
  readonly input: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  readonly concurrency: number | undefined
  readonly lockTimeoutMs: Millis
  readonly target: readonly string[]
  readonly exclude: readonly string[]
  readonly targetDependents: boolean
  readonly excludeDependents: boolean
  readonly replace: readonly string[]
  readonly unprotect: readonly string[]
  readonly allowDeletes: number | undefined
  readonly exitCode: boolean
  readonly onFailure: OnFailure
  /** Flags of the verb alone, by their long name in camel case. */
  readonly own: Readonly<Record<string, string | boolean | undefined>>
}

export interface Call {
  /** `run settle`. */
  readonly verb: string
  readonly args: readonly string[]
  readonly flags: Flags
}

/** Does it and gives the exit code. Fails with a failure that has its own. */
export type Verb = (io: Io, call: Call) => Promise<number>
