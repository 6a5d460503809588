import type { Spread } from './statistics.ts'

/** Makes a Markdown table that is also readable in a terminal. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = widths.map((width) => '-'.repeat(width))
  return [line(header), line(rule), ...rows.map(line)].join('\n')
}

const figures = 3

/** Formats three significant digits with thousands separators: `12,300`, `4.56`, `0.012`. */
export function number(value: number): string {
  if (Number.isNaN(value)) return '–'
  const rounded = Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(figures))
  return rounded >= 1000 ? rounded.toLocaleString('en-US') : String(rounded)
}

/** Formats `median (min–max)`, or only the median after one round. */
export function spreadText({ median, min, max }: Spread, unit = ''): string {
  if (min === max) return `${number(median)}${unit}`
  return `${number(median)}${unit} (${number(min)}–${number(max)})`
}
