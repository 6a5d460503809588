import { expect, test } from 'vitest'
import { newUuid } from '../ids.ts'
import { spreadRetryAfter } from './retry-after.ts'

test('a crowd sent away together is told to come back at different times', () => {
  const told = new Map<string, number>()
  for (let count = 0; count < 3_000; count += 1) {
    const seconds = spreadRetryAfter({ 'retry-after': '1' }, newUuid())['retry-after'] ?? ''
    told.set(seconds, (told.get(seconds) ?? 0) + 1)
  }
  expect([...told.keys()].sort()).toEqual(['1', '2', '3'])
  for (const count of told.values()) expect(count).toBeGreaterThan(800)
})

test('the same request is told the same, and who is not told to wait is not', () => {
  const headers = { 'retry-after': '5', 'content-type': 'text/plain' }
  const once = spreadRetryAfter(headers, 'trace-42')
  expect(spreadRetryAfter(headers, 'trace-42')).toEqual(once)
  expect(once).toMatchObject({ 'content-type': 'text/plain' })
  expect(spreadRetryAfter({ location: '/' }, 'trace-42')).toEqual({ location: '/' })
})
