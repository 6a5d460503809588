import { expect, test } from 'vitest'
import { newUuid } from './ids.ts'

test('ids are UUIDs of version 7, begin with the time and never come twice', () => {
  const before = Date.now()
  const ids = Array.from({ length: 2_000 }, newUuid)
  const after = Date.now()
  for (const id of ids) {
    expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
    const time = Number.parseInt(id.replace('-', '').slice(0, 12), 16)
    expect(time).toBeGreaterThanOrEqual(before)
    expect(time).toBeLessThanOrEqual(after)
  }
  expect(new Set(ids).size).toBe(ids.length)
})
