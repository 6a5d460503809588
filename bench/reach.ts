import { answersOf, ratioOf, spreadOf, type Spread, type Summaries } from './statistics.ts'
import type { CellResult } from './result.ts'
import type { Scale } from './scale.ts'

/** A number that the product wants to reach, and the measured one. */
export interface Goal {
  readonly what: string
  /** The target as text, such as `at least 5`. */
  readonly target: string
  /** Undefined when its cells were not run. */
  readonly measured: Spread | undefined
  readonly unit: string
  readonly reached: boolean
}

type Bound = 'at least' | 'at most'

interface Wanted {
  readonly what: string
  readonly bound: Bound
  readonly limit: number
  readonly unit?: string
  readonly measured: Spread | undefined
}

export function judgeGoals(summaries: Summaries, scale: Scale): readonly Goal[] {
  return [...ratios(summaries, scale), ...latencies(summaries), ...limits(summaries)].map(judge)
}

/** Computes the two main numbers. */
export function headlines(summaries: Summaries) {
  const easy = summaries.get('plenty/easy')
  return {
    nsq: ratioOf(summaries.get('plenty/nsq'), easy),
    embedded: ratioOf(summaries.get('plenty/embedded'), easy),
  }
}

function ratios(summaries: Summaries, scale: Scale): Wanted[] {
  const { nsq, embedded } = headlines(summaries)
  const [few = 1] = scale.products
  const many = scale.products.at(-1) ?? few
  const refusals = ratioOf(summaries.get('sold-out/nsq'), summaries.get('sold-out/bare'))
  const topics = (products: number) => summaries.get(`topic-per-product-${products}/nsq`)
  const bound = 'at least'
  return [
    { what: 'holds/s, nsq ÷ easy', bound, limit: 5, measured: nsq },
    { what: 'holds/s, embedded ÷ easy', bound, limit: 8, measured: embedded },
    { what: 'refusals/s when sold out, nsq ÷ bare', bound, limit: 0.45, measured: refusals },
    {
      what: `topic-per-product, ${many} products ÷ ${few}`,
      bound,
      limit: 0.7,
      measured: ratioOf(topics(many), topics(few)),
    },
  ]
}

function latencies(summaries: Summaries): Wanted[] {
  const alone = summaries.get('one-connection/nsq')
  const tail = spread(summaries, 'plenty/nsq', tailOf)
  const bound = 'at most'
  const unit = ' ms'
  return [
    { what: 'nsq, one connection, p50', bound, limit: 2, unit, measured: alone?.p50 },
    { what: 'nsq, one connection, p99', bound, limit: 10, unit, measured: alone?.p99 },
    { what: 'nsq, all connections, plenty, p99 ÷ p50', bound, limit: 3, measured: tail },
    {
      what: 'nsq, race, p99 of add-to-cart',
      bound,
      limit: 2_000,
      unit,
      measured: summaries.get('race/nsq')?.p99,
    },
  ]
}

function limits(summaries: Summaries): Wanted[] {
  const bound = 'at most'
  return [
    {
      what: 'nsq, race, bots with no answer, a 5xx or a reset',
      bound,
      limit: 0,
      measured: spread(summaries, 'race/nsq', badlyAnswered),
    },
    {
      what: 'API process memory, all requests waiting at once',
      bound,
      limit: 400,
      unit: ' MB',
      measured: spread(summaries, 'waiting/nsq', ({ peakMemoryMb }) => peakMemoryMb['api'] ?? 0),
    },
    {
      what: `database ${workUnit(summaries)} per refused request when sold out, nsq`,
      // The bound is per request on average: probe and sweep run once a second in any case.
      bound,
      limit: 0.01,
      measured: spread(summaries, 'sold-out/nsq', workPerRefusal),
    },
  ]
}

const properAnswers = ['201', '409 sold_out']

function badlyAnswered({ cell, load }: CellResult): number {
  const proper = properAnswers.reduce((sum, kind) => sum + (load.answers[kind] ?? 0), 0)
  return cell.connections - proper
}

function workUnit(summaries: Summaries): string {
  return summaries.get('sold-out/nsq')?.rounds[0]?.databaseWork?.unit ?? 'statements'
}

function workPerRefusal({ databaseWork, load }: CellResult): number {
  return (databaseWork?.count ?? Number.NaN) / answersOf(load.answers)
}

function spread(
  summaries: Summaries,
  id: string,
  read: (result: CellResult) => number,
): Spread | undefined {
  const summary = summaries.get(id)
  return summary && spreadOf(summary.rounds.map(read))
}

const tailOf = ({ load }: CellResult): number => load.latency.p99 / load.latency.p50

function judge({ what, bound, limit, unit = '', measured }: Wanted): Goal {
  const median = measured?.median ?? Number.NaN
  const reached = bound === 'at least' ? median >= limit : median <= limit
  return { what, target: `${bound} ${limit}${unit}`, measured, unit, reached }
}
