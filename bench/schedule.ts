import type { Cell, Plan } from './plan.ts'
import type { Scale } from './scale.ts'

/** The start and the stop of a cell take this long on two cores; the estimate of a run uses it. */
const startAndStopSeconds = 4
const crowdSeconds = 10
const shoppersPerSecond = 40_000

export function estimateMinutes({ cells, soaks }: Plan, scale: Scale): number {
  const round = cells.reduce((sum, cell) => sum + secondsOf(cell, scale), 0)
  const soak = startAndStopSeconds + scale.soak.seconds * 1.25 + scale.soak.calmSeconds * 2
  const all = scale.shoppers / shoppersPerSecond + round * scale.rounds + soak * soaks.length
  return all / scale.lanes / 60
}

function secondsOf({ workload }: Cell, { warmUpSeconds, seconds }: Scale): number {
  switch (workload) {
    case 'plenty':
    case 'sold-out':
      return startAndStopSeconds + warmUpSeconds + seconds
    case 'race':
    case 'orders':
    case 'waiting':
      return startAndStopSeconds + crowdSeconds
  }
}
