/** One step of a path: the name of a member, the index of an element, or every one of them. */
export type PathStep = string | number | typeof EVERY
export const EVERY: unique symbol = Symbol('*')

const STEP = /\.?([^.[\]"*\s]+)|\[(\d+|\*|"(?:[^"\\]|\\.)*")\]/y

/**
 * Reads a path into inputs: `a`, `b.c`, `d[0]`, `d[*]`, `f["x.y"]`; `*` alone stands for everything and gives an empty list.
 * Gives undefined for what is no path.
 */
export function parsePath(text: string): readonly PathStep[] | undefined {
  if (text === '*') return []
  const steps: PathStep[] = []
  for (let at = 0; at < text.length; at = STEP.lastIndex) {
    STEP.lastIndex = at
    const m = STEP.exec(text)
    const [all = '', name, index] = m ?? []
    if (!m) return undefined
    if (name !== undefined) {
      // A name stands first or after a dot, and nowhere else.
      if (all.startsWith('.') === (at === 0)) return undefined
      steps.push(name)
    } else if (at === 0) return undefined
    else if (index === '*') steps.push(EVERY)
    else if ((index as string).startsWith('"')) {
      const key = unquoted(index as string)
      if (key === undefined) return undefined
      steps.push(key)
    } else steps.push(Number(index))
  }
  return steps.length > 0 ? steps : undefined
}

function unquoted(text: string): string | undefined {
  try {
    return JSON.parse(text) as string
  } catch {
    return undefined // an escape that JSON does not know
  }
}
