import { crashSuite, must } from '../support/crash.ts'

await crashSuite({
  what: 'a first apply', title: 'Notes', exit: 0, alwaysUp: false,
  async prepare() {},
  act: (app, env) => app.holdfast(['apply', '--yes'], { env }),
  async recover(app) {
    await must(app.holdfast(['apply', '--yes'], { title: 'Notes' }))
    return 'service'
  },
})
