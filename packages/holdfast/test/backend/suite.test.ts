import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadBackend, MemoryBackend, type Backend } from '../../src/backend/index.ts'
import { backendCases, backendSuite, runBackendCase, type BackendFactory } from '../../src/testing/backend-suite.ts'

const framework = { describe, test }

/** S000-02 S000-130: one suite, unchanged, for every backend that is loaded by its configuration. */
describe('S000-02 S000-130 the exported suite', () => {
  backendSuite({
    name: 'memory',
    open: (wanted) => loadBackend({ module: 'holdfast/backend', export: 'MemoryBackend', config: { ...wanted } }),
    async reopen(be) {
      const again = new MemoryBackend({ of: be as MemoryBackend })
      await be.close()
      return again
    },
    second: async (be) => new MemoryBackend({ of: be as MemoryBackend }),
  }, { framework })

  const paths = new Map<Backend, string>()
  const at = async (path: string, wanted: object = {}) => {
    const be = await loadBackend({ module: 'holdfast/backend', export: 'SqliteBackend', config: { path, ...wanted } })
    paths.set(be, path)
    return be
  }
  backendSuite({
    name: 'sqlite',
    open: (wanted) => at(join(mkdtempSync(join(tmpdir(), 'holdfast-backend-')), '.holdfast', 'state.db'), wanted),
    async reopen(be) {
      await be.close()
      return at(paths.get(be) as string)
    },
    second: (be) => at(paths.get(be) as string),
    dispose: async (be) => rmSync(dirname(dirname(paths.get(be) as string)), { recursive: true, force: true }),
  }, { framework })
})

describe('the suite sees', () => {
  /** A backend in which `change` replaces methods. */
  const broken = (change: (be: Backend) => Partial<Backend>): BackendFactory => {
    const wrap = (be: Backend): Backend => {
      const own = change(be) as Record<string, unknown>
      return new Proxy(be, { get: (_, name) => (name in own ? own[name as string] : typeof (be as any)[name] === 'function' ? (be as any)[name].bind(be) : (be as any)[name]) })
    }
    const inner = new WeakMap<Backend, MemoryBackend>()
    const make = (be: MemoryBackend) => {
      const outer = wrap(be)
      inner.set(outer, be)
      return outer
    }
    const beneath = (be: Backend) => inner.get(be) as MemoryBackend
    return {
      name: 'broken', open: async (wanted) => make(new MemoryBackend(wanted)), second: async (be) => make(new MemoryBackend({ of: beneath(be) })),
      async reopen(be) {
        const again = make(new MemoryBackend({ of: beneath(be) }))
        await be.close()
        return again
      },
    }
  }
  const failing = async (factory: BackendFactory): Promise<string[]> => {
    const failed: string[] = []
    for (const name of backendCases()) await runBackendCase(factory, name).catch(() => failed.push(name))
    return failed
  }
  const faults: Record<string, [change: (be: Backend) => Partial<Backend>, seen: RegExp]> = {
    'nothing wrong in a right one': [() => ({}), /^$/],
    'a change that trusts whoever completes it (D3)': [(be) => ({
      async completeResourceChange(state, component, _diff, token, ...rest) {
        const open = (await be.getResourceState(state)).resourceChanges[token]
        return be.completeResourceChange(state, component, open?.diff ?? _diff, token, ...rest)
      },
    }), /D3 /],
    'lists that lose their order and repetition (D7)': [(be) => ({
      async getResourceByName(...args) {
        const { ...model } = await be.getResourceByName(...args)
        for (const [k, v] of Object.entries(model)) if (Array.isArray(v)) (model as Record<string, unknown>)[k] = [...new Set(v)].sort()
        return model
      },
    }), /D7 /],
    'a recovery that always goes back (D9)': [(be) => ({ recoverFailedResourceChange: (state, token) => be.recoverFailedResourceChange(state, token) }), /D9 /],
    'request ids that are not looked at': [(be) => ({ createResourceState: (name, parent) => be.createResourceState(name, parent) }), /B8\.1#15.*\n(.*\n)*.*B8\.1#16/],
    'a reference that is never counted (D16)': [(be) => ({ resolveReferenceChange: async (state, diff) => void (await be.getComponent(state, diff.originatingComponentName)) }), /D16 /],
    'differences that look at hashes alone (D13)': [(be) => ({
      async createDifferences(state, news, olds, ctx) {
        const stored = await Promise.all(olds.map((name) => be.getComponent(state, name)))
        return be.createDifferences(state, news.filter((n) => !stored.some((o) => o.name === n.name && o.hash === n.hash)), olds.filter((name) => !news.some((n) => n.name === name && stored.some((o) => o.name === name && o.hash === n.hash))), ctx)
      },
    }), /D13 /],
    'a failed change that blocks nothing (D1)': [(be) => ({
      async failResourceChange(state, component, diff, token, failed, ctx) {
        await be.failResourceChange(state, component, diff, token, failed, ctx)
        await be.removeFailedResourceChange(state, token)
      },
    }), /D1 /],
  }
  for (const [fault, [change, seen]] of Object.entries(faults)) {
    test(fault, async () => expect((await failing(broken(change))).join('\n')).toMatch(seen))
  }
})
