import type { CellResult } from './result.ts'
import { answersOf, spreadOf, type Spread, type Summaries, type Summary } from './statistics.ts'

/** The CPU time of one request by process; operators plan their sales with it. */
export interface Cost {
  readonly what: string
  readonly contender: string
  /** µs of CPU, by process, `generator` left out. */
  readonly byProcess: Readonly<Record<string, Spread>>
  readonly inAll: Spread
}

interface Priced {
  readonly what: string
  /** The workload of the cells. */
  readonly workload: string
  /** Returns the number by which the CPU time of the window is divided. */
  readonly count: (result: CellResult) => number
}

const paid = ({ load }: CellResult): number => load.paying?.paid ?? 0
const answered = ({ load }: CellResult): number => answersOf(load.answers)

const priced: readonly Priced[] = [
  { what: 'a hold', workload: 'plenty', count: answered },
  { what: 'a refusal when sold out', workload: 'sold-out', count: answered },
  { what: 'an order: hold, checkout, payment', workload: 'orders', count: paid },
  { what: 'a paid order in the race, its losers included', workload: 'race', count: paid },
]

const shops = ['easy', 'embedded', 'nsq'] as const

/** Computes the costs of all measured workloads. */
export function costsOf(summaries: Summaries): readonly Cost[] {
  return priced.flatMap(({ what, workload, count }) =>
    shops.flatMap((contender) => {
      const summary = summaries.get(`${workload}/${contender}`)
      return summary === undefined ? [] : [{ what, contender, ...costOf(summary, count) }]
    }),
  )
}

const microsecondsPerSecond = 1e6

export function costOf({ rounds }: Summary, count: Priced['count']) {
  const names = Object.keys(rounds[0]?.cpuSeconds ?? {}).filter((name) => name !== 'generator')
  const each = (result: CellResult, some: readonly string[]): number => {
    const seconds = some.reduce((sum, name) => sum + (result.cpuSeconds[name] ?? 0), 0)
    return (seconds * microsecondsPerSecond) / count(result)
  }
  const spread = (some: readonly string[]) => spreadOf(rounds.map((result) => each(result, some)))
  const byProcess = Object.fromEntries(names.map((name) => [name, spread([name])]))
  return { byProcess, inAll: spread(names) }
}
