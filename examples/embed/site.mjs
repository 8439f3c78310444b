// What is applied: a folder of pages. `Page` is a type of our own.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { app, resource, sensitive } from 'holdfast'
import { z } from 'zod'

const Page = resource({
  type: 'embed:Page',
  inputs: z.object({ path: z.string(), text: z.string(), key: sensitive(z.string()).optional() }),
  outputs: z.object({ path: z.string(), text: z.string() }),
  replaceOn: ['path'],
  claims: ({ path }) => [`page:${path}`],
  // A page is found again under its path: a call whose answer was lost is looked up, and not repeated.
  capability: { create: { name: true }, update: 'full', maxCallMs: 0 },
  create: ({ inputs }) => put(inputs),
  read: ({ inputs }) => (existsSync(inputs.path) ? { path: inputs.path, text: readFileSync(inputs.path, 'utf8') } : undefined),
  update: ({ inputs }) => put(inputs),
  delete: ({ outputs }) => rmSync(outputs.path, { force: true }),
})

async function put({ path, text }) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  // Written, and nobody has heard of it: the worst moment to die.
  if (process.env.DIE_AFTER === path) process.kill(process.pid, 'SIGKILL')
  // For the test with two processes: this one is at work until the other has had its answer.
  while (process.env.WAIT_FOR && !existsSync(process.env.WAIT_FOR)) await sleep(10)
  return { path, text }
}

export const site = app('site', {
  config: z.object({ folder: z.string(), title: z.string() }),
  environments: { default: { folder: 'pages', title: 'untitled' } },
  secrets: ['key'],
  build({ config, secrets }) {
    const home = Page('home', { path: `${config.folder}/index.html`, text: `<h1>${config.title}</h1>`, key: secrets.key })
    const about = Page('about', { path: `${config.folder}/about.html`, text: 'About us' }, { dependsOn: [home] })
    return { home: home.path, about: about.path }
  },
})
