import { existsSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { failure } from '../base/index.ts'

/** Where a project is, before anything of it was loaded. */
export interface Found {
  /** `holdfast.config.*`, when there is one. */
  readonly configFile: string | undefined
  /** The program beside it or in the current folder; a project file may name another. */
  readonly programFile: string | undefined
  /** Folder of the project file, else of the program: `.holdfast` lies here. */
  readonly base: string
}

const ENDINGS = ['.ts', '.mts', '.js', '.mjs']

/**
 * The project file is looked for from `cwd` upwards, to the first folder with a `.git` or the root; without one, the program is `./app.ts` in `cwd`.
 * Fails HF1002 when there is neither.
 */
export function findProject(cwd: string, config?: string): Found {
  if (!isFolder(cwd)) throw failure('HF1002', { message: `${cwd} is not a folder.` })
  const configFile = config === undefined ? findUp(cwd) : resolve(cwd, config)
  if (configFile !== undefined) {
    if (!existsSync(configFile)) throw failure('HF1002', { message: `${configFile} does not exist.` })
    const base = dirname(configFile)
    return { configFile, base, programFile: firstOf(base, 'app') }
  }
  const programFile = firstOf(cwd, 'app')
  if (programFile === undefined) throw failure('HF1002', { message: `No holdfast.config.ts and no app.ts in ${cwd}.` })
  return { configFile: undefined, programFile, base: cwd }
}

function findUp(cwd: string): string | undefined {
  for (let folder = cwd; ; folder = dirname(folder)) {
    const file = firstOf(folder, 'holdfast.config')
    if (file !== undefined) return file
    if (existsSync(join(folder, '.git')) || dirname(folder) === folder) return undefined
  }
}

function firstOf(folder: string, name: string): string | undefined {
  for (const ending of ENDINGS) {
    const path = join(folder, name + ending)
    if (existsSync(path)) return path
  }
  return undefined
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
