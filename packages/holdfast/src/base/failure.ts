import { registry, type FailureCode } from './registry.ts'

/** Where in the user's program something was declared. */
export interface Site {
  readonly file: string
  readonly line: number
  readonly column: number
}

export interface FailureDetail {
  /** One plain sentence (or a few), in the user's words. Never a secret. */
  readonly message?: string
  /** The way out. Defaults to the registry's first fix. */
  readonly hint?: string
  readonly address?: string
  readonly site?: Site | undefined
  readonly run?: string
  readonly task?: string
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/**
 * An expected failure: it has a code in the registry, one sentence, a place and a way out.
 * Whatever else is thrown inside Holdfast is a {@link Bug} and ends with exit code 1.
 */
export class HoldfastError extends Error {
  override readonly name = 'HoldfastError'
  readonly code: FailureCode
  readonly hint: string
  address: string | undefined
  site: Site | undefined
  run: string | undefined
  task: string | undefined
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(code: FailureCode, detail: FailureDetail) {
    const entry = registry[code]
    super(detail.message ?? entry.summary, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.code = code
    this.hint = detail.hint ?? entry.fixes[0] ?? `holdfast explain ${code}`
    this.address = detail.address
    this.site = detail.site
    this.run = detail.run
    this.task = detail.task
    this.details = detail.details
  }

  /** Exit code of the command that ends with this failure. */
  get exitCode(): number {
    return registry[this.code].exit
  }

  /** The document of contract.md section 3, without undefined fields. */
  toDocument(): Record<string, unknown> {
    const doc: Record<string, unknown> = { code: this.code, message: this.message }
    if (this.address !== undefined) doc.address = this.address
    if (this.site) Object.assign(doc, { file: this.site.file, line: this.site.line, column: this.site.column })
    doc.hint = this.hint
    if (this.run !== undefined) doc.run = this.run
    if (this.task !== undefined) doc.task = this.task
    if (this.details) doc.details = this.details
    return doc
  }
}

export const failure = (code: FailureCode, detail: FailureDetail = {}): HoldfastError => new HoldfastError(code, detail)

const HOLDFAST_ERROR = 'HoldfastError'
/** By name, not by `instanceof`: two copies of the package may meet in one process. */
export const isFailure = (e: unknown): e is HoldfastError =>
  e instanceof Error && e.name === HOLDFAST_ERROR && typeof (e as { code?: unknown }).code === 'string'
