import { existsSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { failure, holdfastVersion, makeFolders } from '../../base/index.ts'
import { printDocument } from '../document.ts'
import type { Verb } from '../verb.ts'

/** Writes what is missing, never over what is there; nothing is downloaded. */
export const init: Verb = async (io, { flags }) => {
  const folder = flags.cwd
  try {
    makeFolders(folder)
  } catch (cause) {
    throw failure('HF1001', { message: `${folder} cannot be made: ${(cause as NodeJS.ErrnoException).code}.`, cause })
  }
  const name = nameFrom(basename(folder))
  const files: readonly (readonly [string, string])[] = [['app.ts', program(name)], ['tsconfig.json', tsconfig], ['package.json', manifest(name)]]
  const written: string[] = []
  const kept: string[] = []
  for (const [file, text] of files) {
    if (existsSync(join(folder, file))) kept.push(file)
    else {
      writeFileSync(join(folder, file), text, { flag: 'wx' })
      written.push(file)
    }
  }
  if (flags.json) printDocument(io, { app: name, env: null }, { written, kept })
  else {
    if (written.length > 0) io.out(`Written: ${written.join(', ')}\n`)
    if (kept.length > 0) io.out(`Left as they are: ${kept.join(', ')}\n`)
    io.out(`Next: ${written.includes('package.json') ? 'npm install, then ' : ''}npx holdfast plan\n`)
  }
  return 0
}

const nameFrom = (folder: string): string => folder.toLowerCase().replace(/[^a-z0-9._-]+/g, '-').replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '') || 'hello'

const program = (name: string): string => `import { app, str } from 'holdfast'
import { File } from 'holdfast/local'
import { Password } from 'holdfast/random'

// What should exist. \`npx holdfast plan\` shows what would change, \`npx holdfast apply\` changes it; a failure takes everything back.
export default app('${name}', {
  build() {
    // Made once, at the first apply, and kept sealed in .holdfast/state.db.
    const password = Password('password', { length: 24 })

    // Paths are relative to this file. A reference such as password.value has no text yet: put it together with str\`...\`.
    const greeting = File('greeting', { path: 'out/greeting.txt', content: str\`hello \${password.value}\\n\`, mode: 0o600 })

    // What the app gives: \`npx holdfast outputs\`.
    return { file: greeting.path }
  },
})
`

const tsconfig = `${JSON.stringify({
  compilerOptions: {
    target: 'es2023', module: 'nodenext', strict: true, noEmit: true, skipLibCheck: true,
    verbatimModuleSyntax: true, erasableSyntaxOnly: true, allowImportingTsExtensions: true,
  },
  include: ['*.ts'],
}, undefined, 2)}\n`

const manifest = (name: string): string => `${JSON.stringify({
  name, private: true, type: 'module', dependencies: { holdfast: `^${holdfastVersion}`, zod: '^4.0.0' },
}, undefined, 2)}\n`
