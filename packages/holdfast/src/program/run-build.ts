import { failure, isFailure, type Site } from '../base/index.ts'
import type { Address } from '../model/index.ts'
import { mapSite, siteOf } from './site.ts'

/**
 * Runs a build() of the author: that of the component at `address`, or of the app. `site`: where it was declared.
 *
 * Fails HF1104 when it gives a promise, HF1106 when it throws; our own failures pass, with the author's place.
 */
export function runBuild<R>(what: string, address: Address | undefined, build: () => R, site: Site | undefined): R {
  const at = address === undefined ? {} : { address }
  let out: R
  try {
    out = build()
  } catch (e) {
    if (isFailure(e)) {
      e.site ??= siteOf(e)
      throw e
    }
    const text = e instanceof Error ? (e.name === 'Error' ? e.message : `${e.name}: ${e.message}`) : String(e)
    throw failure('HF1106', { message: `build() of ${what} threw: ${text}`, site: siteOf(e) ?? (site && mapSite(site)), ...at, cause: e })
  }
  if (typeof (out as { then?: unknown } | undefined)?.then === 'function') {
    // Nobody will await it: what it rejects with is not another failure.
    void Promise.resolve(out).catch(() => undefined)
    throw failure('HF1104', { message: `build() of ${what} is asynchronous.`, ...at, site: site && mapSite(site), hint: 'Remove `async`. Read what you need before app() with top-level await, or use lookup().' })
  }
  return out
}
