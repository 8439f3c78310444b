import { expect } from 'vitest'
import { crashSuite, must } from '../support/crash.ts'

const broken = "throw new Error('oops')\n"

await crashSuite({
  what: 'an apply that fails and is taken back', title: 'Notes', exit: 4, alwaysUp: true,
  async prepare(app) {
    await must(app.holdfast(['apply', '--yes']))
  },
  act(app, env) {
    app.edit('api.mjs', 'const BODY_BYTES_MAX', `${broken}const BODY_BYTES_MAX`)
    return app.holdfast(['apply', '--yes'], { env, title: 'Broken' })
  },
  async recover(app, { side }) {
    // The same again fails again, from the same base; the good program converges at once.
    if (side === 'after') {
      const again = await must(app.holdfast(['apply', '--yes'], { title: 'Broken' }), 4)
      expect(again.json).toMatchObject({ outcome: 'reverted', revision: { from: 1, to: 1 } })
      expect(await app.servedBy()).toBeTypeOf('number')
    }
    app.edit('api.mjs', broken, '')
    await must(app.holdfast(['apply', '--yes'], { title: 'Notes' }))
    return 'service'
  },
})
