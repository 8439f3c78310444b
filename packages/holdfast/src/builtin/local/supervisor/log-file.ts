import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import { systemClock } from '../../../base/index.ts'

/** A log is turned over to `.1` when it reaches this size; so a Process keeps at most twice as much. */
const LOG_BYTES_MAX = 10_485_760
/** A line without an end is cut here. */
const LINE_CHARS_MAX = 65_536
/** Lines that a failure shows. */
const TAIL_LINES = 20

/** The redactor, as far as a log needs it. */
export interface RedactStream {
  stream(write: (text: string) => void): { write(chunk: string): void; end(): void }
}

export interface LogFile {
  /** One line, redacted already. A time stamp is put before it. */
  line(text: string): void
  close(): void
}

export function openLog(path: string, bytesMax: number = LOG_BYTES_MAX): LogFile {
  let fd = openSync(path, 'a', 0o600)
  let size = fstatSync(fd).size
  return {
    line(text) {
      const bytes = Buffer.from(`${new Date(systemClock.now()).toISOString()} ${text}\n`)
      try {
        if (size + bytes.length > bytesMax && size > 0) {
          closeSync(fd)
          renameSync(path, `${path}.1`)
          fd = openSync(path, 'a', 0o600)
          size = 0
        }
        size += writeSync(fd, bytes)
      } catch {
        // A full disk must not end the service. What could not be written is lost; the next line is tried again.
        try {
          fstatSync(fd)
        } catch {
          fd = openSync(path, 'a', 0o600)
        }
      }
    },
    close: () => closeSync(fd),
  }
}

/** Cuts a text that comes in pieces into lines. */
function lines(take: (line: string) => void): { write(text: string): void; end(): void } {
  let rest = ''
  return {
    write(text) {
      rest += text
      let from = 0
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', from)) {
        take(rest.slice(from, end).replace(/\r$/, ''))
        from = end + 1
      }
      rest = rest.slice(from)
      while (rest.length > LINE_CHARS_MAX) {
        take(rest.slice(0, LINE_CHARS_MAX))
        rest = rest.slice(LINE_CHARS_MAX)
      }
    },
    end() {
      if (rest !== '') take(rest)
      rest = ''
    },
  }
}

/** Everything that one program prints: into the log through the redactor, and line by line to whoever waits for one. */
export interface OutputSink {
  /** One for each of the program's streams, so that half lines do not mix. */
  open(): { write(chunk: Uint8Array): void; end(): void }
  /** The last lines, redacted. */
  tail(): readonly string[]
}

/** `seen` gets the lines as they were printed, to be compared with `ready.log`; it must not keep them. */
export function outputSink(log: LogFile, redactor: RedactStream, seen: (line: string) => void): OutputSink {
  const tail: string[] = []
  return {
    open() {
      const bytes = new StringDecoder('utf8')
      const shown = lines((line) => {
        tail.push(line)
        if (tail.length > TAIL_LINES) tail.shift()
        log.line(line)
      })
      const raw = lines(seen)
      const redacted = redactor.stream((text) => shown.write(text))
      let ended = false
      return {
        write(chunk) {
          if (ended) return
          const text = bytes.write(Buffer.from(chunk))
          redacted.write(text)
          raw.write(text)
        },
        end() {
          if (ended) return
          ended = true
          const text = bytes.end()
          redacted.write(text)
          raw.write(text)
          redacted.end()
          raw.end()
          shown.end()
        },
      }
    },
    tail: () => tail.slice(),
  }
}
