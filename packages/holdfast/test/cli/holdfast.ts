import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The built package; `npm run build` makes it. */
export const dist = process.env.HOLDFAST_DIST ?? fileURLToPath(new URL('../../dist', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** The one document on stdout. */
  json(): Record<string, any>
}

export interface Folder {
  readonly path: string
  write(files: Readonly<Record<string, string>>): void
  run(args: string | readonly string[], options?: RunOptions): Promise<Ended>
  dispose(): void
}

export interface RunOptions {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Called once with the running process. */
  readonly started?: (child: import('node:child_process').ChildProcess) => void
}

/** An empty folder outside of the repository, with a program in it. */
export function folder(files: Readonly<Record<string, string>> = {}): Folder {
  if (!existsSync(join(dist, 'bin.js'))) throw new Error(`${dist}/bin.js is missing: run npm run build`)
  const path = mkdtempSync(join(tmpdir(), 'hf-cli-'))
  const f: Folder = {
    path,
    write(more) {
      for (const [name, text] of Object.entries(more)) {
        mkdirSync(dirname(join(path, name)), { recursive: true })
        writeFileSync(join(path, name), text)
      }
    },
    run: (args, options = {}) => runHoldfast(typeof args === 'string' ? args.split(' ') : args, { cwd: path, ...options }),
    dispose: () => rmSync(path, { recursive: true, force: true }),
  }
  f.write(files)
  return f
}

export function runHoldfast(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { HOLDFAST_ENV: _env, NO_COLOR: _no, FORCE_COLOR: _force, GITHUB_ACTIONS: _gha, ...clean } = process.env
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(dist, 'bin.js'), ...args], { cwd: options.cwd, env: { ...clean, ...options.env }, stdio: ['pipe', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (t: string) => { stdout += t })
    child.stderr.setEncoding('utf8').on('data', (t: string) => { stderr += t })
    child.stdin.on('error', () => {}) // it may not read
    child.stdin.end(options.stdin ?? '')
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr, json: () => JSON.parse(stdout) as Record<string, unknown> }))
    options.started?.(child)
  })
}

export const hello = `import { app, str } from 'holdfast'
import { File } from 'holdfast/local'
import { Password } from 'holdfast/random'

export default app('hello', {
  build() {
    const password = Password('password', { length: 24 })
    const file = File('greeting', { path: 'out/greeting.txt', content: str\`hello \${password.value}\\n\`, mode: 0o600 })
    return { file: file.path }
  },
})
`
