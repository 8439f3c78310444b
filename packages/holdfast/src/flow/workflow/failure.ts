import { isFailure, textOf } from '../../base/index.ts'
import { failing } from './kinds.ts'

/** A kept failure: plain data, so that it is the same in the next process. */
export interface FailureDoc {
  /** Names of the error's classes, the most derived first. */
  readonly names: readonly string[]
  readonly message: string
  readonly code?: string
  readonly stack?: string
  readonly causes: readonly FailureDoc[]
}

/** Causes that are kept of one failure. */
const CAUSES_MAX = 8
/** Characters of a message and of a stack. */
const TEXT_MAX = 16_384

/**
 * What went wrong in a task. It is what an undo receives as `result` when its own task failed, and the values of `flowFailures`.
 * After a restart the original error is gone: `error` is undefined, and `is` still answers.
 */
export class Failure {
  readonly names: readonly string[]
  readonly message: string
  readonly code: string | undefined
  readonly stack: string | undefined
  readonly causes: readonly FailureDoc[]
  readonly error: unknown

  private constructor(doc: FailureDoc, error: unknown) {
    this.names = doc.names
    this.message = doc.message
    this.code = doc.code
    this.stack = doc.stack
    this.causes = doc.causes
    this.error = error
  }

  static of(error: unknown): Failure {
    return error instanceof Failure ? error : new Failure(docOf(error), error)
  }

  /** One that was kept. Fails HF3203. */
  static from(doc: FailureDoc): Failure {
    if (!Array.isArray(doc?.names) || !doc.names.every((n) => typeof n === 'string') || typeof doc.message !== 'string' || !Array.isArray(doc.causes)) throw failing('HF3203', { message: 'Failure.from: doc must be a failure that was kept: names, message, causes.' })
    return new Failure(doc, undefined)
  }

  /** By name of a class of the error, or of a class that it extends; or by code. */
  is(...kinds: readonly (string | (new (...args: never[]) => Error))[]): boolean {
    return kinds.some((k) => (typeof k === 'string' ? this.names.includes(k) || this.code === k : this.names.includes(k.name)))
  }

  toJSON(): FailureDoc {
    return {
      names: this.names, message: this.message, ...(this.code === undefined ? {} : { code: this.code }), ...(this.stack === undefined ? {} : { stack: this.stack }), causes: this.causes,
    }
  }

  toString(): string {
    return `${this.names[0]}: ${this.message}`
  }
}

function docOf(error: unknown): FailureDoc {
  const causes: FailureDoc[] = []
  for (let c = error instanceof Error ? error.cause : undefined; c !== undefined && causes.length < CAUSES_MAX; c = c instanceof Error ? c.cause : undefined) causes.push(single(c))
  return { ...single(error), causes }
}

function single(error: unknown): FailureDoc {
  if (!(error instanceof Error)) return { names: ['Error'], message: textOf(error).slice(0, TEXT_MAX), causes: [] }
  const names = new Set<string>([error.name])
  for (let p: unknown = Object.getPrototypeOf(error); p && p !== Object.prototype; p = Object.getPrototypeOf(p)) names.add((p as { constructor: { name: string } }).constructor.name)
  return {
    names: [...names], message: error.message.slice(0, TEXT_MAX), ...(isFailure(error) ? { code: error.code } : {}),
    ...(error.stack === undefined ? {} : { stack: error.stack.slice(0, TEXT_MAX) }), causes: [],
  }
}
