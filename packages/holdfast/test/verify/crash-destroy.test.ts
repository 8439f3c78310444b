import { crashSuite, must } from '../support/crash.ts'

await crashSuite({
  what: 'a destroy', title: 'Notes', exit: 0, alwaysUp: false,
  async prepare(app) {
    await must(app.holdfast(['apply', '--yes']))
  },
  act: (app, env) => app.holdfast(['destroy', '--yes'], { env }),
  /** Destroyed to the end, or brought up again with the notes that were there. */
  async recover(app, { side }) {
    await must(app.holdfast([side === 'before' ? 'destroy' : 'apply', '--yes'], { title: 'Notes' }))
    return side === 'before' ? 'nothing' : 'service'
  },
})
