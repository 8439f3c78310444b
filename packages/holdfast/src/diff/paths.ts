import { EVERY, isSecret, isUnknown, parsePath, type PathStep, type Value } from '../model/index.ts'
import { compare } from './compare.ts'

type Tree = { readonly [key: string]: Value | undefined }

/**
 * `next` with what stood in `stored` at the paths; where nothing stood, nothing stands. A path that leads nowhere changes nothing.
 * Elements of lists are found by their index.
 */
export function withStored<T extends Tree>(next: T, stored: Tree, paths: readonly string[]): T {
  let out: Value | undefined = next as Value
  for (const text of paths) out = put(out, stored as Value, stepsOf(text))
  return out as unknown as T
}

/** A place of `paths` where the trees differ, and whether that is not known yet. */
export interface DifferentAt {
  readonly path: string
  readonly unknown: boolean
}

/** Which of the paths have another value now. */
export function differentAt(before: Tree, after: Tree, paths: readonly string[]): DifferentAt[] {
  return paths.flatMap((path): DifferentAt[] => {
    const found = pairs(before as Value, after as Value, stepsOf(path)).flatMap(([a, b]) => compare(a, b))
    return found.length === 0 ? [] : [{ path, unknown: found.every((d) => d.unknown) }]
  })
}

/** Checked where the program is read; a row may hold what a newer version wrote. */
const stepsOf = (text: string): readonly PathStep[] => parsePath(text) ?? []

const isList = (v: Value | undefined): v is readonly Value[] => Array.isArray(v)
const isTree = (v: Value | undefined): v is Tree =>
  typeof v === 'object' && v !== null && !Array.isArray(v) && !isSecret(v) && !isUnknown(v) && !(v instanceof Uint8Array) && !(v instanceof Date)

function member(v: Value | undefined, step: string | number): Value | undefined {
  if (typeof step === 'number') return isList(v) ? v[step] : undefined
  return isTree(v) && Object.hasOwn(v, step) ? v[step] : undefined
}

/** The steps that `*` stands for, in either tree. */
function every(a: Value | undefined, b: Value | undefined): (string | number)[] {
  if (isList(a) || isList(b)) return [...Array(Math.max(isList(a) ? a.length : 0, isList(b) ? b.length : 0)).keys()]
  return [...new Set([...(isTree(a) ? Object.keys(a) : []), ...(isTree(b) ? Object.keys(b) : [])])]
}

function put(next: Value | undefined, stored: Value | undefined, steps: readonly PathStep[]): Value | undefined {
  const [step, ...rest] = steps
  if (step === undefined) return stored
  if (step === EVERY) {
    let out = next
    // From the end: what is taken out of a list must not move what is still to be looked at.
    for (const each of every(next, stored).reverse()) out = put(out, stored, [each, ...rest])
    return out
  }
  // An unknown or secret whole covers the place: nothing can be put into it.
  if (typeof step === 'number' ? !isList(next) : !isTree(next)) return next
  const was = member(stored, step)
  const is = member(next, step)
  // The way there exists on one side only: then there is no such place.
  if (rest.length > 0 && (was === undefined || is === undefined)) return next
  const value = put(is, was, rest)
  if (value === is) return next
  if (isList(next)) {
    const at = step as number
    if (value === undefined) return at < next.length ? next.filter((_, i) => i !== at) : next
    return at <= next.length ? Object.assign([...next], { [at]: value }) : next
  }
  const { [step as string]: _, ...others } = next as Record<string, Value | undefined>
  return (value === undefined ? others : { ...(next as Record<string, Value | undefined>), [step as string]: value }) as Value
}

function pairs(before: Value | undefined, after: Value | undefined, steps: readonly PathStep[]): [Value | undefined, Value | undefined][] {
  const [step, ...rest] = steps
  // What is unknown as a whole is unknown at every place in it.
  if (step === undefined || isUnknown(after)) return [[before, after]]
  if (step === EVERY) return every(before, after).flatMap((each) => pairs(before, after, [each, ...rest]))
  // A secret is compared as a whole: nobody looks into it.
  if (isSecret(before) || isSecret(after)) return [[before, after]]
  return pairs(member(before, step), member(after, step), rest)
}
