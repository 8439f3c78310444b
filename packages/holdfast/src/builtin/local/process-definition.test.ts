import { describe, expect, test } from 'vitest'
import { changeOf, definitionOf, smallEnvironment } from './process-definition.ts'
import { processInputs, type ProcessInputs } from './process-inputs.ts'
import { processSpec } from './process.ts'
import type { Host } from '../../provider/index.ts'

const file = (digest: string, path = 'settings.json') => ({ path, digest })
const parse = (i: Parameters<typeof processInputs.parse>[0]): ProcessInputs => processInputs.parse(i)
const host: Host = { root: '/', home: '/.holdfast', env: { id: 'e', app: 'a', name: 'n' }, assetPath: (a) => `/kept/${a.path}`, redact: (t) => t, secrets: () => [] }

describe('what a change means', () => {
  const of = (prior: unknown, next: unknown) => changeOf(parse(prior), parse(next))
  test('code, arguments, environment, account and restartOn start the program anew', () => {
    const prior = { command: ['node', file('1', 'web.mjs')], listen: 80 }
    for (const next of [{ ...prior, command: ['node', file('2', 'web.mjs')] }, { ...prior, env: { A: 'b' } }, { ...prior, user: 'nobody' }, { ...prior, restartOn: [1] }, { ...prior, cwd: 'x' }]) expect(of(prior, next)).toBe('restart')
    expect(of({ ...prior, listen: undefined, port: 80 }, { command: ['x'], port: 80 })).toBe('restart (stop first)')
    expect(of({ command: ['x'] }, { command: ['y'] })).toBe('restart (stop first)')
  })
  test('a file named in reload.on means a reload, wherever else it stands, unless something else changed too', () => {
    const inputs = (digest: string, extra = {}) => ({ command: ['node', 'web.mjs', file(digest)], env: { C: file(digest) }, listen: 80, reload: { on: [file(digest)] }, ...extra })
    expect(of(inputs('1'), inputs('2'))).toBe('reload')
    expect(of(inputs('1'), inputs('2', { env: { A: 'b' } }))).toBe('restart')
    expect(of(inputs('1'), { ...inputs('2'), reload: undefined })).toBe('restart')
    expect(of(inputs('1'), inputs('1', { reload: { signal: 'SIGUSR1', on: [file('1')] } }))).toBe('settings')
  })
  test('how the supervisor looks after it changes nothing in the program', () => {
    const prior = { command: ['x'], port: 80 }
    expect(of(prior, { ...prior, restart: 'always', stop: { within: '1s' }, ready: { http: '/' } })).toBe('settings')
    expect(processSpec.describe?.({ inputs: parse({ ...prior, restart: 'always' }), prior: { inputs: parse(prior), outputs: {} as never }, paths: ['restart'] })).toBeUndefined()
    expect(processSpec.describe?.({ inputs: parse({ command: ['y'], port: 81 }), prior: { inputs: parse(prior), outputs: {} as never }, paths: ['command'] })).toBe('restart')
  })
})

describe('definition', () => {
  test('paths are resolved at the time of the call; the port is checked when nothing else is said', () => {
    const d = definitionOf(parse({ command: ['node', file('1', 'a.mjs')], env: { F: file('1', 'b') }, port: 8080 }), host)
    expect(d).toMatchObject({ argv: ['node', '/kept/a.mjs'], cwd: '/', port: 8080, ready: { tcp: true, withinMs: 10_000 }, stop: { signal: 'SIGTERM', withinMs: 10_000 }, restart: 'never' })
    expect(d.env.F).toBe('/kept/b')
    expect(definitionOf(parse({ command: ['x'] }), host).ready).toEqual({ withinMs: 10_000 })
    expect(definitionOf(parse({ command: ['x'], port: 1, ready: { log: 'up', within: '1m' } }), host).ready).toEqual({ log: 'up', withinMs: 60_000 })
  })
  test('a check of the own port needs one; wrong texts are refused', () => {
    expect(() => definitionOf(parse({ command: ['x'], ready: { http: '/health' } }), host)).toThrow('it has none')
    for (const bad of [{ command: [] }, { command: ['x'], port: 0 }, { command: ['x'], ready: { log: '(' } }, { command: ['x'], ready: { within: 'soon' } }, { command: ['x'], stop: { signal: 'TERM' } }, { command: ['x'], ready: { http: 'health' } }, { command: ['x'], env: { 'A=B': 'c' } }, { command: ['x'], reload: { on: [] } }]) {
      expect(processInputs.safeParse(bad).success, JSON.stringify(bad)).toBe(false)
    }
  })
  test('the environment of the caller is not handed on', () => {
    expect(smallEnvironment({ PATH: '/bin', LC_ALL: 'C', AWS_SECRET_ACCESS_KEY: 'x', HOLDFAST_KEY: 'y' })).toEqual({ PATH: '/bin', LC_ALL: 'C' })
  })
  test('ports are claimed', () => {
    expect(processSpec.claims?.(parse({ command: ['x'], listen: 80, port: 'auto' }), host)).toEqual(['tcp:80'])
    expect(processSpec.claims?.(parse({ command: ['x'], listen: 80, port: 81 }), host)).toEqual(['tcp:80', 'tcp:81'])
    expect(processSpec.predict?.({ listen: 80, port: 81 }, host)).toEqual({ port: 80 })
    expect(processSpec.predict?.({ port: 'auto' }, host)).toEqual({})
  })
})
