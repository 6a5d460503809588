import type { Section } from './report.ts'
import { answersOf } from './statistics.ts'
import type { SoakResult } from './soak.ts'
import { number, table } from './table.ts'

/** Makes the sections of the report for soaks. */
export function soakSections(results: readonly SoakResult[]): readonly Section[] {
  return results.map((result) => ({
    title: `Soak, ${result.cell.contender}`,
    text: [stormText(result), remainsTable(result)].join('\n\n'),
  }))
}

function stormText({ storm, calmBefore, calmAfter }: SoakResult): string {
  const answered = answersOf(storm.answers)
  const kinds = Object.entries(storm.answers).sort(([, a], [, b]) => b - a)
  const counts = kinds.map(([kind, count]) => `${number(count)} × ${kind}`).join(', ')
  const calm = [calmBefore, calmAfter].map(({ latency }) => `${number(latency.p99)} ms`)
  return [
    `${number(answered)} answers in ${number(storm.seconds)} s of storm: ${counts}.`,
    `Calm load before and after it, p99 of add-to-cart: ${calm.join(', ')}.`,
  ].join('\n')
}

function remainsTable({ remains }: SoakResult): string {
  const rows = remains.map(({ process, what, unit, before, during, after, allowance, within }) => [
    process,
    unit === '' ? what : `${what}, ${unit}`,
    ...[before, during, after].map(number),
    `+${number(allowance)}`,
    within ? 'held' : 'GREW',
  ])
  return table(['process', '', 'at rest before', 'storm, most', 'at rest after', 'may', ''], rows)
}
