import { afterAll, expect, test } from 'vitest'
import { backendErrorCodes } from '../../src/backend/index.ts'
import { endProjects, makeProject } from '../cli/support.ts'

afterAll(endProjects)

test('S000-136 explain knows every code of the founding contract, those of loading among them', async () => {
  const project = makeProject()
  const loading = ['MODULE_NOT_FOUND', 'MODULE_THREW', 'EXPORT_NOT_FOUND', 'NOT_A_BACKEND', 'CONTRACT_VERSION_MISMATCH', 'CONFIG_INVALID', 'CONNECT_FAILED', 'SCHEMA_TOO_NEW', 'SCHEMA_MIGRATION_REQUIRED']
  for (const code of loading) {
    const { summary, help } = backendErrorCodes[code as keyof typeof backendErrorCodes]
    expect((await project.run('explain', code, '--json')).json).toEqual({ v: 1, app: null, env: null, code, summary, causes: [expect.any(String)], fixes: [help] })
  }
  expect((await project.run('explain', 'resource_busy')).stdout).toContain(backendErrorCodes.RESOURCE_BUSY.help)
  for (const [code, { summary, help }] of Object.entries(backendErrorCodes)) {
    expect(`${summary} ${help}`, code).toMatch(/^[A-Z].*[.?] .*\.$/)
  }
})
