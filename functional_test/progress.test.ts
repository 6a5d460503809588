import { expect, test, vi } from 'vitest'
import { Crowd } from './crowd.ts'
import { emptyHistory } from './history.ts'
import {
  countdown,
  mediumOf,
  panelLines,
  plainLine,
  showProgress,
  type Reading,
} from './progress.ts'

function readingOf(crowd: Crowd, stock: Reading['stock'] = null): Reading {
  return { bots: crowd.size, count: (place) => crowd.count(place), rate: 1234.4, stock }
}

test('a bot is in one place at a time', () => {
  const crowd = new Crowd(3)
  crowd.move(0, 'waiting')
  crowd.move(1, 'waiting')
  crowd.move(0, 'held')
  crowd.move(0, 'held')
  expect(plainLine(readingOf(crowd))).toContain('waiting 1, held 1, paid 0, refused 0, gone 0')
  expect(crowd.count('outside')).toBe(1)
})

test('the bar of the stock is as long as the stock, whatever the shop says', () => {
  const bar = (available: number, held: number, sold: number): string => {
    const lines = panelLines(readingOf(new Crowd(1), { available, held, sold }))
    return /stock +(\S+) /.exec(lines.join('\n'))![1]!
  }
  expect(bar(20, 10, 10)).toBe('█'.repeat(10) + '▒'.repeat(10) + '·'.repeat(20))
  for (const odd of [bar(0, 0, 0), bar(-5, 50, 1), bar(3, -9, 7), bar(0, -9, 2)]) {
    expect(odd).toHaveLength(40)
  }
})

test('a panel is drawn on a terminal only', () => {
  const terminal = { isTTY: true, columns: 80 }
  const pipe = { isTTY: false, columns: 80 }
  expect(mediumOf(terminal, {})).toBe('terminal')
  expect(mediumOf(terminal, { CI: 'true' })).toBe('plain')
  expect(mediumOf(terminal, { TERM: 'dumb' })).toBe('plain')
  expect(mediumOf({ isTTY: true, columns: 0 }, {})).toBe('plain')
  expect(mediumOf(pipe, {})).toBe('plain')
})

test('elsewhere there is a line every ten seconds, with a countdown, until it stops', () => {
  vi.useFakeTimers()
  try {
    const lines: string[] = []
    const watched = { crowd: new Crowd(5), history: emptyHistory() }
    const progress = showProgress('plain', (line) => lines.push(line), watched)
    progress.say('the race')
    progress.phase('the race', performance.timeOrigin + performance.now() + 30_000)
    vi.advanceTimersByTime(29_000)
    progress.stop()
    vi.advanceTimersByTime(20_000)
    expect(lines).toHaveLength(3)
    expect(lines[1]).toMatch(/; at most 20 s more$/)
    expect(lines[2]).toMatch(/; at most 10 s more$/)
    expect(lines[0]).toBe('the race')
    expect(lines[1]).toContain('waiting 0')
  } finally {
    vi.useRealTimers()
  }
})

test('a countdown is in whole seconds, and says nothing of a phase without an end', () => {
  expect(countdown(undefined, 0)).toBe('')
  expect(countdown(12_001, 0)).toBe('; at most 13 s more')
  expect(countdown(12_000, 13_000)).toBe('; any moment now')
})
