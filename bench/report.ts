import { costOf, costsOf } from './costs.ts'
import { routings } from './plan.ts'
import { judgeGoals, headlines, type Goal } from './reach.ts'
import type { CellResult } from './result.ts'
import type { Scale } from './scale.ts'
import { answersOf, spreadOf, type Spread, type Summaries, type Summary } from './statistics.ts'
import { number, spreadText, table } from './table.ts'

/** A section of the report. The terminal and docs/benchmarks.md show the same sections. */
export interface Section {
  readonly title: string
  readonly text: string
}

export function sectionsOf(summaries: Summaries, scale: Scale): readonly Section[] {
  const all = [
    { title: 'Headline', text: headlineText(summaries) },
    { title: 'Reach', text: goalTable(judgeGoals(summaries, scale)) },
    {
      title: `Plenty of stock, ${number(scale.connections)} connections`,
      text: rateTable(summaries, 'plenty', 'holds/s'),
    },
    {
      title: `Sold out, ${number(scale.connections)} connections`,
      text: rateTable(summaries, 'sold-out', 'refusals/s'),
    },
    { title: 'One connection', text: rateTable(summaries, 'one-connection', 'holds/s') },
    {
      title: `The race: ${number(scale.race.shoppers)} shoppers, ${number(scale.race.units)} units`,
      text: raceTable(summaries, 'race'),
    },
    {
      title: `Orders: ${number(scale.orders)} shoppers, a unit for each`,
      text: raceTable(summaries, 'orders'),
    },
    { title: 'What a request costs', text: costTable(summaries) },
    { title: 'Memory while everybody waits', text: memoryTable(summaries) },
    { title: 'Products', text: productsTable(summaries, scale) },
    { title: 'API nodes', text: nodesTable(summaries) },
    { title: 'The load generator', text: generatorText(summaries) },
  ]
  return all.filter(({ text }) => text !== '')
}

function headlineText(summaries: Summaries): string {
  const { nsq, embedded } = headlines(summaries)
  const line = (name: string, ratio: Spread | undefined): string =>
    ratio === undefined ? '' : `- holds per second, ${name} ÷ easy: **${spreadText(ratio)}**`
  return [line('nsq', nsq), line('embedded', embedded)].filter((each) => each !== '').join('\n')
}

function goalTable(goals: readonly Goal[]): string {
  const rows = goals.flatMap(({ what, target, measured, unit, reached }) => {
    if (measured === undefined) return []
    return [[what, target, spreadText(measured, unit), reached ? 'yes' : '**no**']]
  })
  return rows.length === 0 ? '' : table(['', 'target', 'measured', 'reached'], rows)
}

/** Makes the table of all contenders of one workload. */
function rateTable(summaries: Summaries, workload: string, rate: string): string {
  const found = withId(summaries, workload)
  if (found.length === 0) return ''
  const header = ['', rate, 'p50 ms', 'p99 ms', 'server CPU s', 'generator CPU s', 'server µs each']
  return table(
    header,
    found.map((summary) => [
      summary.cell.contender,
      spreadText(summary.rate),
      spreadText(summary.p50),
      spreadText(summary.p99),
      cpuText(summary),
      spreadText(summary.generatorCpu),
      number(serverMicrosecondsEach(summary)),
    ]),
  )
}

/** Formats the CPU time as `14.2 = api 7.1 + worker 5 + nsqd 2.1`, medians. */
function cpuText({ rounds, serverCpu }: Summary): string {
  const names = Object.keys(rounds[0]?.cpuSeconds ?? {}).filter((name) => name !== 'generator')
  if (names.length < 2) return spreadText(serverCpu)
  const parts = names.map((name) => {
    const { median } = spreadOf(rounds.map(({ cpuSeconds }) => cpuSeconds[name] ?? 0))
    return `${name} ${number(median)}`
  })
  return `${number(serverCpu.median)} = ${parts.join(' + ')}`
}

function serverMicrosecondsEach(summary: Summary): number {
  return costOf(summary, ({ load }) => answersOf(load.answers)).inAll.median
}

function raceTable(summaries: Summaries, workload: string): string {
  const found = withId(summaries, workload)
  if (found.length === 0) return ''
  const of = (summary: Summary, read: (result: CellResult) => number): string =>
    spreadText(spreadOf(summary.rounds.map(read)))
  return table(
    [
      '',
      'holds',
      'refusals',
      'told 202 first',
      'all told after s',
      'p50 ms',
      'p99 ms',
      'paid',
      'all paid after s',
      'server CPU s',
      'generator CPU s',
    ],
    found.map((summary) => [
      summary.cell.contender,
      of(summary, ({ load }) => load.answers['201'] ?? 0),
      of(summary, ({ load }) => load.answers['409 sold_out'] ?? 0),
      of(summary, ({ load }) => load.toldLater),
      of(summary, ({ load }) => load.seconds),
      spreadText(summary.p50),
      spreadText(summary.p99),
      of(summary, ({ load }) => load.paying?.paid ?? 0),
      of(summary, ({ load }) => load.paying?.seconds ?? 0),
      cpuText(summary),
      spreadText(summary.generatorCpu),
    ]),
  )
}

function memoryTable(summaries: Summaries): string {
  const [summary] = withId(summaries, 'waiting')
  if (summary === undefined) return ''
  const names = Object.keys(summary.rounds[0]?.peakMemoryMb ?? {})
  const { connections } = summary.cell
  const rows = names.map((name) => {
    const peak = spreadOf(summary.rounds.map(({ peakMemoryMb }) => peakMemoryMb[name] ?? 0))
    return [name, spreadText(peak)]
  })
  return table([`${number(connections)} requests held open`, 'peak MB'], rows)
}

/** Makes the table of rates by number of products, in both routing modes. */
function productsTable(summaries: Summaries, scale: Scale): string {
  const found = routings.flatMap((routing) =>
    scale.products.flatMap((products) => summaries.get(`${routing}-${products}/nsq`) ?? []),
  )
  return curve(['routing', 'products'], found, ({ cell }) => [cell.routing, String(cell.products)])
}

function nodesTable(summaries: Summaries): string {
  const found = ['plenty/nsq', 'api-nodes-2/nsq'].flatMap((id) => summaries.get(id) ?? [])
  if (found.length < 2) return ''
  return curve(['API nodes'], found, ({ cell }) => [String(cell.apiNodes)])
}

const processNames = ['api', 'worker', 'nsqd'] as const

/** Makes the rows of a curve: rate, tail latency, and the CPU time of a hold by process. */
function curve(
  by: readonly string[],
  summaries: readonly Summary[],
  label: (summary: Summary) => readonly string[],
): string {
  if (summaries.length === 0) return ''
  const rows = summaries.map((summary) => {
    const { byProcess } = costOf(summary, ({ load }) => answersOf(load.answers))
    const costs = processNames.map((name) => number(byProcess[name]?.median ?? Number.NaN))
    return [...label(summary), spreadText(summary.rate), spreadText(summary.p99), ...costs]
  })
  return table([...by, 'holds/s', 'p99 ms', ...processNames.map((name) => `${name} µs`)], rows)
}

function costTable(summaries: Summaries): string {
  const costs = costsOf(summaries)
  if (costs.length === 0) return ''
  const rows = costs.map(({ what, contender, inAll, byProcess }) => {
    const parts = processNames.map((name) => byProcess[name])
    return [
      what,
      contender,
      spreadText(inAll),
      ...parts.map((part) => (part ? spreadText(part) : '')),
    ]
  })
  const note = `CPU time, user and kernel, of all threads. A core has a million µs a second.`
  return `${note}\n\n${table(['µs of CPU', '', 'in all', ...processNames], rows)}`
}

/**
 * Describes the largest rate that the generator can measure, against a server that does nothing.
 */
function generatorText(summaries: Summaries): string {
  const bare = summaries.get('plenty/bare')
  if (bare === undefined) return ''
  const busy = spreadOf(
    bare.rounds.map(
      ({ cpuSeconds, load }) => (100 * (cpuSeconds['generator'] ?? 0)) / load.seconds,
    ),
  )
  const rate = `${spreadText(bare.rate)} requests/s against bare`
  return `Its ceiling is ${rate}, using ${spreadText(busy)} % of a core.`
}

function withId(summaries: Summaries, workload: string): readonly Summary[] {
  return [...summaries.values()].filter(({ cell }) => cell.id.startsWith(`${workload}/`))
}
