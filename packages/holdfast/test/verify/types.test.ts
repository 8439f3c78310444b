import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packed, repository, run, service, smallest, type Packed } from '../support/tarball.ts'

let packing: Packed
beforeAll(async () => {
  packing = await packed()
})
afterAll(() => packing.dispose())

describe('the types of the packed package', () => {
  const compilers = { '5.9': 'typescript@5.9', '6': 'typescript@6', '7': 'typescript@7' }
  for (const zod of ['4.0.0', 'latest']) {
    test(`every one of them compiles, and so do an author's programs, with zod ${zod} on TypeScript 5.9, 6 and 7`, async () => {
      const place = packing.folder(`types-${zod}`, {
        'package.json': '{ "private": true, "type": "module" }',
        'app.ts': smallest,
        'service.ts': service,
        'own-type.ts': readFileSync(join(repository, 'examples/own-type/app.ts'), 'utf8'),
        'quickstart.ts': readFileSync(join(repository, 'examples/quickstart/app.ts'), 'utf8'),
        'mutual-tls.ts': readFileSync(join(repository, 'examples/mutual-tls/app.ts'), 'utf8'),
        'wrong.ts': "import { app } from 'holdfast'\nimport { File } from 'holdfast/local'\nexport default app('wrong', { build() {\n  // @ts-expect-error a path is a text\n  File('a', { path: 5, content: '' })\n  // @ts-expect-error there is no such output\n  return { x: File('b', { path: 'b', content: '' }).nope }\n} })\n",
        'tsconfig.json': JSON.stringify({ compilerOptions: { module: 'nodenext', target: 'es2023', strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noEmit: true, skipLibCheck: false, types: ['node'] }, include: ['*.ts', 'node_modules/holdfast/dist/types/**/*.d.ts'], exclude: [] }),
      })
      await packing.npm(place, 'install', '--ignore-scripts', packing.tarball, `zod@${zod}`, '@types/node@20', ...Object.entries(compilers).map(([name, spec]) => `ts-${name}@npm:${spec}`))
      for (const name of Object.keys(compilers)) {
        const tsc = join(place, 'node_modules', `ts-${name}`, 'bin/tsc')
        const result = await run(process.execPath, [tsc, '-p', place], { encoding: 'utf8' }).then(({ stdout }) => ({ code: 0, stdout }), (e: { code: number; stdout: string }) => e)
        expect({ code: result.code, stdout: result.stdout }, `TypeScript ${name}`).toEqual({ code: 0, stdout: '' })
      }
    })
  }
})
