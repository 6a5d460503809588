import type { CellResult } from './result.ts'
import type { Cell } from './plan.ts'

/** The rounds of one cell taken together. */
export interface Summary {
  readonly cell: Cell
  readonly rounds: readonly CellResult[]
  /** Answers of the demanded kind per second. */
  readonly rate: Spread
  /** ms */
  readonly p50: Spread
  readonly p99: Spread
  /** CPU seconds in the window. */
  readonly serverCpu: Spread
  readonly generatorCpu: Spread
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export type Summaries = ReadonlyMap<string, Summary>

export function summarize(results: readonly CellResult[]): Summaries {
  const byId = new Map<string, CellResult[]>()
  for (const result of results) {
    const rounds = byId.get(result.cell.id)
    if (rounds === undefined) byId.set(result.cell.id, [result])
    else rounds.push(result)
  }
  return new Map([...byId].map(([id, rounds]) => [id, summaryOf(rounds)]))
}

function summaryOf(rounds: readonly CellResult[]): Summary {
  const [first] = rounds
  if (first === undefined) throw new Error('a cell without a result')
  const spread = (read: (result: CellResult) => number): Spread => spreadOf(rounds.map(read))
  return {
    cell: first.cell,
    rounds,
    rate: spread(rateOf),
    p50: spread(({ load }) => load.latency.p50),
    p99: spread(({ load }) => load.latency.p99),
    serverCpu: spread(serverCpuOf),
    generatorCpu: spread(({ cpuSeconds }) => cpuSeconds['generator'] ?? 0),
  }
}

/** Returns answers per second; in a race, all answers from the start to the last one. */
export function rateOf({ load }: CellResult): number {
  return answersOf(load.answers) / load.seconds
}

export function answersOf(answers: Readonly<Record<string, number>>): number {
  return Object.values(answers).reduce((sum, count) => sum + count, 0)
}

function serverCpuOf({ cpuSeconds }: CellResult): number {
  const servers = Object.entries(cpuSeconds).filter(([name]) => name !== 'generator')
  return servers.reduce((sum, [, seconds]) => sum + seconds, 0)
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (index: number): number => sorted[index] ?? Number.NaN
  const middle = (sorted.length - 1) / 2
  const median = (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2
  return { median, min: at(0), max: at(sorted.length - 1) }
}

/** Divides the rates of two cells round by round, because a round has equal conditions. */
export function ratioOf(over: Summary | undefined, under: Summary | undefined): Spread | undefined {
  if (over === undefined || under === undefined) return undefined
  const pairs = over.rounds.flatMap((result, round) => {
    const other = under.rounds[round]
    return other === undefined ? [] : [rateOf(result) / rateOf(other)]
  })
  return spreadOf(pairs)
}
