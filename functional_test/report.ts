import type { Finding } from './judgement.ts'
import type { RaceNumbers, Summary } from './summary.ts'

/** A run as text, for a terminal. */

/** All bots must send within one second; otherwise it was no race. */
const sameSecondMs = 1_000

export function printTables(summary: Summary): string {
  const { outcomes, events, latencies, memory } = summary
  return [
    raceLines(summary),
    table([
      ['outcome of an add-to-cart', 'race', 'coming back'],
      ...outcomes.map((row) => [row.outcome, `${row.race}`, `${row.comingBack}`]),
    ]),
    table(events.map(({ what, times }) => [what, `${times}`])),
    table([
      ['ms, first byte sent to last byte received', 'answers', 'p50', 'p95', 'p99', 'max'],
      ...latencies.map(({ step, answers, p50, p95, p99, max }) => [
        step,
        `${answers}`,
        ...[p50, p95, p99, max].map((ms) => ms.toFixed(1)),
      ]),
    ]),
    table([
      ['peak memory', 'MB', ''],
      ...memory.map((peak) => [peak.process, megabytes(peak.megabytes), sourceNote(peak.source)]),
    ]),
  ].join('\n\n')
}

export const megabytes = (value: number | null): string => (value === null ? '?' : `${value}`)

const sourceNote = (source: Summary['memory'][number]['source']): string =>
  source === 'kernel' ? '' : source

function raceLines({ race, busiestSecond, about }: Summary): string {
  return [
    `  ${sameSecond(about.bots, race)}`,
    `  everybody had an answer after ${Math.round(race.answeredWithinMs)} ms; connecting took ${race.connectSeconds.toFixed(1)} s before`,
    `  holds     ${race.holds} in the race within ${Math.round(race.holdsWithinMs)} ms, a rate of ${Math.round(race.holdsPerSecond)} per second; in the busiest second ${busiestSecond.holds}`,
    `  refusals  ${race.refusals} in the race within ${Math.round(race.refusalsWithinMs)} ms, a rate of ${Math.round(race.refusalsPerSecond)} per second; in the busiest second ${busiestSecond.refusals}`,
  ].join('\n')
}

/** Returns a warning when the machine was too slow to send everything within a second. */
export function sameSecond(bots: number, { sentWithinMs }: RaceNumbers): string {
  const said = `${bots} first add-to-carts, first to last byte sent within ${Math.round(sentWithinMs)} ms`
  return sentWithinMs <= sameSecondMs
    ? said
    : `${said}: MORE THAN A SECOND, this machine is too busy for so many bots`
}

export function printFindings({ findings }: Pick<Summary, 'findings'>): string {
  return `${findingLines(findings)}\n\n${verdictLine(findings)}`
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

/** Formats a table: columns are as wide as their widest cell, numbers are right-aligned. */
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
