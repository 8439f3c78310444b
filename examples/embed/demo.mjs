// Plan, an apply that is killed, what the file says then, recovery, and the end.
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'

rmSync('run', { recursive: true, force: true })
mkdirSync('run')
writeFileSync('run/infra.json', JSON.stringify({ targets: { prod: { config: { folder: 'run/pages', title: 'Hello' }, tags: { team: 'web' }, secretVariables: { key: 'SITE_KEY' } } }, snapshots: {} }))

function main(verb, more = {}) {
  const { stdout, stderr, signal } = spawnSync(process.execPath, ['main.mjs', verb, 'prod'], { encoding: 'utf8', env: { ...process.env, SITE_KEY: 'not-in-the-file', INFRA: 'run/infra.json', INFRA_HOME: 'run/home', ...more } })
  console.log(`$ ${verb}${signal ? ` (${signal})` : ''}`)
  process.stdout.write((stderr + stdout).replace(/^(?=.)/gm, '  '))
}

main('plan')
main('apply', { DIE_AFTER: 'run/pages/about.html' })
main('status')
main('apply')
main('status')
main('plan')
main('destroy')
main('status')
