import { dirname, resolve } from 'node:path'
import { failure, isFailure, type HoldfastError, type Site } from '../base/index.ts'
import type { DesiredGraph } from '../graph/index.ts'
import { buildGraph, chooseEnvironment, isApp, mapSite, setSiteMapper, type AnyApp } from '../program/index.ts'
import { isProject, type EnvironmentOptions, type PlaceOptions, type Project } from './define.ts'
import { findProject, type Found } from './discover.ts'
import { makeLoader, type Loader } from './load.ts'
import { changedValues, setFromFlag, setsFromVariables } from './values.ts'

export interface ProgramRequest {
  readonly cwd: string
  readonly config: string | undefined
  readonly env: string | undefined
  readonly set: readonly string[]
  readonly variables: Readonly<Record<string, string | undefined>>
}

/** A program that was loaded; nothing was built or opened. */
export interface Program {
  readonly found: Found
  /** Folder of the program: relative paths of local types begin here. */
  readonly root: string
  /** `.holdfast`. */
  readonly home: string
  readonly project: Project | undefined
  /** Undefined when the program could not be loaded and the caller can do without. */
  readonly app: AnyApp | undefined
  /** Why it could not. */
  readonly broken: HoldfastError | undefined
  readonly loader: Loader
  /** Builds the graph of an environment. Fails HF11xx, HF12xx, HF13xx. */
  graph(env: string): DesiredGraph
  /** What the project file says for an environment, over its defaults. */
  place(env: string): PlaceOptions & EnvironmentOptions
}

/**
 * Loads the project file and the program.
 *
 * Takes    `prepare`: called with `.holdfast` before anything is loaded, so that the loader finds a place for its cache.
 *          `optional`: a program that cannot be loaded is not the end (`status` of a broken program).
 * Fails    HF1002, HF1003, HF1004, HF1005.
 */
export async function loadProgram(request: ProgramRequest, options: { readonly optional: boolean; readonly prepare: (home: string) => void }): Promise<Program> {
  const found = findProject(request.cwd, request.config)
  const home = resolve(found.base, '.holdfast')
  options.prepare(home)
  const loader = makeLoader(home)
  setSiteMapper(loader.mapSite)
  const project = found.configFile === undefined ? undefined : await loadProject(loader, found.configFile)
  const file = project?.app !== undefined ? resolve(found.base, project.app) : found.programFile
  if (file === undefined) throw failure('HF1002', { message: `${found.configFile} names no program, and there is no app.ts beside it.`, hint: "Write app: './path/to/app.ts' in the project file." })
  let app: AnyApp | undefined
  let broken: HoldfastError | undefined
  try {
    app = await loadApp(loader, file)
    for (const name of project?.providers ?? []) await loader.loadPackage(name, found.configFile ?? file)
  } catch (e) {
    if (!options.optional || !isFailure(e)) throw e
    broken = e
  }
  const place = (env: string) => ({ ...project?.defaults, ...project?.environments?.[env] })
  return {
    found, root: dirname(file), home, project, app, broken, loader, place,
    graph(env) {
      if (!app) throw broken as HoldfastError
      const sets = [...setsFromVariables(request.variables), ...request.set.map(setFromFlag)]
      const values = (app.environments as Record<string, Record<string, unknown>>)[chooseEnvironment(app, env)]
      try {
        return inTheSource(buildGraph(app, { env, config: changedValues(app.config, values ?? {}, sets) }))
      } catch (e) {
        if (isFailure(e) && e.site) e.site = mapSite(e.site)
        throw e
      }
    },
  }
}

/** From here on a site is a place in the author's file: it goes into plans, documents and errors. */
function inTheSource(graph: DesiredGraph): DesiredGraph {
  for (const node of graph.nodes.values()) if (node.site) (node as { site: Site }).site = mapSite(node.site)
  return graph
}

async function loadProject(loader: Loader, file: string): Promise<Project> {
  const project = (await loader.load(file)).default
  if (!isProject(project)) throw failure('HF1005', { message: `${file} has no default export made by defineProject().`, site: { file, line: 1, column: 1 } })
  return project
}

async function loadApp(loader: Loader, file: string): Promise<AnyApp> {
  const app = (await loader.load(file)).default
  if (!isApp(app)) throw failure('HF1004', { message: app === undefined ? `${file} has no default export.` : `The default export of ${file} is not made by app().`, site: { file, line: 1, column: 1 } })
  return app
}
