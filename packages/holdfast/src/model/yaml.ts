import type { Plain } from '../base/index.ts'

/**
 * YAML 1.2 in block style, which readers of 1.1 understand alike: a text that any of them could take for something else is quoted.
 *
 * Takes    what JSON can hold. Keys keep their order; undefined members are left out.
 */
export function toYaml(v: Plain): string {
  return `${lines(v).join('\n')}\n`
}

type Members = readonly (readonly [string, Plain])[]
const members = (v: object): Members => Object.entries(v as Record<string, Plain | undefined>).filter((kv): kv is [string, Plain] => kv[1] !== undefined)

/** The value on one line, or undefined when it needs a block. */
function inline(v: Plain | undefined): string | undefined {
  if (v === null || v === undefined) return 'null'
  if (typeof v === 'string') return scalar(v)
  if (typeof v !== 'object') return String(JSON.stringify(v)).replace(/^(-?\d+)e/, '$1.0e') // 1.1 wants a point before an exponent
  if (Array.isArray(v)) return v.length === 0 ? '[]' : undefined
  return members(v).length === 0 ? '{}' : undefined
}

function lines(v: Plain): string[] {
  const one = inline(v)
  if (one !== undefined) return [one]
  const out: string[] = []
  if (Array.isArray(v)) {
    for (const x of v as readonly Plain[]) out.push(...lines(x ?? null).map((line, i) => (i === 0 ? '- ' : '  ') + line))
    return out
  }
  for (const [k, x] of members(v as object)) {
    const key = scalar(k)
    const value = inline(x)
    // A key that may be longer than 1,024 characters has to be marked as one.
    const head = key.length > IMPLICIT_KEY_CHARS ? `? ${key}` : undefined
    if (head !== undefined) out.push(head)
    const colon = head === undefined ? `${key}:` : ':'
    if (value !== undefined) out.push(`${colon} ${value}`)
    else out.push(colon, ...lines(x).map((line) => `  ${line}`))
  }
  return out
}

const IMPLICIT_KEY_CHARS = 1000
/** Words that some version reads as null, a boolean, a number or a merge. */
const RESERVED = /^(?:null|true|false|yes|no|on|off|y|n|nan|inf|infinity)$/i
/** A letter first; then nothing that means something in YAML; single blanks inside. */
const PLAIN = /^[A-Za-z][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*$/
/** What YAML does not count as printable, or takes for a line break, though JSON leaves it as it is. */
const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g

function scalar(s: string): string {
  if (PLAIN.test(s) && !RESERVED.test(s)) return s
  return JSON.stringify(s).replace(UNPRINTABLE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
