import { expect, test } from 'vitest'
import { Directory, File, Process } from '../../src/builtin/local/index.ts'
import { Password } from '../../src/builtin/random/index.ts'
import { functionNames } from '../../src/model/index.ts'
import { buildGraph } from '../../src/program/index.ts'
import * as holdfast from '../../src/root.ts'

const { app, asset, str } = holdfast

test('the package gives the author what the author needs, and every function of expressions', () => {
  const more = ['HoldfastError', 'Value', 'app', 'asset', 'component', 'policy', 'refused', 'defineProject', 'each', 'hook', 'keyEnv', 'keyFile', 'lookup', 'notOurs', 'outcomeUnknown', 'resource', 'sensitive', 'sqlite', 'str']
  expect(Object.keys(holdfast).sort()).toEqual([...functionNames, ...more].sort())
})

test('the smallest program gives its graph', () => {
  const g = buildGraph(app('hello', {
    build() {
      const password = Password('password', { length: 24 })
      const file = File('greeting', { path: 'out/greeting.txt', content: str`hello ${password.value}\n`, mode: 0o600 })
      return { file: file.path }
    },
  }))
  expect([...g.nodes.values()].map((n) => [n.address, n.type, n.deps])).toEqual([['password', 'holdfast:random/Password', []], ['greeting', 'holdfast:local/File', ['password']]])
  expect(g.nodes.get('greeting')?.site?.file).toMatch(/root\.test\.ts$/)
})

test('built-in types take assets, files and nodes where the documentation says so', () => {
  const g = buildGraph(app('service', {
    build() {
      const data = Directory('data', { path: 'data' }, { data: true })
      const secret = Password('secret', { boundTo: data })
      const settings = File('settings', { path: 'run/settings.json', content: holdfast.json({ secret: secret.value, dir: data.path }) })
      const web = Process('web', { command: ['node', asset('./web.mjs'), settings.file], port: 8080, ready: { http: '/health' } })
      return { url: str`http://localhost:${web.port}` }
    },
  }))
  expect([...g.nodes.values()].map((n) => [n.address, n.deps])).toEqual([['data', []], ['secret', ['data']], ['settings', ['secret', 'data']], ['web', ['settings']]])
  expect(g.nodes.get('data')?.site?.file).toMatch(/root\.test\.ts$/)
})
