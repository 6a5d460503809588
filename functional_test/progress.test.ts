import { expect, test, vi } from 'vitest'
import { Crowd } from './crowd.ts'
import { emptyHistory } from './history.ts'
import { mediumOf, panelLines, plainLine, showProgress, type Reading } from './progress.ts'

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

test('elsewhere there is a line every three seconds, until it stops', () => {
  vi.useFakeTimers()
  try {
    const lines: string[] = []
    const watched = { crowd: new Crowd(5), history: emptyHistory() }
    const progress = showProgress('plain', (line) => lines.push(line), watched)
    progress.say('the race')
    vi.advanceTimersByTime(9_000)
    progress.stop()
    vi.advanceTimersByTime(9_000)
    expect(lines).toHaveLength(4)
    expect(lines[0]).toBe('the race')
    expect(lines[1]).toContain('waiting 0')
  } finally {
    vi.useRealTimers()
  }
})
