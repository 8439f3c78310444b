import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { killedAt, Place } from './kill.ts'

// Every write, from nothing and from a deployed site: test/verify/embed-kill.test.ts.
test('S003-18 S003-21 a real process, killed right after the mark of a change was renamed into place: the mark is on disk, and the next apply recovers', async () => {
  expect(await killedAt({ DIE_AT: '7' }, 'nothing', true)).toEqual({ killed: true, marks: 2 })
}, 120_000)

test('S003-21 a real process, killed in the provider of the resource, when the page was written and nobody had heard of it', async () => {
  expect(await killedAt({ DIE_AFTER: 'PAGES/index.html' }, 'deployed', true)).toEqual({ killed: true, marks: 2 })
}, 120_000)

test('S003-30 two real processes: the second is refused with MutationOpen and exit code 10 while the first is at work', async () => {
  const place = new Place()
  try {
    const answered = join(place.folder, 'answered')
    const first = place.run('apply', { WAIT_FOR: answered })
    while (place.page('index') === undefined) await new Promise((resolve) => { setTimeout(resolve, 10) })
    for (const verb of ['apply', 'destroy']) expect(await place.run(verb), verb).toMatchObject({ code: 10, out: expect.stringMatching(/^HF4204 prod is being changed by h-.* \(pid \d+ on /) })
    expect(await place.run('status')).toMatchObject({ code: 0, out: expect.stringContaining('not reliable') })
    writeFileSync(answered, '')
    expect(await first).toMatchObject({ code: 0 })
    expect(place.kept()).toMatchObject({ revision: 1, marks: 0 })
  } finally {
    place.end()
  }
}, 120_000)
