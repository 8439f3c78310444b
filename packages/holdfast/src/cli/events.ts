import { closeSync, openSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { failure } from '../base/index.ts'
import type { EngineEvent } from '../engine/index.ts'
import { DOCUMENT_VERSION } from './document.ts'
import type { Io } from './io.ts'

/** Where events go as lines of JSON (spec/api-cli.md 4.3): a file, or stdout. */
export interface EventLines {
  write(event: EngineEvent): void
  end(): void
}

/** Fails HF1001 when the file cannot be written. */
export function openEventLines(io: Io, target: string, cwd: string, redact: () => (text: string) => string): EventLines {
  let seq = 0
  const line = (e: EngineEvent): string => {
    const { type, run, node, op, attempt, ms, tx, ...more } = e
    return `${JSON.stringify({ v: DOCUMENT_VERSION, seq: ++seq, t: new Date().toISOString(), run, type, node, op, attempt, ms, tx, ...more })}\n`
  }
  if (target === '-') return { write: (e) => io.out(line(e)), end: () => {} }
  let fd: number
  try {
    fd = openSync(resolve(cwd, target), 'a', 0o600)
  } catch (cause) {
    throw failure('HF1001', { message: `--events ${target} cannot be written: ${(cause as NodeJS.ErrnoException).code}.`, cause })
  }
  let broken = false
  return {
    write(e) {
      if (broken) return
      try {
        writeSync(fd, redact()(line(e)))
      } catch (cause) {
        broken = true // a run does not end because nobody can follow it any more
        io.err(`warning: --events ${target} cannot be written any more: ${(cause as NodeJS.ErrnoException).code}.\n`)
      }
    },
    end: () => closeSync(fd),
  }
}
