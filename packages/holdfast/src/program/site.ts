import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { failure, HoldfastError, type FailureCode, type FailureDetail, type Site } from '../base/index.ts'

/** Frames looked at when the first one is not the author's: a call through a few of our own files still finds the author's line. */
const FRAMES_MAX = 16

/**
 * Where the author called `above`: file, line and column as V8 sees them, before any source map.
 *
 * Takes    the exported function the author called; frames above and including it are left out.
 * Gives    undefined when no frame is the author's.
 * Costs    6 us: almost always the first frame is the author's, and the time goes with the frames. Source maps are not touched, they are applied when the
 *          site is shown ({@link mapSite}).
 */
export function captureSite(above?: Function): Site | undefined {
  return (above && capture(above, 1)) ?? capture(above, FRAMES_MAX)
}

function capture(above: Function | undefined, frames: number): Site | undefined {
  const prepare = Error.prepareStackTrace
  const limit = Error.stackTraceLimit
  Error.prepareStackTrace = firstUserFrame
  Error.stackTraceLimit = frames
  const holder: { stack?: unknown } = {}
  Error.captureStackTrace(holder, above)
  const site = holder.stack as Site | undefined // formatted here, while the settings are ours
  Error.prepareStackTrace = prepare
  Error.stackTraceLimit = limit
  return site
}

function firstUserFrame(_: unknown, frames: readonly NodeJS.CallSite[]): Site | undefined {
  for (const frame of frames) {
    const name = frame.getFileName()
    const file = name ? userFile(name) : undefined
    if (file !== undefined) return siteAt(file, frame.getLineNumber() ?? 1, frame.getColumnNumber() ?? 1)
  }
  return undefined
}

const sites = new Map<string, Map<number, Site>>()
/** One object for one place: a loop declares thousands of nodes in one line, and each place is mapped to the source once. */
function siteAt(file: string, line: number, column: number): Site {
  if (column >= COLUMNS_MAX) return { file, line, column }
  let places = sites.get(file)
  if (!places) sites.set(file, (places = new Map()))
  const at = line * COLUMNS_MAX + column
  let site = places.get(at)
  if (!site) places.set(at, (site = { file, line, column }))
  return site
}
const COLUMNS_MAX = 2 ** 20

const userFiles = new Map<string, string | undefined>()
/** Path of a frame's file, or undefined when the file is ours or Node's. Remembered: a program has few files and many frames. */
function userFile(name: string): string | undefined {
  const known = userFiles.get(name)
  if (known !== undefined || userFiles.has(name)) return known
  const file = name.startsWith('node:') ? undefined : pathOf(name)
  const theirs = file === undefined || (file.startsWith(OWN_FOLDER) && !file.endsWith('.test.ts')) ? undefined : file
  userFiles.set(name, theirs)
  return theirs
}
const pathOf = (name: string): string => (name.startsWith('file:') ? fileURLToPath(name.replace(/[?#].*$/, '')) : name.replace(/\?.*$/, ''))

/** `src/` in the repository, `dist/` in the package; a bundle of the author's that holds the package is the author's. */
const OWN_FOLDER = ownFolder(fileURLToPath(import.meta.url))
function ownFolder(file: string): string {
  const end = ['/dist/', '/src/program/'].map((part) => file.lastIndexOf(part)).find((at) => at >= 0)
  return end === undefined ? file : file.slice(0, file.indexOf('/', end + 1) + 1)
}

let mapper: ((site: Site) => Site) | undefined
/** From a place to the one in the source, and from that one to itself. */
const mapped = new WeakMap<Site, Site>()

/** Sets how sites of loaded code become sites of the author's source. */
export function setSiteMapper(map: ((site: Site) => Site) | undefined): void {
  mapper = map
  sites.clear()
}

/** The site in the author's source. Asking again gives the same. */
export function mapSite(site: Site): Site {
  if (!mapper) return site
  const known = mapped.get(site)
  if (known) return known
  const source = mapper(site)
  mapped.set(site, source).set(source, source)
  return source
}

/** `app.ts:12:5`, relative to the current folder where that is shorter. */
export function showSite(site: Site | undefined): string {
  if (!site) return 'a place that is not known'
  const { file, line, column } = mapSite(site)
  const short = relative(process.cwd(), file)
  return `${short.startsWith('..') ? file : short}:${line}:${column}`
}

/** A failure at the author's call of `above`. Failures are rare, so the site is the one in the source. */
export function failureAt(code: FailureCode, above: Function | undefined, detail: FailureDetail): HoldfastError {
  const site = detail.site ?? captureSite(above)
  return failure(code, { ...detail, site: site && mapSite(site) })
}

/** The author's place in an error that was thrown already. */
export function siteOf(error: unknown): Site | undefined {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return undefined
  for (const line of error.stack.split('\n')) {
    const m = /^\s+at (?:.*?\()?((?:file:\/\/)?\/.+?):(\d+):(\d+)\)?$/.exec(line)
    const file = m ? userFile(m[1] as string) : undefined
    if (m && file !== undefined) return mapSite({ file, line: Number(m[2]), column: Number(m[3]) })
  }
  return undefined
}
