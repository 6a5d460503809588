import { expect, test } from 'vitest'
import { spreadRetryAfter } from './retry-after.ts'

test('a crowd sent away together is told to come back at different times', () => {
  const told = Array.from({ length: 6 }, () => spreadRetryAfter({ 'retry-after': '1' }))
  expect(told.map((headers) => headers['retry-after']).sort()).toEqual([
    '1',
    '1',
    '2',
    '2',
    '3',
    '3',
  ])
})

test('nothing else changes, and who is not told to wait is not', () => {
  const headers = { 'retry-after': '5', 'content-type': 'text/plain' }
  expect(spreadRetryAfter(headers)).toMatchObject({ 'content-type': 'text/plain' })
  expect(spreadRetryAfter({ location: '/' })).toEqual({ location: '/' })
})
