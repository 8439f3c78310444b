import type { ChangeAction, ChangeDocument, PlanDocument } from '../../engine/index.ts'
import type { Paint } from '../paint.ts'
import { changeLines } from './value.ts'

export interface PlanScreen {
  readonly app: string
  readonly env: string
  readonly store: string
  /** First characters of the program's digest, when it is known. */
  readonly program: string | undefined
  /** Component instances: address to type. */
  readonly components: ReadonlyMap<string, string>
  readonly verbose: boolean
  /** Says how to apply it; not while an apply shows it. */
  readonly saved: boolean
}

/** In the order of the summary. */
const ACTIONS: readonly ChangeAction[] = ['create', 'update', 'replace', 'move', 'adopt', 'maybe', 'read', 'delete', 'forget']
const NAME_COLUMNS = 16
const TYPE_COLUMNS = 27

/** What an apply would change (spec/api-cli.md 4.4). The word always stands beside the sign. */
export function planScreen(doc: PlanDocument, s: PlanScreen, paint: Paint): string {
  const dot = ` ${paint.sign('·')} `
  const arrow = paint.sign('→')
  const next = doc.changes.length > 0 ? `revision ${doc.revision} ${arrow} ${doc.revision + 1}` : `revision ${doc.revision}`
  const head = [paint.bold(`${s.app}${dot}${s.env}`), next, s.program && `program ${s.program.slice(0, 8)}`, `state ${s.store}`].filter(Boolean).join('   ')
  let out = `${head}\n`
  if (doc.openRun !== undefined) out += `${paint.yellow(`run ${doc.openRun} is not finished; an apply takes it over`)}\n`
  for (const f of doc.findings ?? []) out += `${paint.yellow('warning')} ${f.address === undefined ? '' : `${f.address}: `}${f.message} (policy ${f.policy})\n`
  const summary = summaryLine(doc.summary, paint)
  const untouched = doc.untouched === undefined ? '' : `Restricted: ${doc.untouched} ${doc.untouched === 1 ? 'node is' : 'nodes are'} not touched.\n`
  const pending = doc.pending?.length ? `Still to be deleted, from earlier runs: ${doc.pending.join(', ')}\n` : ''
  if (doc.changes.length === 0) return `${out}\nNo changes.${doc.summary.unchanged ? ` ${summary}` : ''}\n${untouched}${pending}`
  out += '\n'
  let open: readonly string[] = []
  for (const change of doc.changes) {
    const path = change.address.split('/')
    const folders = path.slice(0, -1)
    out += componentHeaders(folders, open, s, paint)
    open = folders
    out += changeBlock(change, folders.length, path[path.length - 1] as string, s, paint)
  }
  out += `\n${summary}\n${untouched}${pending}`
  if (s.saved) out += `Saved ${doc.id}  ${arrow}  holdfast apply ${doc.id}\n`
  return out
}

/** `1 create · 2 update · 5 unchanged`. */
export function summaryLine(summary: Readonly<Record<string, number>>, paint: Paint): string {
  const keys = [...ACTIONS.filter((a) => summary[a]), ...Object.keys(summary).filter((k) => summary[k] && k !== 'unchanged' && !ACTIONS.includes(k as ChangeAction)), ...(summary.unchanged ? ['unchanged'] : [])]
  return keys.map((k) => `${summary[k]} ${k}`).join(` ${paint.sign('·')} `)
}

function componentHeaders(folders: readonly string[], open: readonly string[], s: PlanScreen, paint: Paint): string {
  let out = ''
  let same = true
  for (let depth = 0; depth < folders.length; depth++) {
    same &&= folders[depth] === open[depth]
    if (same) continue
    const type = s.components.get(folders.slice(0, depth + 1).join('/'))
    const left = `${'  '.repeat(depth + 1)}${folders[depth]}`
    out += `${type ? `${left.padEnd(4 + NAME_COLUMNS + TYPE_COLUMNS + 1)} ${paint.dim(type)}` : left}\n`
  }
  return out
}

function changeBlock(c: ChangeDocument, depth: number, name: string, s: PlanScreen, paint: Paint): string {
  const sign = signOf(c.action, paint).padEnd(2)
  const indent = '  '.repeat(depth)
  const colour = colourOf(c.action, paint)
  const word = c.verb ?? c.action
  const notes = [
    c.protected ? 'protected' : c.unprotected ? 'its protection is lifted' : '',
    c.adopts === undefined ? '' : `takes over ${c.adopts}, ${c.owner === 'mine' ? 'which is ours' : c.owner === 'other' ? 'which is somebody else\'s' : 'owner not known'}`,
    c.replace === 'delete-first' ? 'the old one goes first' : c.replace === 'create-first' ? 'the new one comes first' : '',
    c.action === 'delete' ? 'after commit' : '',
    c.irreversible ? 'cannot be taken back' : '',
    c.identity === 'new' && c.action !== 'create' ? 'taking it back makes a new object' : '',
    c.recovery === 'D' ? 'a lost answer needs a person' : '',
  ].filter((n) => n !== '')
  const row = `${colour(sign)}  ${indent}${name.padEnd(Math.max(NAME_COLUMNS - indent.length, 1))} ${c.type.padEnd(TYPE_COLUMNS)} ${colour(word.padEnd(9))}  ${notes.join(', ')}`
  let out = `${row.trimEnd()}\n`
  const detail = (line: string): void => {
    out += `    ${indent}    ${line}\n`
  }
  if (c.hooks) detail(paint.dim(`hooks: ${Object.entries(c.hooks).map(([point, name]) => `${point} ${name}`).join(', ')}`))
  for (const reason of c.reasons) detail(paint.dim(reason))
  if (c.action === 'create' && !s.verbose) return out
  for (const p of c.paths ?? []) for (const line of changeLines(p, paint)) detail(line)
  return out
}

function signOf(action: ChangeAction, paint: Paint): string {
  switch (action) {
    case 'create': return '+'
    case 'update': return '~'
    case 'replace': return paint.sign('±')
    case 'delete': return '-'
    case 'maybe': return '?'
    case 'read': return '<'
    case 'move': return '>'
    case 'forget': return 'x'
    case 'adopt': return '*'
  }
}

function colourOf(action: ChangeAction, paint: Paint): (text: string) => string {
  switch (action) {
    case 'create': case 'adopt': return paint.green
    case 'update': case 'move': return paint.yellow
    case 'replace': case 'delete': case 'forget': return paint.red
    case 'maybe': case 'read': return paint.cyan
  }
}
