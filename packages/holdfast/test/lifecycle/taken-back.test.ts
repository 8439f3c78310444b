import { describe, expect, test } from 'vitest'
import { readStatus } from '../../src/engine/index.ts'
import { another, dies } from '../support/deaths.ts'
import { how, inSession, makeLab, type Lab } from '../support/world.ts'

/** Before: two objects. After: the first is replaced delete-first, one is made, and the last step fails, so that all of it is taken back. */
const before = (lab: Lab) => () => {
  const a = lab.Box('a', { name: 'a', zone: 'x' }, { deleteFirst: true })
  lab.Box('b', { name: 'b', size: 1 }, { dependsOn: [a] })
}
const after = (lab: Lab) => () => {
  const a = lab.Box('a', { name: 'a', zone: 'y' }, { deleteFirst: true })
  const b = lab.Box('b', { name: 'b', size: 2 }, { dependsOn: [a] })
  const c = lab.Box('c', { name: 'c' }, { dependsOn: [b] })
  lab.Box('d', { name: 'd', fail: true }, { dependsOn: [c] })
}
const whole = [{ address: 'a', identity: 'new' }, { address: 'b', identity: 'same' }, { address: 'c', identity: 'same' }]
const sorted = (list: readonly { readonly address: string }[]) => [...list].sort((x, y) => (x.address < y.address ? -1 : 1))

describe('what is taken back by several processes', () => {
  test('is reported by the one that ends it, at whatever commit the first one died', async () => {
    let onTheWayBack = 0
    // The way there has six commits at least; a death after one of them is the same as a death before the next.
    for (let n = 7; ; n++) {
      const lab = makeLab()
      await lab.apply(before(lab))
      if (!(await dies(lab, after(lab), n, 'after'))) break
      const at = `after commit ${n}`
      const again = another(lab)
      if ((await readStatus(again.cx)).openRun === null) continue
      const back = lab.cloud.calls.some((c) => c === 'create d')
      onTheWayBack += back ? 1 : 0
      const doc = await inSession(again, (session) => session.revert(how))
      expect(doc, at).toMatchObject({ outcome: 'reverted' })
      expect(sorted(doc.reverted), at).toContainEqual(whole[0])
      if (back) expect(sorted(doc.reverted), at).toEqual(whole)
      expect(again.cloud.content, at).toEqual(['a=1', 'b=1'])
    }
    expect(onTheWayBack).toBeGreaterThan(6)
  })
})

test('what an earlier run took back is not told again by a later one', async () => {
  const lab = makeLab()
  await lab.apply(before(lab))
  expect(sorted((await lab.apply(after(lab))).reverted)).toEqual(whole)
  expect(await lab.apply(() => {
    before(lab)()
    lab.Box('e', { name: 'e', fail: true })
  })).toMatchObject({ outcome: 'reverted', reverted: [] })
})
