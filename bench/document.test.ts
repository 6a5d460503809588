import { expect, test } from 'vitest'
import { writeDocument } from './document.ts'
import { planCells } from './plan.ts'
import { sectionsOf } from './report.ts'
import { resultOf } from './result-fixture.ts'
import { canonicalScale } from './scale.ts'
import { summarize } from './statistics.ts'

const machine = {
  processor: '2 × Some CPU',
  memoryGb: 8,
  system: 'linux 6 x64',
  node: 'v20',
  sqlite: '3',
  nsqd: 'nsqd v1.3.0',
  commit: 'abc123',
  loadBefore: 0.1,
}

/** Makes the document of a run in which every cell has the same result. */
function document(loadBefore = machine.loadBefore): Promise<string> {
  const latency = { p50: 1, p99: 2, max: 3 }
  const given = {
    answers: { 201: 1_000, '409 sold_out': 9_000 },
    latency,
    paying: { seconds: 2, paid: 1_000, latency },
    peakMemoryMb: { api: 300 },
    cpuSeconds: { api: 1, worker: 0.5, generator: 0.3 },
    databaseWork: { unit: 'statements', count: 0 } as const,
  }
  const results = planCells(canonicalScale).map((cell) => resultOf(cell, given))
  const sections = sectionsOf(summarize(results), canonicalScale)
  const date = new Date('2026-01-02T03:04:05Z')
  const run = { scale: canonicalScale, sections, date, minutes: 20.4 }
  return writeDocument({ ...run, machine: { ...machine, loadBefore } })
}

test('a stranger reads what was measured, on what, when, at which commit and with which command', async () => {
  const text = await document()
  for (const said of ['2 × Some CPU', 'abc123', '2026-01-02', 'npm run bench', '20 minutes']) {
    expect(text).toContain(said)
  }
  expect(text).not.toContain('somebody else')
})

test('headline, every goal with yes or no, and all tables are there, and nothing is unknown', async () => {
  const text = await document()
  expect(text).toMatch(/nsq ÷ easy: \*\*1\*\*/)
  expect(text).toMatch(/^\| holds\/s, nsq ÷ easy +\| at least 5 +\| 1 +\| \*\*no\*\* +\|$/m)
  expect(text).toMatch(/^\| API process memory.*\| 300 MB +\| yes +\|$/m)
  for (const title of [
    'Plenty of stock',
    'Sold out',
    'The race',
    'Orders',
    'What a request costs',
  ]) {
    expect(text).toContain(`## ${title}`)
  }
  for (const products of [1, 10, 50]) {
    expect(text).toMatch(new RegExp(`^\\| channel-per-product \\| ${products} +\\| [\\d,]+ `, 'm'))
    expect(text).toMatch(new RegExp(`^\\| topic-per-product +\\| ${products} +\\| [\\d,]+ `, 'm'))
  }
  expect(text).not.toMatch(/NaN|undefined/)
})

test('a run beside others says so', async () => {
  expect(await document(3)).toContain('somebody else was using the machine')
})
