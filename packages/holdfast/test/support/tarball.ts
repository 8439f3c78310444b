import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const repository = fileURLToPath(new URL('../../../../', import.meta.url))
export const run = promisify(execFile)

/** The packed package, in a folder of its own. */
export interface Packed {
  readonly work: string
  readonly tarball: string
  /** A folder below `work`, with files. */
  folder(name: string, files?: Record<string, string>): string
  npm(cwd: string, ...args: string[]): Promise<unknown>
  dispose(): void
}

/** Takes what `npm run build` left in dist, types included. */
export async function packed(): Promise<Packed> {
  const work = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-tarball-')))
  const npm = (cwd: string, ...args: string[]) => run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, encoding: 'utf8' })
  await npm(repository, 'pack', '-w', 'holdfast', '--pack-destination', work)
  return {
    work, npm,
    tarball: join(work, readdirSync(work).find((name) => name.endsWith('.tgz')) as string),
    folder(name, files = {}) {
      const path = join(work, name)
      mkdirSync(path, { recursive: true })
      for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text)
      return path
    },
    dispose: () => rmSync(work, { recursive: true, force: true }),
  }
}

/** The first program of the README, as a user would paste it. */
export const smallest = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(repository, 'README.md'), 'utf8'))?.[1] as string

/** A service on a socket that is kept for it. Its process is `web.mjs`. */
export const service = `import { app, asset, json } from 'holdfast'
import { File, Process } from 'holdfast/local'
import { z } from 'zod'

export default app('service', {
  config: z.object({ port: z.number().int(), text: z.string().default('one') }),
  build({ config }) {
    const settings = File('settings', { path: 'settings.json', content: json({ text: config.text }) })
    const web = Process('web', { command: ['node', asset('./web.mjs'), settings.file], listen: config.port, ready: { http: '/health' } })
    return { port: web.port }
  },
})
`
export const web = `import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
const { text } = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const server = createServer((_, answer) => answer.end(text + ' on ' + process.version)).listen({ fd: 3 })
process.on('SIGTERM', () => server.close(() => process.exit(0)))
`
