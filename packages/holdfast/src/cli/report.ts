import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { failure, isFailure, type HoldfastError } from '../base/index.ts'
import { DOCUMENT_VERSION } from './document.ts'
import type { Io } from './io.ts'
import type { Paint } from './paint.ts'

/** An error as the documents carry it; of a failure or of a run document. */
export interface ErrorDocument {
  readonly code: string
  readonly message: string
  readonly address?: string
  readonly file?: string
  readonly line?: number
  readonly column?: number
  readonly hint?: string
  readonly run?: string
  readonly task?: string
  readonly details?: Readonly<Record<string, unknown>>
}

/** Everything that is thrown is a failure with a code, or a bug of ours. */
export const asFailure = (e: unknown): HoldfastError =>
  isFailure(e) ? e : failure('HF9001', { message: e instanceof Error ? `${e.name}: ${e.message}` : String(e), cause: e })

/** Prints a failure before a run exists, and gives the exit code. */
export function reportFailure(io: Io, e: unknown, json: boolean, verbose: boolean): number {
  const failed = asFailure(e)
  const doc = failed.toDocument() as unknown as ErrorDocument
  if (json) io.out(`${JSON.stringify({ v: DOCUMENT_VERSION, error: doc })}\n`)
  io.err(errorBlock(doc, io.paintErr, io.cwd))
  if (verbose || failed.code === 'HF9001') io.err(causes(failed))
  if (io.variables.GITHUB_ACTIONS === 'true') io.err(annotation(doc, io.cwd))
  return failed.exitCode
}

/** `error HF1234  message`, the line of the program, the last lines of a log, the hint, the run. */
export function errorBlock(doc: ErrorDocument, paint: Paint, cwd: string, word: 'error' | 'warning' = 'error'): string {
  const [first = '', ...rest] = doc.message.split('\n')
  let out = `${word === 'error' ? paint.red(paint.bold(word)) : paint.yellow(word)} ${paint.bold(doc.code)}  ${first}\n${rest.map((l) => `  ${l}\n`).join('')}`
  const row = (name: string, text: string): void => {
    const [head, ...more] = text.split('\n')
    out += `  ${paint.dim(name.padEnd(16))} ${head}\n${more.map((l) => `  ${''.padEnd(16)} ${l}\n`).join('')}`
  }
  if (doc.file !== undefined) {
    const place = `${shortPath(doc.file, cwd)}:${doc.line}:${doc.column}`
    const text = sourceLine(doc.file, doc.line)
    out += text === undefined ? `  ${paint.dim(place)}\n` : `  ${paint.dim(place.padEnd(16))} ${text}\n`
  }
  // Some messages carry the end of the log themselves.
  const log = logLines(doc.details).filter((line) => !doc.message.includes(line.trim()))
  if (log.length > 0) row(log.length === 1 ? 'last log line' : 'last log lines', log.join('\n'))
  if (doc.hint) row('hint', doc.hint)
  if (doc.run) row('run', [doc.run, doc.task && `task ${doc.task}`, `holdfast run show ${doc.run}`].filter(Boolean).join('   '))
  return out
}

const LOG_LINES_MAX = 10
function logLines(details: ErrorDocument['details']): string[] {
  const log = details?.lines ?? details?.log
  const lines = Array.isArray(log) ? log.map(String) : typeof log === 'string' ? log.split('\n') : []
  return lines.filter((l) => l.trim() !== '').slice(-LOG_LINES_MAX)
}

/** Shorter where it lies below the current folder. */
function shortPath(path: string, cwd: string): string {
  const below = relative(cwd, path)
  return below !== '' && !below.startsWith('..') ? below : path
}

function sourceLine(file: string, line: number | undefined): string | undefined {
  try {
    const text = readFileSync(file, 'utf8').split('\n')[(line ?? 1) - 1]?.trim()
    return text === undefined || text === '' ? undefined : text.slice(0, 120)
  } catch {
    return undefined
  }
}

/** The chain of causes; frames only for what is a bug of ours. */
function causes(e: HoldfastError): string {
  let out = ''
  for (let cause: unknown = e.cause; cause !== undefined; cause = (cause as { cause?: unknown } | undefined)?.cause) {
    out += `  because of ${e.code === 'HF9001' && cause instanceof Error ? cause.stack : String(cause)}\n`
  }
  return out
}

/** GitHub Actions shows it beside the line. */
function annotation(doc: ErrorDocument, cwd: string): string {
  const escape = (s: string): string => s.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  const place = doc.file === undefined ? '' : ` file=${escape(shortPath(doc.file, cwd))},line=${doc.line},col=${doc.column}`
  return `::error${place}::${escape(`${doc.code} ${doc.message}`)}\n`
}
