import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { failure } from '../../base/index.ts'
import { withProject } from '../session.ts'
import type { Verb } from '../verb.ts'

/** Builds the program; its own compiler checks the types, when there is one beside a tsconfig.json. */
export const check: Verb = (io, call) => withProject(io, call, { access: 'read' }, async (s) => {
  const nodes = s.opened.graph().nodes.size
  const config = findUp(s.opened.root, 'tsconfig.json')
  const compiler = findUp(s.opened.root, join('node_modules', '.bin', 'tsc'))
  const types = config !== undefined && compiler !== undefined
  if (types) {
    const { code, output } = await run(compiler, ['--noEmit', '--pretty', 'false', '-p', config], dirname(config))
    if (code !== 0) {
      io.err(output)
      const place = /^(.+?)\((\d+),(\d+)\): error TS\d+: (.+)$/m.exec(output)
      throw failure('HF1003', {
        message: place ? `The types do not fit: ${place[4]}` : 'The types do not fit.',
        ...(place && { site: { file: join(dirname(config), place[1] as string), line: Number(place[2]), column: Number(place[3]) } }),
      })
    }
  }
  if (call.flags.json) s.print({ ok: true, nodes, types })
  else io.out(`The program builds: ${nodes} ${nodes === 1 ? 'node' : 'nodes'}.${types ? ' Its types fit.' : ' Types were not checked: there is no tsconfig.json with a TypeScript compiler.'}\n`)
  return 0
})

function findUp(from: string, name: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, name)
    if (existsSync(path)) return path
    if (existsSync(join(folder, '.git')) || dirname(folder) === folder) return undefined
  }
}

function run(command: string, args: readonly string[], cwd: string): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? 1, output }))
  })
}
