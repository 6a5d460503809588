import type { LoadProcess } from './load-process.ts'
import type { LoadResult } from './load/job.ts'
import type { Cell } from './plan.ts'
import type { Scale } from './scale.ts'
import type { ShoppersFiles } from './shoppers.ts'

/** The result of one cell. */
export interface CellResult {
  readonly cell: Cell
  readonly load: LoadResult
  /** CPU seconds within the window, by process; `generator` is the load generator. */
  readonly cpuSeconds: Readonly<Record<string, number>>
  /** Resident memory at most, MB, by process. */
  readonly peakMemoryMb: Readonly<Record<string, number>>
  /** The work of the database within the window; undefined when the contender does not count it. */
  readonly databaseWork: DatabaseWork | undefined
  /** Requests held open at once; only for the workload `waiting`. */
  readonly waitedAtOnce: number | undefined
  /** Checks that did not hold; empty is good. */
  readonly failures: readonly string[]
}

/**
 * The work of the database in statements, or in requests when the program does not count
 * statements.
 */
export interface DatabaseWork {
  readonly unit: 'statements' | 'requests'
  readonly count: number
}

/** The context that all cells of a run share. */
export interface Run {
  /** The generator of all cells, so that it is equally warm for every contender of a round. */
  readonly generator: LoadProcess
  readonly scale: Scale
  readonly shoppers: ShoppersFiles
  readonly jwtSecret: string
  /** The token of a shopper who only tests whether the shop is open. */
  readonly probeToken: string
  readonly nsqdBinary: string | undefined
  readonly profileFolder: string | undefined
}
