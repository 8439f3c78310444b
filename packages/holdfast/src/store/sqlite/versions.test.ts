import { expect, test } from 'vitest'
import { driver } from './driver.ts'
import { sqliteVersion } from './versions.ts'

test('the version that is told without loading SQLite is the one that SQLite tells', () => {
  expect(sqliteVersion()).toBe(driver().version)
})
