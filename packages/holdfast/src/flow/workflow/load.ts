import { textOf } from '../../base/index.ts'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { failing } from './kinds.ts'

const NOT_FOUND = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND']

/** One export of a module. A path is taken from the current folder; anything else is the name of a package. Fails HF3219, with the reason in `details`. */
export async function loadExport(module: string, name: string, what: string): Promise<unknown> {
  const specifier = /^\.{0,2}\//.test(module) ? pathToFileURL(resolve(module)).href : module
  let loaded: Readonly<Record<string, unknown>>
  try {
    loaded = await import(specifier) as Readonly<Record<string, unknown>>
  } catch (e) {
    const reason = NOT_FOUND.includes(String((e as { code?: unknown } | undefined)?.code)) ? 'MODULE_NOT_FOUND' : 'MODULE_THREW'
    throw failing('HF3219', { message: `${what} could not be loaded from ${module}: ${e instanceof Error ? e.message : textOf(e)}`, cause: e, details: { reason, module, export: name } })
  }
  if (loaded[name] === undefined) throw failing('HF3219', { message: `${module} has no export ${name}.`, details: { reason: 'EXPORT_NOT_FOUND', module, export: name } })
  return loaded[name]
}
