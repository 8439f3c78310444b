import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { unpackSnapshot } from '../../src/embed/index.ts'

const example = fileURLToPath(new URL('../../../../examples/embed/', import.meta.url))

export interface Ran {
  readonly code: number | null
  readonly killed: boolean
  readonly out: string
}

/** The example on a file of its own; each verb is a process of its own. */
export class Place {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-embed-kill-'))
  readonly infra = join(this.folder, 'infra.json')

  constructor() {
    this.title('one')
  }

  /** What the next apply is to make of the pages. */
  title(title: string): void {
    const doc = existsSync(this.infra) ? JSON.parse(readFileSync(this.infra, 'utf8')) : { snapshots: {} }
    writeFileSync(this.infra, JSON.stringify({ ...doc, targets: { prod: { config: { folder: join(this.folder, 'pages'), title }, secretVariables: { key: 'SITE_KEY' } } } }))
  }

  run(verb: string, env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    return new Promise((resolve) => {
      const child = spawn(process.execPath, ['main.mjs', verb, 'prod'], { cwd: example, env: { ...process.env, NODE_OPTIONS: '', SITE_KEY: 'secret-of-the-site', INFRA: this.infra, INFRA_HOME: join(this.folder, 'home'), ...env } })
      let out = ''
      child.stdout.on('data', (d) => { out += d })
      child.stderr.on('data', (d) => { out += d })
      child.on('close', (code, signal) => resolve({ code, killed: signal === 'SIGKILL', out }))
    })
  }

  page(name: string): string | undefined {
    const path = join(this.folder, 'pages', `${name}.html`)
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined
  }

  pages(): readonly string[] {
    const folder = join(this.folder, 'pages')
    return existsSync(folder) ? readdirSync(folder).sort() : []
  }

  /** The file is whole at any moment; its snapshot adds up. */
  kept(): { readonly revision: number; readonly digest: string | undefined; readonly marks: number; readonly open: number } {
    const text = readFileSync(this.infra, 'utf8')
    expect(text).not.toContain('secret-of-the-site')
    const entry = JSON.parse(text).snapshots.prod as { snapshot?: { digest: string }; mutations: { about?: object }[] } | undefined
    const snapshot = entry?.snapshot && unpackSnapshot('prod', entry.snapshot)
    return { revision: snapshot?.revision ?? 0, digest: snapshot?.digest, marks: entry?.mutations.length ?? 0, open: (snapshot?.open.length ?? 0) + (entry?.mutations.filter((m) => m.about).length ?? 0) }
  }

  end(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/**
 * Kills the process at its n-th step of a write, or right after a page was written; the next apply recovers. Gives whether it was killed.
 * `ask`: in processes of their own, `status` says what is left, and one more apply finds nothing to do.
 */
export async function killedAt(env: Readonly<Record<string, string>>, before: 'nothing' | 'deployed', ask: boolean): Promise<{ readonly killed: boolean; readonly marks: number }> {
  const place = new Place()
  const at = JSON.stringify({ env, before })
  try {
    if (before === 'deployed') {
      expect(await place.run('apply'), at).toMatchObject({ code: 0 })
      place.title('two')
    }
    const was = place.kept()
    const page = (path: string) => path.replace('PAGES', join(place.folder, 'pages'))
    const ran = await place.run('apply', Object.fromEntries(Object.entries(env).map(([k, v]) => [k, page(v)])))
    const left = place.kept()
    if (ran.killed) {
      // Old and unreliable, or new and reliable: a snapshot that is as before a change has its mark, one without a mark is the whole new one.
      if (left.marks === 0) expect([was.revision, was.revision + 1], at).toContain(left.revision)
      if (left.marks === 0 && left.revision === was.revision) expect(left.digest, at).toBe(was.digest)
      const status = ask ? (await place.run('status')).out : left.marks > 0 ? 'not reliable' : ''
      if (left.marks > 0) expect(status, at).toContain('not reliable')
      else expect(status, at).not.toContain('not reliable')
    } else expect(ran, at).toMatchObject({ code: 0 })
    const title = before === 'deployed' ? 'two' : 'one'
    const again = await place.run('apply')
    expect({ at, ...again }).toMatchObject({ code: 0, out: expect.stringMatching(/applied|unchanged/) })
    expect(place.pages(), at).toEqual(['about.html', 'index.html'])
    expect(place.page('index'), at).toBe(`<h1>${title}</h1>`)
    if (ask) expect((await place.run('apply')).out, at).toContain('unchanged')
    expect(place.kept(), at).toMatchObject({ marks: 0, open: 0 })
    return { killed: ran.killed, marks: left.marks }
  } finally {
    place.end()
  }
}
