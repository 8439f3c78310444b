import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { failure, isFailure, type HoldfastError, type Site } from '../base/index.ts'
import type { SyntaxMessage } from './load.ts'

/** Gives every way in which loading a program can fail its place and words: HF1003, or the failure that a declaration of ours threw. */
export function loadFailure(e: unknown, file: string, syntax: SyntaxMessage | undefined, mapSite: (site: Site) => Site): HoldfastError {
  if (isFailure(e)) {
    e.site = e.site ? mapSite(e.site) : userSite(e, mapSite)
    return e
  }
  if (syntax) {
    const site = { file: syntax.path, line: syntax.line, column: syntax.column }
    return failure('HF1003', { message: sentence(syntax.text), site, details: { line: syntax.lineText } })
  }
  const error = e instanceof Error ? e : new Error(String(e))
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return missing(error, file)
  const site = error instanceof SyntaxError ? plainSyntaxSite(error, mapSite) : userSite(error, mapSite)
  const what = error.name === 'Error' || error.name === 'SyntaxError' ? error.message : `${error.name}: ${error.message}`
  return failure('HF1003', { message: sentence(what), site: site ?? { file, line: 1, column: 1 }, cause: e })
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)

/** The first frame of a stack that is the user's own file. */
function userSite(error: Error, mapSite: (site: Site) => Site): Site | undefined {
  for (const line of (error.stack ?? '').split('\n')) {
    const m = /(file:\/\/\/.+?|\/.+?)(?:\?[^:]*)?:(\d+):(\d+)\)?$/.exec(line)
    if (!m || m[1]?.includes('/node_modules/')) continue
    const path = (m[1] as string).startsWith('file:') ? fileURLToPath(m[1] as string) : (m[1] as string)
    if (path.startsWith(OWN_FOLDER)) continue
    return mapSite({ file: path, line: Number(m[2]), column: Number(m[3]) })
  }
  return undefined
}
const OWN_FOLDER = fileURLToPath(new URL('.', import.meta.url))

/** V8 puts the place of a syntax error, or of an import that does not exist, before the message: `file:///x.js:3`, the line, and a row of carets. */
function plainSyntaxSite(error: Error, mapSite: (site: Site) => Site): Site | undefined {
  const [first = '', , carets = ''] = (error.stack ?? '').split('\n')
  const m = /^(file:\/\/\/.+?)(?:\?[^:]*)?:(\d+)$/.exec(first.trim())
  if (!m) return undefined
  return mapSite({ file: fileURLToPath(m[1] as string), line: Number(m[2]), column: Math.max(carets.indexOf('^') + 1, 1) })
}

/** Names the line of the import, which Node does not. */
function missing(error: Error, file: string): HoldfastError {
  const specifier = /Cannot find (?:package|module) '([^']+)'|No "exports" main|Package subpath '([^']+)'/.exec(error.message)
  const importer = /imported from (.+)$/.exec(error.message)?.[1]
  const from = importer?.startsWith('file:') ? fileURLToPath(importer) : importer ?? file
  const name = specifier?.[1] ?? specifier?.[2] ?? ''
  const site = importLine(from, name) ?? { file: from, line: 1, column: 1 }
  return failure('HF1003', {
    message: `${error.message.replace(/ imported from .+$/s, '').replace(/^Cannot find (package|module) /, 'The $1 ')} cannot be imported.`,
    site, cause: error,
    hint: name !== '' && !name.startsWith('/') && !name.startsWith('.') ? `Install it:\n    npm install ${name.split('/').slice(0, name.startsWith('@') ? 2 : 1).join('/')}` : 'Correct the path of the import.',
  })
}

function importLine(file: string, specifier: string): Site | undefined {
  try {
    const tail = specifier.split('/').pop() as string
    const lines = readFileSync(file, 'utf8').split('\n')
    for (const wanted of [specifier, tail, tail.replace(/\.[^.]+$/, '')]) {
      const line = lines.findIndex((l) => wanted !== '' && /\b(?:from|import)\b/.test(l) && l.includes(wanted))
      if (line >= 0) return { file, line: line + 1, column: (lines[line] as string).search(/['"]/) + 1 }
    }
  } catch {
    // The importer cannot be read again; its name is all that can be said.
  }
  return undefined
}
