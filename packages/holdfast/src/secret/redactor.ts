import { limits } from '../base/index.ts'
import { formsOf } from './forms.ts'
import { makePatterns, type Patterns } from './patterns.ts'

const MASK = '[secret]'

/** The second line behind the type {@link SecretValue}: what was opened in this process is masked wherever text leaves it. */
export interface Redactor {
  /** From now on `text` is masked. Shorter than `limits.redactMinChars`: protected by its type only. */
  add(text: string): void
  text(s: string): string
  /**
   * Masks a text that comes in pieces: the same result as for the whole, wherever it is cut.
   * Only what may be the beginning of a secret is held back; `end` gives it out.
   */
  stream(write: (chunk: string) => void): { write(chunk: string): void; end(): void }
  /** What was added, for a child that redacts by itself. */
  secrets(): readonly string[]
}

/** Costs nothing while nothing was added; then one pass over the text, whatever the number of secrets. */
export function makeRedactor(): Redactor {
  const known = new Set<string>()
  let waiting: string[] = []
  const patterns = makePatterns()

  /** Forms are made when a text is first looked at, not when a secret is opened. */
  const ready = (): Patterns => {
    if (waiting.length > 0) {
      const added = waiting
      waiting = []
      for (const secret of added) for (const form of formsOf(secret)) patterns.add(form)
    }
    return patterns
  }

  return {
    add(text) {
      if (text.length < limits.redactMinChars || known.has(text)) return
      known.add(text)
      waiting.push(text)
    },
    text(s) {
      if (known.size === 0 || s.length < limits.redactMinChars) return s
      return mask(ready(), s, 0, true).out
    },
    stream(write) {
      let held = ''
      let covered = 0
      const pass = (chunk: string, last: boolean): void => {
        if (known.size === 0) {
          if (chunk !== '') write(chunk)
          return
        }
        const result = mask(ready(), held + chunk, covered, last)
        held = result.rest
        covered = result.covered
        if (result.out !== '') write(result.out)
      }
      return { write: (chunk) => pass(chunk, false), end: () => pass('', true) }
    },
    secrets: () => [...known],
  }
}

/**
 * Masks every place that any pattern covers; overlapping places become one mask, so that no end of a second secret sticks out behind the first.
 *
 * Takes    `covered`: how many characters at the beginning lie in a place whose mask was written already.
 * Gives    `rest`: unless `last`, the tail that may be the beginning of a (longer) pattern, with its own `covered`.
 */
function mask(patterns: Patterns, s: string, covered: number, last: boolean): { readonly out: string; readonly rest: string; readonly covered: number } {
  let out = ''
  /** Everything before `from` is in `out`, or masked. `from` > i means that i is inside a masked place. */
  let from = covered
  for (let i = 0; i < s.length; i++) {
    // Before the match: a pattern that ends here may be the beginning of a longer one.
    if (!last && s.length - i < patterns.longest && patterns.mayBegin(s, i)) {
      return { out: out + s.slice(from, Math.max(from, i)), rest: s.slice(i), covered: Math.max(0, from - i) }
    }
    const length = patterns.matchAt(s, i)
    if (length === 0) continue
    if (i >= from) out += s.slice(from, i) + MASK
    from = Math.max(from, i + length)
  }
  return { out: out + s.slice(from), rest: '', covered: Math.max(0, from - s.length) }
}
