import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import type { Latency } from './job.ts'

const microsecondsPerMs = 1_000
const longestUs = 600_000_000
/** Significant digits kept. */
const figures = 3

/** Counts durations with three significant digits, from a microsecond on. */
export class Latencies {
  private readonly histogram: RecordableHistogram = createHistogram({
    lowest: 1,
    highest: longestUs,
    figures,
  })

  record(ms: number): void {
    this.histogram.record(Math.max(1, Math.round(ms * microsecondsPerMs)))
  }

  read(): Latency {
    if (this.histogram.count === 0) return { p50: 0, p99: 0, max: 0 }
    return { p50: this.at(50), p99: this.at(99), max: this.histogram.max / microsecondsPerMs }
  }

  private at(percentile: number): number {
    return this.histogram.percentile(percentile) / microsecondsPerMs
  }
}
