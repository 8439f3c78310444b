import type { z } from 'zod'
import type { Millis } from '../base/index.ts'
import type { Capability, Mark, Step } from '../model/index.ts'

/**
 * Idempotency token of one transaction step: equal on every retry until all earlier attempts are proven not applied (decisions 3).
 * `toString()` for a type that makes one call; `step(name)` for each further object.
 */
export interface CallKey {
  toString(): string
  step(name: string): string
}

/** Where the program lives. Relative paths of local types are relative to `root`. */
export interface Host {
  /** Folder of the program, absolute. */
  readonly root: string
  /** `.holdfast` beside it, absolute. */
  readonly home: string
  /** Environment the call belongs to. */
  readonly env: { readonly id: string; readonly app: string; readonly name: string }
  /** Path to read an asset from: the user's file while it has that digest, else the kept bytes. */
  assetPath(asset: { readonly path: string; readonly digest: string }): string
  /** Every text that a provider logs, throws or writes to a log file passes here. */
  redact(text: string): string
  /** Texts that must not be shown, for a child that redacts by itself. */
  secrets(): readonly string[]
}

/** What every call of a provider receives. */
export interface CallContext {
  readonly key: CallKey
  readonly mark: Mark
  /** Stable over runs and renames: the component and type of the node. */
  readonly namespace: string
  /** A person says that this one request may be sent again although nobody knows what became of it (`run settle --retry`). */
  readonly insisted?: boolean
  /** For types with `naming`: chosen and journaled before the call. */
  readonly physicalName?: string
  /** Aborted when the deadline passes or the run is stopped hard. */
  readonly signal: AbortSignal
  readonly host: Host
  /** One line for the person who watches; redacted. */
  log(message: string): void
  /** What the step waits for now; shown in the live view. */
  progress(message: string): void
}

export interface Prior<I, O> {
  readonly inputs: I
  readonly outputs: O
}

/** What a type's author writes (contract.md 2, spec/api-cli.md 2.6 with T18). */
export interface ResourceSpec<I extends z.ZodObject = z.ZodObject, O extends z.ZodObject = z.ZodObject> {
  readonly type: string
  /** Version of the schemas; default 1. */
  readonly version?: number
  readonly inputs: I
  readonly outputs: O
  /** Inputs whose change needs a new object. Without `update` every change does. */
  readonly replaceOn?: readonly (keyof z.output<I> & string)[]
  /** The old object must go before the new one can be made. */
  readonly deleteFirst?: boolean
  create(a: CallContext & { readonly inputs: z.output<I>; partial(outputs: Partial<z.output<O>>): Promise<void> }): Promise<z.input<O>>
  /** `undefined`: gone. `owner` tells whose it is, where the type can tell. */
  read?(a: CallContext & { readonly inputs: z.output<I>; readonly outputs?: Partial<z.output<O>> }): Promise<(z.input<O> & { readonly owner?: 'mine' | 'other' | 'unknown' }) | undefined>
  update?(a: CallContext & { readonly inputs: z.output<I>; readonly outputs: z.output<O>; readonly prior: Prior<z.output<I>, z.output<O>>; partial(outputs: Partial<z.output<O>>): Promise<void> }): Promise<z.input<O>>
  /** Succeeds when the object is gone already; works with the outputs of `partial` alone. Proves that the object is still ours, else leaves it and says so with `notOurs(...)`. */
  delete(a: CallContext & { readonly inputs: z.output<I>; readonly outputs: Partial<z.output<O>> }): Promise<void>
  /**
   * Two questions. With `inputs` alone it answers `lookup(Type, inputs)`. With `mark` it searches for the object that carries it: what a type of
   * `capability: { create: { find: true } }` is asked after a create whose answer was lost. The mark decides then; `inputs` and `namespace` may narrow the search.
   *
   * Gives    every object that fits: one, a list, or `undefined` for none. It need not know yet what came into being less than `settleMs` ago.
   */
  find?(a: Omit<CallContext, 'mark'> & { readonly inputs?: Partial<z.output<I>>; readonly mark?: Mark }): Promise<z.input<O> | readonly z.input<O>[] | undefined>
  /** Outputs that follow from known inputs, before anything is made. Pure. Inputs may lack what is unknown. */
  readonly predict?: (inputs: Partial<z.output<I>>, host: Host) => Partial<z.output<O>>
  /**
   * An output that holds a moment (ISO 8601): from then on, a plan makes a new object in the place of this one (what expires: a certificate, a token).
   * While the output is absent, nothing is due.
   */
  readonly renewAt?: keyof z.output<O> & string
  /** Outputs that an update never changes. */
  readonly stable?: readonly (keyof z.output<O> & string)[]
  /** An output that tells what a secret input is (a digest of it) is secret when that input is: `{ digest: ['content'] }`. */
  readonly derived?: Readonly<Record<string, readonly (keyof z.output<I> & string)[]>>
  /** Migrates stored documents from version `n` to `n + 1`. */
  readonly upgrade?: Readonly<Record<number, (doc: { inputs: Record<string, unknown>; outputs: Record<string, unknown> }) => { inputs: Record<string, unknown>; outputs: Record<string, unknown> }>>
  readonly capability?: Capability
  /** Keys of the physical things a node owns (decisions 2). Pure. Called only with inputs that are all known. */
  readonly claims?: (inputs: z.output<I>, host: Host) => readonly string[]
  readonly irreversible?: readonly Step[]
  /** Taking back gives the same content in a new object. */
  readonly identity?: 'new'
  readonly naming?: { readonly maxLength: number; readonly charset?: string; readonly scope?: 'global' | 'account' | 'parent' }
  /** Most calls of the type at the same time. Default 10; in-process types say 64. */
  readonly limit?: number
  /** Deadline of one call. */
  readonly timeout?: string
  /** How a change is called in plans (`restart`, `reload`), when it is not `update`. Pure. */
  readonly describe?: (change: { readonly inputs: Partial<z.output<I>>; readonly prior: Prior<z.output<I>, z.output<O>>; readonly paths: readonly string[] }) => string | undefined
  /** Deletion moves data to the trash; what was bound to it goes along. */
  readonly holdsData?: (inputs: z.output<I>) => boolean
  /** Names the data holder this object is bound to, if it is (`boundTo`). */
  readonly boundTo?: (inputs: z.output<I>) => string | undefined
}

/** A type as the engine sees it: every member that has a default has its value. */
export interface ResourceType extends ResourceSpec {
  readonly version: number
  /** `package@version#export`, or `program#TypeName` for a type declared in the program. */
  readonly provider: string
  /** Time limit of one call. */
  readonly timeoutMs: Millis
  readonly limit: number
}
