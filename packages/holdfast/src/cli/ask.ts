import { createInterface } from 'node:readline'
import { failure } from '../base/index.ts'
import { withTerminal } from './foreign.ts'
import type { Io } from './io.ts'
import type { Flags } from './verb.ts'

/** Whether somebody is there to answer. */
export const canAsk = (io: Io, flags: Flags): boolean => flags.input && io.stdinIsTty && io.stderrIsTty

/**
 * Asks before something is changed.
 *
 * Takes    `typed`: a word that must be typed; without it `y` is enough. Enter alone is always no.
 * Fails    HF1006 when there is nobody to ask, HF1008 when the answer is no.
 */
export async function confirm(io: Io, flags: Flags, question: string, typed?: string): Promise<void> {
  if (flags.yes) return
  if (!canAsk(io, flags)) throw failure('HF1006', { message: `${question} needs an answer, and there is no terminal to ask. Nothing was changed.` })
  const answer = (await withTerminal(() => readAnswer(io, typed === undefined ? `${question} [y/N] ` : `${question}\nType ${typed} to go on: `))).trim()
  const yes = typed === undefined ? /^y(?:es)?$/i.test(answer) : answer === typed
  if (!yes) throw failure('HF1008', { message: 'Cancelled. Nothing was changed.' })
}

/**
 * What is to become of a run that was stopped in the middle. Enter, Ctrl-C, Ctrl-D: `fallback`.
 */
export async function keepOrRevert(io: Io, fallback: 'revert' | 'keep'): Promise<'revert' | 'keep'> {
  const answer = await withTerminal(() => readAnswer(io, `Stopped. Keep what was done, or revert it? [${fallback === 'keep' ? 'KEEP/revert' : 'keep/REVERT'}] `)).catch(() => '')
  if (/^k(?:eep)?$/i.test(answer.trim())) return 'keep'
  return /^r(?:evert)?$/i.test(answer.trim()) ? 'revert' : fallback
}

function readAnswer(io: Io, question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: io.stdin, output: process.stderr, terminal: true })
    lines.on('SIGINT', () => {
      lines.close()
      io.err('\n')
      reject(failure('HF1008', { message: 'Cancelled. Nothing was changed.' }))
    })
    lines.on('close', () => resolve(''))
    lines.question(io.paintErr.bold(question), (answer) => {
      resolve(answer)
      lines.close()
    })
  })
}

const SECRET_BYTES_MAX = 1_048_576

/**
 * A secret from stdin; on a terminal it is asked for and not shown. One line end at the end is not part of it.
 * Fails HF1001 when nothing was given, HF1008 when it was interrupted.
 */
export async function readSecret(io: Io, flags: Flags, name: string): Promise<string> {
  const text = io.stdinIsTty ? await askHidden(io, flags, name) : (await readAll(io)).replace(/\r?\n$/, '')
  if (text === '') throw failure('HF1001', { message: `No value for ${name} was given on stdin.`, hint: `printf %s "$VALUE" | holdfast secret set ${name}` })
  return text
}

async function readAll(io: Io): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of io.stdin) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer)
    size += bytes.length
    if (size > SECRET_BYTES_MAX) throw failure('HF1001', { message: 'A secret has at most 1 MiB.' })
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}

async function askHidden(io: Io, flags: Flags, name: string): Promise<string> {
  if (!flags.input) throw failure('HF1006', { message: `The value of ${name} is needed on stdin. Nothing was changed.` })
  const { password, isCancel } = await import('@clack/prompts')
  const value = await withTerminal(() => password({ message: `Value of ${name}`, output: process.stderr }))
  if (isCancel(value)) throw failure('HF1008', { message: 'Cancelled. Nothing was changed.' })
  return value ?? ''
}
