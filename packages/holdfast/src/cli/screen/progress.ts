import type { EngineEvent } from '../../engine/index.ts'
import type { Io } from '../io.ts'
import { msText } from './rows.ts'

/** Shows events while they happen: a live block on a terminal, lines elsewhere. */
export interface Progress {
  event(e: EngineEvent): void
  /** Nothing is drawn while a question is asked. */
  pause(): void
  resume(): void
  /** Takes the live block away and writes what is still held back. */
  end(): void
}

const FRAME_MS = 84
const PLAIN_FLUSH_MS = 50
const HEARTBEAT_MS = 30_000
/** Of the terminal's height, what is left to others. */
const ROWS_KEPT_FREE = 4
/** A step shorter than this is not worth a row of its own while it runs. */
const SHOWN_AFTER_MS = 200

interface Running {
  readonly node: string
  readonly op: string
  readonly since: number
  message: string
}

/** What one event means for a reader: a row that stays, or nothing. */
interface Row {
  readonly sign: '✓' | '✗' | '↩' | '…'
  readonly word: string
  readonly node: string
  readonly text: string
  readonly ms: number | undefined
}

export function makeProgress(io: Io, quiet: boolean): Progress {
  if (quiet) return { event: () => {}, pause: () => {}, resume: () => {}, end: () => {} }
  return io.stderrIsTty && io.variables.TERM !== 'dumb' ? live(io) : plain(io)
}

/** Keeps who runs, and gives the row that an event leaves behind. */
function follow() {
  const running = new Map<string, Running>()
  let phase = ''
  let done = 0
  const take = (e: EngineEvent): Row | undefined => {
    const node = e.node ?? ''
    const ended = (sign: Row['sign'], word: string): Row => {
      const r = running.get(node)
      running.delete(node)
      done++
      return { sign, word, node, text: [e.op ?? r?.op, firstLine(e.message)].filter(Boolean).join('  '), ms: e.ms }
    }
    switch (e.type) {
      case 'run.phase': phase = e.message ?? String(e.data?.phase ?? ''); return undefined
      case 'task.started': case 'task.reverting':
        running.set(node, { node, op: e.type === 'task.reverting' ? 'take back' : e.op ?? '', since: performance.now(), message: e.message ?? '' })
        return undefined
      case 'task.progress': case 'task.partial': {
        const r = running.get(node)
        if (r && e.message) r.message = firstLine(e.message)
        // Before a run begins, what an earlier one left is waited for.
        return !r && e.type === 'task.progress' && e.message ? { sign: '…', word: 'waiting', node, text: firstLine(e.message), ms: undefined } : undefined
      }
      case 'task.succeeded': return ended('✓', 'ok')
      case 'task.failed': return ended('✗', 'FAIL')
      case 'task.unknown': return ended('✗', 'unknown')
      case 'task.skipped': running.delete(node); return undefined
      case 'task.reverted': return ended('↩', 'reverted')
      case 'task.revertFailed': return ended('✗', 'FAIL')
      case 'task.retrying': return { sign: '…', word: 'retry', node, text: [e.op, firstLine(e.message)].filter(Boolean).join('  '), ms: undefined }
      case 'lock.waiting': return { sign: '…', word: 'waiting', node: '', text: e.message ?? 'for another apply', ms: undefined }
      case 'lock.lost': return { sign: '✗', word: 'lost', node: '', text: e.message ?? 'the lease', ms: undefined }
      case 'log': return e.message ? { sign: '…', word: 'log', node, text: e.message, ms: undefined } : undefined
      default: return undefined
    }
  }
  return { take, running, state: () => ({ phase, done }) }
}

const firstLine = (text: string | undefined): string => text?.split('\n', 1)[0] ?? ''

/** One line per step that ended, and every half minute who is still at work. */
function plain(io: Io): Progress {
  const { take, running } = follow()
  let held = ''
  let timer: NodeJS.Timeout | undefined
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (held !== '') io.err(held)
    held = ''
  }
  const put = (word: string, text: string): void => {
    held += `${new Date().toISOString().slice(11, 19)} ${word.padEnd(8)} ${text}\n`
    timer ??= setTimeout(flush, PLAIN_FLUSH_MS).unref()
  }
  const heartbeat = setInterval(() => {
    const now = performance.now()
    for (const r of running.values()) put('running', `${[r.node, r.op, msText(now - r.since)].join(' ')}${r.message ? ` (${r.message})` : ''}`)
  }, HEARTBEAT_MS).unref()
  return {
    event(e) {
      const row = take(e)
      if (row) put(row.word, [row.node, row.text, row.ms === undefined ? '' : msText(row.ms)].filter((t) => t !== '').join(' '))
    },
    pause: flush, resume: () => {},
    end() {
      clearInterval(heartbeat)
      flush()
    },
  }
}

/** Rows that ended scroll away; below them a few lines are drawn anew. Only this function moves the cursor. */
function live(io: Io): Progress {
  const { take, running, state } = follow()
  const paint = io.paintErr
  let drawn = 0
  let settled: string[] = []
  let paused = false
  let timer: NodeJS.Timeout | undefined
  const cut = (line: string): string => (line.length > io.columns - 1 ? `${line.slice(0, io.columns - 2)}${paint.sign('…')}` : line)
  const erase = (): string => (drawn === 0 ? '' : `\u001b[${drawn}A\u001b[0J`)

  const block = (): string[] => {
    const now = performance.now()
    const shown = [...running.values()].filter((r) => now - r.since >= SHOWN_AFTER_MS)
    if (shown.length === 0) return []
    const room = Math.max(1, io.rows - ROWS_KEPT_FREE - 1)
    const { phase, done } = state()
    const head = `${paint.sign('─').repeat(2)} ${phase} ${done} done ${paint.sign('·')} running ${running.size} `
    const lines = [paint.dim(cut(head.padEnd(Math.min(io.columns - 1, 72), paint.sign('─'))))]
    for (const r of shown.slice(0, room)) lines.push(cut(`${paint.sign('◐')} ${r.node.padEnd(20)} ${r.op.padEnd(10)} ${r.message}  ${msText(now - r.since)}`))
    if (shown.length > room) lines.push(paint.dim(`  and ${shown.length - room} more`))
    return lines
  }
  const draw = (): void => {
    timer = undefined
    if (paused) return
    const lines = block()
    const out = `${erase()}${settled.map((l) => `${l}\n`).join('')}${lines.map((l) => `${l}\n`).join('')}`
    settled = []
    drawn = lines.length
    if (out !== '') io.err(out)
    if (running.size > 0) schedule()
  }
  const schedule = (): void => {
    if (!paused) timer ??= setTimeout(draw, FRAME_MS).unref()
  }
  const colour = (row: Row): string => {
    const sign = paint.sign(row.sign)
    return row.sign === '✓' ? paint.green(sign) : row.sign === '✗' ? paint.red(sign) : paint.yellow(sign)
  }
  return {
    event(e) {
      const row = take(e)
      if (row) settled.push(`${colour(row)} ${row.node.padEnd(20)} ${row.sign === '↩' ? 'reverted  ' : ''}${row.text}${row.ms === undefined ? '' : `  ${paint.dim(msText(row.ms))}`}`)
      schedule()
    },
    pause() {
      clearTimeout(timer)
      timer = undefined
      if (drawn > 0 || settled.length > 0) io.err(`${erase()}${settled.map((l) => `${l}\n`).join('')}`)
      settled = []
      drawn = 0
      paused = true
    },
    resume() {
      paused = false
      schedule()
    },
    end() {
      this.pause()
    },
  }
}
