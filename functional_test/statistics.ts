/** Percentiles of latencies, ms. */
export interface Latency {
  readonly answers: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

/** Computes percentiles in ms; null without a latency. */
export function latencyOf(latenciesMs: readonly number[]): Latency | null {
  if (latenciesMs.length === 0) return null
  const sorted = latenciesMs.toSorted((a, b) => a - b)
  const at = (share: number): number => percentile(sorted, share)
  return { answers: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
}

/** Returns the percentile by nearest rank. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

export interface Bin {
  readonly from: number
  readonly to: number
  readonly count: number
}

/** Counts the values in equal bins from 0 to the largest value, at least one bin. */
export function histogram(values: readonly number[], width: number): Bin[] {
  const largest = values.reduce((most, value) => Math.max(most, value), 0)
  const counts = new Array<number>(Math.floor(largest / width) + 1).fill(0)
  for (const value of values) {
    const bin = Math.floor(Math.max(0, value) / width)
    counts[bin] = (counts[bin] ?? 0) + 1
  }
  return counts.map((count, bin) => ({ from: bin * width, to: (bin + 1) * width, count }))
}

/** Returns 1, 2 or 5 times a power of ten, so that at most `stepsMax` steps reach `largest`. */
export function roundStep(largest: number, stepsMax: number): number {
  const least = largest > 0 ? largest / stepsMax : 1
  const power = 10 ** Math.floor(Math.log10(least))
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least * 0.999_999)!
}
