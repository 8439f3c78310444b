import { StringDecoder } from 'node:string_decoder'

/** What is printed by others: the program, its providers, their libraries. */
export interface Foreign {
  /** From now on what is printed passes here, also across the borders of chunks. */
  redactWith(stream: (write: (text: string) => void) => { write(chunk: string): void; end(): void }): void
  /** Gives out what is held back, and lets the streams go. */
  end(): void
}

type Write = NodeJS.WriteStream['write']

const LINE_CHARS_MAX = 65_536

/** The only one at work: its streams are let alone while a question is asked. */
let standing: { pause(): void; resume(): void } | undefined

/**
 * Takes over what others print with `console.log` or on the streams of the process: stdout belongs to the result, and what a provider prints may hold a secret.
 * Whole lines go to `line`, redacted.
 *
 * What is written past the streams (a child with inherited output, a file descriptor) is not seen.
 */
export function takeForeign(line: (text: string) => void): Foreign {
  const streams = [process.stdout, process.stderr].map((stream) => ({ stream, own: stream.write, taken: lineTaker(line) }))
  const take = (): void => {
    for (const { stream, taken } of streams) stream.write = taken.write
  }
  const letGo = (): void => {
    for (const { stream, own } of streams) stream.write = own
  }
  take()
  standing = { pause: letGo, resume: take }
  return {
    redactWith(redact) {
      for (const { taken } of streams) taken.redactWith(redact)
    },
    end() {
      letGo()
      standing = undefined
      for (const { taken } of streams) taken.end()
    },
  }
}

/** A question needs the terminal itself. */
export async function withTerminal<T>(act: () => Promise<T>): Promise<T> {
  const paused = standing
  paused?.pause()
  try {
    return await act()
  } finally {
    if (standing === paused) paused?.resume()
  }
}

function lineTaker(line: (text: string) => void) {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const give = (text: string): void => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() as string
    for (const l of lines) line(l.replace(/\r$/, ''))
    if (rest.length <= LINE_CHARS_MAX) return
    line(rest)
    rest = ''
  }
  let through: { write(chunk: string): void; end(): void } = { write: give, end: () => {} }
  const write = (chunk: string | Uint8Array, encoding?: BufferEncoding | ((e?: Error | null) => void), done?: (e?: Error | null) => void): boolean => {
    const encoded = typeof encoding === 'string' && encoding !== 'utf8' && encoding !== ('utf-8' as BufferEncoding)
    const text = typeof chunk === 'string' && !encoded ? chunk : decoder.write(typeof chunk === 'string' ? Buffer.from(chunk, encoding as BufferEncoding) : Buffer.from(chunk))
    through.write(text)
    const told = typeof encoding === 'function' ? encoding : done
    if (told) queueMicrotask(() => told())
    return true
  }
  return {
    write: write as Write,
    redactWith(redact: Parameters<Foreign['redactWith']>[0]): void {
      through.end()
      through = redact(give)
    },
    end(): void {
      through.write(decoder.end())
      through.end()
      if (rest !== '') line(rest)
      rest = ''
    },
  }
}
