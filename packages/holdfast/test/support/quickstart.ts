import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { ask, type Answer, type Question } from './asking.ts'
import { example, freePort, type Installed, type Project, type Ran, type RunOptions } from './cli.ts'

/** A copy of examples/quickstart on a port of its own. */
export interface Quickstart extends Project {
  readonly port: number
  /** Runs a verb with `--set port=...` and a title. */
  holdfast(words: readonly string[], options?: RunOptions & { readonly title?: string }): Promise<Ran>
  /** The generated password, revealed. */
  password(): Promise<string>
  ask(path: string, q?: Question): Promise<Answer>
  /** Pid of the process that answers /health; undefined when none does. */
  servedBy(): Promise<number | undefined>
}

export async function quickstart(place: Installed, name: string): Promise<Quickstart> {
  const project = place.project(name, example('quickstart'))
  const port = await freePort()
  return {
    ...project, port,
    holdfast: (words, { title, ...options } = {}) => project.call([...words, '--set', `port=${port}`, ...(title === undefined ? [] : ['--set', `title=${title}`])], options),
    async password() {
      const { json } = await project.call(['outputs', 'password', '--reveal'], { reveals: true })
      return json.outputs.password as string
    },
    ask: (path, q) => ask(port, path, q),
    async servedBy() {
      try {
        const answer = await ask(port, '/health')
        return answer.status === 200 ? (answer.json() as { pid: number }).pid : undefined
      } catch {
        return undefined
      }
    },
  }
}

export const basic = (password: string): { authorization: string } => ({ authorization: `Basic ${Buffer.from(`notes:${password}`).toString('base64')}` })

/** Mode and digest of every entry of a folder, without `.holdfast` at its top. */
export function contentOf(folder: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const e of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(e.parentPath, e.name)
    const name = path.slice(folder.length + 1)
    if (name.split('/')[0] === '.holdfast') continue
    const what = e.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : e.isSymbolicLink() ? `-> ${readlinkSync(path)}` : 'folder'
    found[name] = `${(lstatSync(path).mode & 0o7777).toString(8)} ${what}`
  }
  return found
}
