import { crashSuite, must } from '../support/crash.ts'

await crashSuite({
  what: 'an apply of new code and configuration', title: 'Diary', exit: 0, alwaysUp: true,
  async prepare(app) {
    await must(app.holdfast(['apply', '--yes']))
  },
  act(app, env) {
    app.edit('api.mjs', ': ready, process', ': at your service, process')
    return app.holdfast(['apply', '--yes'], { env, title: 'Diary' })
  },
  async recover(app) {
    await must(app.holdfast(['apply', '--yes'], { title: 'Diary' }))
    app.edit('api.mjs', ': at your service, process', ': ready, process')
    await must(app.holdfast(['apply', '--yes'], { title: 'Diary' }))
    return 'service'
  },
})
