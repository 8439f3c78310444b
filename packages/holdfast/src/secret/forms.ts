import { inspect } from 'node:util'
import { limits } from '../base/index.ts'

/** A longer secret is looked for in pieces of this size, which bounds what a stream must hold back. */
const PIECE_CHARS = 4096
/** Widths at which encoders wrap base64: PEM and MIME. */
const WRAP_COLUMNS = [64, 76] as const
const WRAPPED_CHARS_MIN = 8

/**
 * Every text under which a secret may show up in a log, an error or a document: itself, its lines, and its base64, hex, URL-encoded, JSON-escaped and
 * shell-escaped forms. Each has at least `limits.redactMinChars` characters.
 */
export function formsOf(secret: string): Set<string> {
  const out = new Set<string>()
  for (const piece of piecesOf(secret)) addForms(piece, out)
  for (const line of secret.split(/[\r\n]+/)) {
    const bare = line.trim()
    // The armour of a PEM text is the same for everybody.
    if (bare === secret || /^-----(BEGIN|END) [A-Z0-9 ]+-----$/.test(bare)) continue
    for (const piece of piecesOf(bare)) if (piece.length >= limits.redactMinChars) addEscaped(piece, out)
  }
  for (const form of out) if (form.length < limits.redactMinChars) out.delete(form)
  return out
}

function piecesOf(text: string): string[] {
  if (text.length <= PIECE_CHARS) return [text]
  const out: string[] = []
  // The last piece takes the rest with it, so that none is too short to be looked for.
  for (let at = 0; at < text.length; ) {
    const rest = text.length - at
    let end = rest < PIECE_CHARS * 2 ? text.length : at + PIECE_CHARS
    // Half a surrogate pair has no encoded form.
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end++
    out.push(text.slice(at, end))
    at = end
  }
  return out
}

function addForms(text: string, out: Set<string>): void {
  addEscaped(text, out)
  const bytes = Buffer.from(text, 'utf8')
  const hex = bytes.toString('hex')
  out.add(hex)
  out.add(hex.toUpperCase())
  addBase64(bytes, out)
}

function addBase64(bytes: Buffer, out: Set<string>): void {
  const add = (s: string) => {
    out.add(s)
    out.add(s.replaceAll('+', '-').replaceAll('/', '_'))
  }
  const full = bytes.toString('base64')
  add(full)
  for (let before = 0; before < 3; before++) {
    // Inside a longer text the secret begins at any of three alignments; only the characters that it alone decides are stable.
    const shifted = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    add(shifted.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6)))
  }
  for (const columns of WRAP_COLUMNS) {
    for (let at = 0; full.length > columns && at < full.length; at += columns) {
      const line = full.slice(at, at + columns)
      if (line.length >= WRAPPED_CHARS_MIN) add(line)
    }
  }
}

function addEscaped(text: string, out: Set<string>): void {
  out.add(text)
  const json = JSON.stringify(text).slice(1, -1)
  for (const s of [json, ascii(json), json.replaceAll('/', '\\/')]) {
    out.add(s)
    out.add(JSON.stringify(s).slice(1, -1)) // a document inside a document
  }
  out.add(inspect(text, { maxStringLength: null }).slice(1, -1)) // how an error shows it

  const wellFormed = Buffer.from(text, 'utf8').toString('utf8')
  const component = encodeURIComponent(wellFormed)
  const strict = component.replace(/[!'()*]/g, percent)
  const form = new URLSearchParams({ k: wellFormed }).toString().slice(2)
  const parsed = new URL('https://h') // escapes less, and each part of a URL otherwise
  parsed.password = wellFormed
  parsed.pathname = wellFormed
  parsed.search = wellFormed
  for (const url of [component, strict, strict.replaceAll('~', '%7E'), form, encodeURI(wellFormed), parsed.password, parsed.pathname.slice(1), parsed.search.slice(1)]) {
    out.add(url)
    out.add(url.replace(/%[0-9A-F]{2}/g, (m) => m.toLowerCase()))
  }

  out.add(text.replaceAll("'", "'\\''"))
  out.add(text.replaceAll("'", `'"'"'`))
  out.add(text.replace(/[\\"$`]/g, '\\$&'))
  out.add(text.replace(/[^\w@%+=:,./-]/g, '\\$&'))
  out.add(text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t'))
}

const ascii = (s: string): string => s.replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
const percent = (c: string): string => `%${c.charCodeAt(0).toString(16).toUpperCase()}`
