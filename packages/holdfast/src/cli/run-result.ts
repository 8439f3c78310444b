import { exitCodeOf, type RunDocument } from '../engine/index.ts'
import type { Io } from './io.ts'
import { errorBlock, type ErrorDocument } from './report.ts'
import { resultScreen } from './screen/result.ts'
import type { Session } from './session.ts'
import type { Call } from './verb.ts'

/** Shows how a run ended, and gives the exit code of the command. */
export function reportRun(io: Io, call: Call, s: Session, doc: RunDocument): number {
  s.progress.end()
  const screen = resultScreen(doc, s.where, call.flags.json ? io.paintErr : io.paintOut)
  if (doc.error) io.err(`\n${errorBlock(doc.error as unknown as ErrorDocument, io.paintErr, io.cwd)}`)
  if (call.flags.json) {
    s.print(doc)
    io.err(screen)
  } else if (call.flags.events === '-') io.err(screen)
  else io.out(screen)
  return exitCodeOf(doc)
}
