import { expect, test } from 'vitest'
import { ratioOf, spreadOf, summarize } from './statistics.ts'
import { cellOf, resultOf } from './result-fixture.ts'

test('the median of an odd number of rounds is the middle one, of an even number the mean of two', () => {
  expect(spreadOf([30, 10, 20])).toEqual({ median: 20, min: 10, max: 30 })
  expect(spreadOf([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4 })
})

test('a rate is the answers of the window per second', () => {
  const result = resultOf(cellOf('plenty/nsq'), { answers: { 201: 300 }, seconds: 2 })
  expect(summarize([result]).get('plenty/nsq')?.rate.median).toBe(150)
})

test('ratios are taken within a round, so a machine that slows down does not change them', () => {
  const fast = [900, 500, 100].map((holds) =>
    resultOf(cellOf('plenty/nsq'), { answers: { 201: holds } }),
  )
  const slow = [300, 250, 20].map((holds) =>
    resultOf(cellOf('plenty/easy'), { answers: { 201: holds } }),
  )
  const summaries = summarize([...fast, ...slow])
  const ratio = ratioOf(summaries.get('plenty/nsq'), summaries.get('plenty/easy'))
  expect(ratio).toEqual({ median: 3, min: 2, max: 5 })
})

test('a ratio with a cell that was not run is not there', () => {
  expect(ratioOf(summarize([]).get('plenty/nsq'), undefined)).toBeUndefined()
})
