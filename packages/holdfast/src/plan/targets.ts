import { failure, mutant } from '../base/index.ts'
import { closure } from '../graph/index.ts'
import type { Address } from '../model/index.ts'

/** What a person restricts an operation to: addresses, or patterns (`*` within a segment, `**` across segments). */
export interface Restriction {
  readonly targets: readonly string[]
  readonly excludes: readonly string[]
  /** With the targets, all that depends on them. */
  readonly targetDependents: boolean
  /** With what is excluded, all that depends on it. */
  readonly excludeDependents: boolean
}

/** Nothing is left out. */
export const isWhole = (r: Restriction): boolean => r.targets.length === 0 && r.excludes.length === 0

/**
 * The nodes an operation may touch.
 *
 * Takes    `all`: every node of the program, and every row that no node stands for. `dependents` gives direct neighbours.
 * Gives    the set; undefined where nothing is restricted. A node that is named as a target stays one whatever is excluded; what a pattern or a
 *          dependence brought in yields to an exclusion, which is the narrower word.
 * Fails    HF6001 for a word that names nothing: a slip of the pen must neither spare nor hit anything.
 */
export function chosen(all: Iterable<Address>, r: Restriction, dependents: (a: Address) => readonly Address[]): Set<Address> | undefined {
  if (isWhole(r)) return undefined
  const known = new Set(all)
  const targets = named(known, r.targets)
  const wanted = r.targets.length === 0 ? known : r.targetDependents ? closure(targets, dependents) : targets
  const excluded = named(known, r.excludes)
  const out = r.excludeDependents ? closure(excluded, dependents) : excluded
  const literal = new Set(r.targets)
  return new Set([...wanted].filter((a) => known.has(a) && (literal.has(a) || !out.has(a) || mutant('exclusion-ignored'))))
}

function named(known: ReadonlySet<Address>, words: readonly string[]): Set<Address> {
  const out = new Set<Address>()
  for (const word of words) {
    if (!word.includes('*')) {
      if (!known.has(word)) throw unknown(word, known)
      out.add(word)
      continue
    }
    const fits = pattern(word)
    const before = out.size
    let any = false
    for (const a of known) if (fits.test(a)) {
      any = true
      out.add(a)
    }
    if (!any && out.size === before) throw failure('HF6001', { message: `${word} fits no node of this program or state.` })
  }
  return out
}

function unknown(word: string, known: ReadonlySet<Address>) {
  const below = [...known].some((a) => a.startsWith(`${word}/`))
  return failure('HF6001', { address: word, message: `${word} is no node of this program or state.`, ...(below ? { hint: `It is a component. All that is in it: '${word}/**'.` } : {}) })
}

/** `web/*` is what lies directly in web, `web/**` all that lies in it, `**` everything. */
export function pattern(word: string): RegExp {
  const text = word.replace(/\*\*|\*|[^*]+/g, (part) => (part === '**' ? '.*' : part === '*' ? '[^/]*' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')))
  return new RegExp(`^${text}$`, 'su')
}
