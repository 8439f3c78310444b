import { expect, test } from 'vitest'
import type { PlanDocument } from '../../engine/index.ts'
import { makePaint } from '../paint.ts'
import { planScreen, type PlanScreen } from './plan.ts'

const plain = makePaint(false, false)
const screen: PlanScreen = { app: 'shop', env: 'prod', store: 'sqlite', program: '9c1f04e2aa', components: new Map([['db', 'PostgresServer'], ['api', 'Api']]), verbose: false, saved: true }

const doc: PlanDocument = {
  id: 'p-01JD4Q', revision: 41,
  changes: [
    { address: 'db/tls', type: 'acme:Certificate', action: 'replace', reasons: ['validFor forces a new object'], replace: 'create-first', paths: [{ path: 'validFor', before: '90d', after: '365d' }] },
    { address: 'db/conf', type: 'holdfast:local/File', action: 'update', reasons: [], paths: [
      { path: 'content', before: 'a = 1\nport = 5432\nssl = off\n', after: 'a = 1\nport = 5432\nssl = on\n' },
      { path: 'cert', before: 'x', after: { unknown: 'db/tls.certPem' } },
      { path: 'token', before: { secret: true }, after: { secret: true }, secret: true },
    ] },
    { address: 'db/server', type: 'holdfast:local/Process', action: 'update', verb: 'restart', reasons: [], protected: true, identity: 'new', paths: [{ path: 'command.1.digest', before: 'sha256:aa', after: 'sha256:bb', files: { changed: ['orders.mjs', 'x/y.mjs'], total: 214 } }] },
    { address: 'api/settings', type: 'holdfast:local/File', action: 'maybe', reasons: ['if db/server changes'] },
    { address: 'current', type: 'acme:fs/Link', action: 'create', reasons: [], paths: [{ path: 'path', after: 'run/current' }] },
    { address: 'legacy', type: 'holdfast:local/Process', action: 'delete', reasons: [], irreversible: true },
  ],
  summary: { create: 1, update: 2, replace: 1, maybe: 1, delete: 1, unchanged: 5 },
}

test('the plan screen says what changes, where, and how to apply it', () => {
  expect(planScreen(doc, screen, plain)).toBe(`shop · prod   revision 41 → 42   program 9c1f04e2   state sqlite

  db                                             PostgresServer
±     tls            acme:Certificate            replace    the new one comes first
          validFor forces a new object
          validFor      "90d" → "365d"
~     conf           holdfast:local/File         update
          content       2 lines
              a = 1
              port = 5432
            - ssl = off
            + ssl = on
          cert          "x" → ⟨db/tls.certPem⟩
          token         ‹secret› (changed)
~     server         holdfast:local/Process      restart    protected, taking it back makes a new object
          command.1.digest 2 of 214 files: orders.mjs, x/y.mjs
  api                                            Api
?     settings       holdfast:local/File         maybe
          if db/server changes
+   current          acme:fs/Link                create
-   legacy           holdfast:local/Process      delete     after commit, cannot be taken back

1 create · 2 update · 1 replace · 1 maybe · 1 delete · 5 unchanged
Saved p-01JD4Q  →  holdfast apply p-01JD4Q
`)
})

test('a plan without changes says so', () => {
  expect(planScreen({ id: 'p-1', revision: 3, changes: [], summary: { unchanged: 5 } }, { ...screen, saved: false }, plain))
    .toBe('shop · prod   revision 3   program 9c1f04e2   state sqlite\n\nNo changes. 5 unchanged\n')
})

test('an open run that would be taken over is named', () => {
  expect(planScreen({ ...doc, openRun: 'r-1' }, screen, plain)).toContain('run r-1 is not finished; an apply takes it over')
})

test('the word stands beside the sign, also without colour and signs', () => {
  const ascii = planScreen(doc, screen, makePaint(false, true))
  expect([...ascii].every((c) => (c.codePointAt(0) as number) < 128)).toBe(true)
  for (const word of ['replace', 'update', 'restart', 'maybe', 'create', 'delete']) expect(ascii).toContain(word)
})

test('the plan screen says which object is taken over, whose it is, and which hooks run', () => {
  const taken: PlanDocument = { id: 'p-1', revision: 1, summary: { adopt: 1 }, changes: [
    { address: 'a', type: 'acme:Box', action: 'adopt', adopts: 'i-1', owner: 'other', reasons: ['then updated'], hooks: { beforeUpdate: 'drain' }, paths: [{ path: 'size', before: 1, after: 2 }] },
  ] }
  expect(planScreen(taken, screen, plain)).toContain(`*   a                acme:Box                    adopt      takes over i-1, which is somebody else's
        hooks: beforeUpdate drain
        then updated
        size          1 → 2
`)
})
