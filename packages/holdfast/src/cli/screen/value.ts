import type { PathChange } from '../../engine/index.ts'
import type { Paint } from '../paint.ts'

const SHORT_CHARS = 60
/** Lines around a change that are shown. */
const CONTEXT_LINES = 2
const LINES_MAX = 400

export const isSecretDoc = (v: unknown): boolean => typeof v === 'object' && v !== null && (v as { secret?: unknown }).secret === true && Object.keys(v).length === 1
export const unknownOf = (v: unknown): string | undefined =>
  (typeof v === 'object' && v !== null && Object.keys(v).length === 1 && typeof (v as { unknown?: unknown }).unknown === 'string' ? (v as { unknown: string }).unknown : undefined)
const assetOf = (v: unknown): { path: string; digest: string } | undefined => {
  const a = v as { path?: unknown; digest?: unknown } | null
  return typeof v === 'object' && typeof a?.path === 'string' && typeof a.digest === 'string' && a.digest.startsWith('sha256:') ? (a as { path: string; digest: string }) : undefined
}

/** A value in one line, at most some sixty characters. */
export function shortValue(v: unknown, paint: Paint): string {
  if (v === undefined) return 'none'
  if (isSecretDoc(v)) return `${paint.sign('‹')}secret${paint.sign('›')}`
  const unknown = unknownOf(v)
  if (unknown !== undefined) return `${paint.sign('⟨')}${unknown}${paint.sign('⟩')}`
  const asset = assetOf(v)
  if (asset) return `${asset.path} (${asset.digest.slice(0, 'sha256:'.length + 6)}${paint.sign('…')})`
  const text = JSON.stringify(v, (_, x: unknown) => (isSecretDoc(x) ? '‹secret›' : unknownOf(x) !== undefined ? `⟨${unknownOf(x)}⟩` : x)) ?? String(v)
  return text.length > SHORT_CHARS ? `${text.slice(0, SHORT_CHARS)}${paint.sign('…')}` : text
}

/** The lines that show how one input differs; the name of the input stands in the first. */
export function changeLines(change: PathChange, paint: Paint, note = ''): string[] {
  const name = change.path.padEnd(13)
  const tail = note === '' ? '' : `   ${paint.dim(note)}`
  if (change.files) {
    const { changed, total } = change.files
    const shown = changed.slice(0, 4).join(', ')
    return [`${name} ${changed.length} of ${total} files: ${shown}${changed.length > 4 ? `, ${paint.sign('…')}` : ''}${tail}`]
  }
  if (change.secret || (isSecretDoc(change.before) && isSecretDoc(change.after))) return [`${name} ${paint.sign('‹')}secret${paint.sign('›')} (changed)${tail}`]
  if (typeof change.before === 'string' && typeof change.after === 'string' && (change.before.includes('\n') || change.after.includes('\n'))) {
    const diff = unifiedLines(change.before, change.after, paint)
    if (diff) return [`${name} ${diff.counted}${tail}`, ...diff.lines.map((l) => `  ${l}`)]
  }
  return [`${name} ${shortValue(change.before, paint)} ${paint.sign('→')} ${shortValue(change.after, paint)}${tail}`]
}

/** Which lines went and came, with two lines around each place; undefined when the texts are too long to compare. */
export function unifiedLines(before: string, after: string, paint: Paint): { readonly counted: string; readonly lines: string[] } | undefined {
  const a = textLines(before)
  const b = textLines(after)
  if (a.length > LINES_MAX || b.length > LINES_MAX) return undefined
  const ops = lineDiff(a, b)
  const shown = ops.map(() => false)
  for (const [i, op] of ops.entries()) if (op.sign !== ' ') for (let k = Math.max(0, i - CONTEXT_LINES); k <= Math.min(ops.length - 1, i + CONTEXT_LINES); k++) shown[k] = true
  const lines: string[] = []
  for (const [i, op] of ops.entries()) {
    if (!shown[i]) continue
    if (i > 0 && !shown[i - 1] && lines.length > 0) lines.push(paint.dim(paint.sign('…')))
    const line = `${op.sign} ${op.text}`
    lines.push(op.sign === '+' ? paint.green(line) : op.sign === '-' ? paint.red(line) : line)
  }
  const changed = ops.filter((o) => o.sign !== ' ').length
  return { counted: changed === 1 ? '1 line' : `${changed} lines`, lines }
}

const textLines = (s: string): string[] => (s === '' ? [] : s.replace(/\n$/, '').split('\n'))

/** Longest common subsequence by table: texts are short. */
function lineDiff(a: readonly string[], b: readonly string[]): { readonly sign: ' ' | '+' | '-'; readonly text: string }[] {
  const width = b.length + 1
  const common = new Uint16Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) {
    common[i * width + j] = a[i] === b[j] ? (common[(i + 1) * width + j + 1] as number) + 1 : Math.max(common[(i + 1) * width + j] as number, common[i * width + j + 1] as number)
  }
  const out: { sign: ' ' | '+' | '-'; text: string }[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ sign: ' ', text: a[i++] as string })
      j++
    } else if (i < a.length && (j >= b.length || (common[(i + 1) * width + j] as number) >= (common[i * width + j + 1] as number))) out.push({ sign: '-', text: a[i++] as string })
    else out.push({ sign: '+', text: b[j++] as string })
  }
  return out
}
