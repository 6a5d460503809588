import type { LoadResult } from './load/job.ts'
import { planCells, type Cell } from './plan.ts'
import type { CellResult } from './result.ts'
import { canonicalScale } from './scale.ts'

/** Makes a cell for tests. */
export function cellOf(id: string): Cell {
  const cell = planCells(canonicalScale).find((each) => each.id === id)
  if (cell === undefined) throw new Error(`no cell ${id}`)
  return cell
}

export interface Given extends Partial<Omit<CellResult, 'load'>>, Partial<LoadResult> {}

export function resultOf(cell: Cell, given: Given): CellResult {
  const { answers = {}, seconds = 1, latency = { p50: 1, p99: 2, max: 3 } } = given
  return {
    cell,
    load: {
      seconds,
      answers,
      answersInAll: answers,
      latency,
      faults: [],
      toldLater: 0,
      paying: given.paying,
    },
    cpuSeconds: given.cpuSeconds ?? {},
    peakMemoryMb: given.peakMemoryMb ?? {},
    databaseWork: given.databaseWork,
    waitedAtOnce: undefined,
    failures: given.failures ?? [],
  }
}
