import { makePaint, wantsAscii, wantsColor, type ColorChoice, type Paint } from './paint.ts'

/** The outside of one command: its streams, its variables, and what may be shown. */
export interface Io {
  /** The primary result. Redacted. */
  out(text: string): void
  /** Progress, questions, errors. Redacted. */
  err(text: string): void
  /** What a person asked to see in clear (`outputs --reveal`). */
  outClear(text: string): void
  readonly stdinIsTty: boolean
  readonly stdoutIsTty: boolean
  readonly stderrIsTty: boolean
  readonly columns: number
  readonly rows: number
  /** For stdout and for stderr: each may be a pipe. */
  readonly paintOut: Paint
  readonly paintErr: Paint
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly stdin: NodeJS.ReadStream
  /** From now on every text passes here. */
  redactWith(redact: (text: string) => string): void
}

const DEFAULT_COLUMNS = 80
const DEFAULT_ROWS = 24

export function processIo(color: ColorChoice): Io {
  const { stdin, stdout, stderr, env } = process
  let redact = (text: string): string => text
  // The program and its providers may get streams that lead elsewhere (foreign.ts); what is ours goes here.
  const toStdout = stdout.write.bind(stdout)
  const toStderr = stderr.write.bind(stderr)
  const ascii = wantsAscii(env)
  // A reader that went away (`| head`) ends the output, not the run.
  for (const s of [stdout, stderr]) if (s.listenerCount('error') === 0) s.on('error', () => {})
  return {
    out: (text) => void toStdout(redact(text)),
    err: (text) => void toStderr(redact(text)),
    outClear: (text) => void toStdout(text),
    stdinIsTty: stdin.isTTY === true,
    stdoutIsTty: stdout.isTTY === true,
    stderrIsTty: stderr.isTTY === true,
    get columns() {
      return stderr.columns || DEFAULT_COLUMNS // a terminal that was never sized says 0
    },
    get rows() {
      return stderr.rows || DEFAULT_ROWS
    },
    paintOut: makePaint(wantsColor(color, stdout.isTTY === true, env), ascii),
    paintErr: makePaint(wantsColor(color, stderr.isTTY === true, env), ascii),
    variables: env,
    cwd: process.cwd(),
    stdin,
    redactWith(f) {
      redact = f
    },
  }
}
