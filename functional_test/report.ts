import type { History } from './history.ts'
import type { Finding } from './invariants.ts'
import { steps } from './contract.ts'

/** Turns a run into text. Holds and refusals are different things and are never added up. */

export function outcomeTable(history: History): string {
  const rows: string[][] = [['outcome of an add-to-cart', 'race', 'coming back']]
  const names = [...new Set(history.tries.map(outcomeName))].sort()
  for (const name of names) {
    const ofThis = history.tries.filter((one) => outcomeName(one) === name)
    rows.push([name, count(ofThis, 'race'), count(ofThis, 'return')])
  }
  const endings: readonly (readonly [string, number])[] = [
    ['holds paid for', new Set(history.payments.map((one) => one.invoiceId)).size],
    ['holds released by their owner', history.releases.length],
    ['abandoned holds seen to end', history.endings.length],
    ['holds lost', history.losses.length],
    ...lostCounts(history),
    ['told to wait (503, 429)', waitCount(history)],
  ]
  return [table(rows), table(endings.map(([name, number]) => [name, `${number}`]))].join('\n\n')
}

type Try = History['tries'][number]

const outcomeName = (one: Try): string =>
  one.code === null ? one.outcome : `${one.outcome}: ${one.code}`

const count = (tries: readonly Try[], phase: Try['phase']): string =>
  `${tries.filter((one) => one.phase === phase).length}`

/** By reason: a refused connection and a deadline that passed are different troubles. */
function lostCounts(history: History): [string, number][] {
  const reasons = new Map<string, number>()
  for (const { status, code } of history.exchanges) {
    if (status === 'lost') reasons.set(code ?? '', (reasons.get(code ?? '') ?? 0) + 1)
  }
  return [...reasons].map(([reason, times]) => [`answers lost and asked again: ${reason}`, times])
}

const waitCount = (history: History): number =>
  history.exchanges.filter((exchange) => exchange.status === 503 || exchange.status === 429).length

export function latencyTable(history: History): string {
  const rows: string[][] = [['ms per step', 'answers', 'p50', 'p95', 'p99', 'max']]
  for (const step of steps) {
    const answered = history.exchanges.filter(
      (exchange) => exchange.step === step && exchange.status !== 'lost',
    )
    rows.push(
      ...latencyRow(
        step,
        answered.map(({ sentAt, answeredAt }) => answeredAt - sentAt),
      ),
    )
  }
  const settled = history.tries.map(({ startedAt, settledAt }) => settledAt - startedAt)
  rows.push(...latencyRow('add to cart, all clicks, retries and 202s', settled))
  return table(rows)
}

function latencyRow(name: string, latenciesMs: readonly number[]): string[][] {
  if (latenciesMs.length === 0) return []
  const sorted = latenciesMs.toSorted((a, b) => a - b)
  const at = (share: number): string => percentile(sorted, share).toFixed(1)
  return [[name, `${sorted.length}`, at(0.5), at(0.95), at(0.99), at(1)]]
}

/** Nearest rank. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

export function findingLines(findings: readonly Finding[]): string {
  const rows = findings.map((finding) => [
    finding.violations === 0 ? 'holds' : 'VIOLATED',
    finding.id,
    finding.title,
    finding.measured,
  ])
  const lines = table(rows).split('\n')
  return findings.flatMap((finding, index) => [lines[index]!, ...examplesOf(finding)]).join('\n')
}

function examplesOf({ violations, examples, measured }: Finding): string[] {
  if (violations === 0) return []
  return examples
    .filter((example) => example !== measured)
    .map((example) => `            ${example}`)
}

export function verdictLine(findings: readonly Finding[]): string {
  const violated = findings.filter((finding) => finding.violations > 0).length
  return violated === 0
    ? `VERDICT: all ${findings.length} invariants hold`
    : `VERDICT: ${violated} of ${findings.length} invariants VIOLATED`
}

/** Columns as wide as their widest cell; numbers to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  return rows
    .map((row) =>
      row
        .map((cell, column) => aligned(cell, widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `  ${line}`)
    .join('\n')
}

const aligned = (cell: string, width: number): string =>
  /^[\d.]+$/.test(cell) ? cell.padStart(width) : cell.padEnd(width)
