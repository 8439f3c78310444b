// The world of the kill suite as a function of a seed and a version: the program declares it, and the test compares the folder with it. No imports: the program is
// copied into a project of its own.

export interface Text { readonly kind: 'value'; readonly name: string; readonly text: string; readonly trigger: number; readonly needs: string | undefined }
export interface Word { readonly kind: 'password'; readonly name: string; readonly length: number }
export interface Folder { readonly kind: 'folder'; readonly name: string; readonly path: string }
export interface Page { readonly kind: 'file'; readonly name: string; readonly path: string; readonly text: string; readonly value: string | undefined; readonly password: string | undefined; readonly folder: string | undefined; readonly token: boolean }
export interface Box { readonly kind: 'box'; readonly name: string; readonly label: string; readonly size: number; readonly value: string | undefined; readonly password: string }
export type Wanted = Text | Word | Folder | Page | Box

const SHARE = { value: 0.3, password: 0.12, folder: 0.06, file: 0.4, box: 0.12 } as const
const CHAIN_MAX = 6
/** Share of the slots that are empty at a version; which ones, changes slowly. */
const ABSENT = 0.08

/** Nodes of one version, in order: what a node needs stands before it. `slots`: how many there would be if none were absent. */
export function wantedNodes(seed: number, version: number, slots: number): Wanted[] {
  /** Equal words, equal number in [0, 1). */
  const draw = (...words: readonly (string | number)[]): number => {
    let h = 2166136261 ^ seed
    for (const c of words.join('|')) h = Math.imul(h ^ c.charCodeAt(0), 16777619)
    h = Math.imul(h ^ (h >>> 15), 2246822507)
    h = Math.imul(h ^ (h >>> 13), 3266489909)
    return ((h ^ (h >>> 16)) >>> 0) / 4294967296
  }
  const pick = (list: readonly string[], ...words: readonly (string | number)[]): string | undefined => list[Math.floor(draw(...words) * list.length)]
  /** How often something had changed up to this version, when it changes with a chance per version. */
  const times = (what: string, i: number, chance: number): number => {
    let n = 0
    for (let v = 1; v <= version; v++) if (draw(what, i, v) < chance) n++
    return n
  }
  const out: Wanted[] = []
  const names: Record<Wanted['kind'], string[]> = { value: [], password: [], folder: [], file: [], box: [] }
  const depth = new Map<string, number>()
  const present = (kind: string, i: number) => draw('present', kind, i, Math.floor((version + draw('phase', kind, i) * 4) / 4)) >= ABSENT
  const each = (kind: Wanted['kind'], make: (i: number) => Wanted): void => {
    for (let i = 0; i < Math.round(slots * SHARE[kind]); i++) {
      if (!present(kind, i)) continue
      const node = make(i)
      out.push(node)
      names[kind].push(node.name)
    }
  }
  each('value', (i) => {
    const name = `value-${i}`
    const candidate = draw('chained', i) < 0.7 ? pick(names.value, 'needs', i, times('needs', i, 0.02)) : undefined
    const needs = candidate !== undefined && (depth.get(candidate) ?? 0) < CHAIN_MAX ? candidate : undefined
    depth.set(name, needs === undefined ? 0 : (depth.get(needs) ?? 0) + 1)
    return { kind: 'value', name, text: `text ${i} ${times('text', i, 0.06)}`, trigger: times('trigger', i, 0.03), needs }
  })
  each('password', (i) => ({ kind: 'password', name: `password-${i}`, length: 20 + (times('length', i, 0.04) % 3) }))
  // A folder is empty when it is replaced or goes: what lies in it names it, and goes with it.
  each('folder', (i) => ({ kind: 'folder', name: `folder-${i}`, path: `out/folder-${i}-${times('folder', i, 0.03)}` }))
  const folders = new Map(out.filter((n) => n.kind === 'folder').map((n) => [n.name, n.path]))
  each('file', (i) => {
    const folder = draw('inside', i) < 0.3 ? pick(names.folder, 'folder-of', i) : undefined
    const below = folder === undefined ? (draw('deep', i) < 0.2 ? `out/deep/${i % 5}` : 'out') : folders.get(folder)
    return {
      kind: 'file', folder, path: `${below}/file-${i}-${times('path', i, 0.04)}.txt`,
      // A new name over the same path is a move: the file is not touched.
      name: `file-${i}-${times('renamed', i, 0.02)}`,
      text: `page ${i} ${times('page', i, 0.08)}\n${'.'.repeat(Math.floor(draw('size', i) * 2000))}`,
      value: draw('with-value', i) < 0.5 ? pick(names.value, 'value-of', i, times('value-of', i, 0.02)) : undefined,
      password: draw('with-password', i) < 0.3 ? pick(names.password, 'password-of', i) : undefined,
      token: draw('with-token', i) < 0.1,
    }
  })
  each('box', (i) => ({
    kind: 'box', name: `box-${i}`, label: `label-${i}-${times('label', i, 0.05)}`, size: times('size', i, 0.1),
    value: draw('box-value', i) < 0.5 ? pick(names.value, 'box-value-of', i) : undefined,
    password: pick(names.password, 'box-password-of', i) as string,
  }))
  return out
}

/** The text that a value gives. */
export function valueTexts(nodes: readonly Wanted[]): Map<string, string> {
  const texts = new Map<string, string>()
  for (const n of nodes) if (n.kind === 'value') texts.set(n.name, n.needs === undefined ? n.text : `${n.text} < ${texts.get(n.needs)}`)
  return texts
}
