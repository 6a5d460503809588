import type { LoadProcess } from './load-process.ts'
import type { LoadResult } from './load/job.ts'
import type { Cell } from './plan.ts'
import type { Scale } from './scale.ts'
import type { ShoppersFiles } from './shoppers.ts'

/** What one cell gave. */
export interface CellResult {
  readonly cell: Cell
  readonly load: LoadResult
  /** CPU seconds within the window, by process; `generator` is ours. */
  readonly cpuSeconds: Readonly<Record<string, number>>
  /** Resident memory at most, MB, by process. */
  readonly peakMemoryMb: Readonly<Record<string, number>>
  /** What the database had to do within the window; undefined when nobody can tell. */
  readonly databaseWork: DatabaseWork | undefined
  /** Requests held open at once, where that is what is measured. */
  readonly waitedAtOnce: number | undefined
  /** Checks that did not hold; empty is good. */
  readonly failures: readonly string[]
}

/** Statements, when the program counts them; else requests about which the database was asked. */
export interface DatabaseWork {
  readonly unit: 'statements' | 'requests'
  readonly count: number
}

/** What is the same for all cells of a run. */
export interface Run {
  /** One for all cells, so that it is as warm for the first contender of a round as for the last. */
  readonly generator: LoadProcess
  readonly scale: Scale
  readonly shoppers: ShoppersFiles
  readonly jwtSecret: string
  /** Of somebody who tries whether the shop is open. */
  readonly doorToken: string
  readonly nsqdBinary: string | undefined
  readonly profileFolder: string | undefined
}
