import { expect, test } from 'vitest'
import { defineProject, isProject, keyEnv, keyFile, sqlite } from './define.ts'

test('a project is known as one, and keeps its options', () => {
  const project = defineProject({ app: './app.ts', defaults: { state: sqlite('s.db'), key: keyFile('k'), concurrency: 4 }, environments: { prod: { key: keyEnv('K'), approve: 'type-name' } } })
  expect(isProject(project)).toBe(true)
  expect(isProject({ app: './app.ts' })).toBe(false)
  expect(project.environments?.prod?.key).toEqual({ kind: 'env', name: 'K' })
})

test.each([
  [{ apps: 1 }, 'apps is not an option'],
  [{ app: 3 }, 'app must be'],
  [{ providers: 'x' }, 'providers must be'],
  [{ defaults: { state: 'x' } }, 'defaults.state'],
  [{ defaults: { key: { kind: 'file' } } }, 'defaults.key'],
  [{ defaults: { concurrency: 0 } }, 'defaults.concurrency'],
  [{ environments: { prod: { approve: true } } }, 'environments.prod.approve'],
  [{ environments: { prod: { approve: 'somebody' } } }, "'type-name' or 'required'"],
  [{ environments: { prod: { nope: 1 } } }, 'environments.prod.nope is not an option'],
  [null, 'must be an object'],
])('%j is refused, naming the option', (options, what) => {
  expect(() => defineProject(options as never)).toThrow(expect.objectContaining({ code: 'HF1005', message: expect.stringContaining(what) }))
})
