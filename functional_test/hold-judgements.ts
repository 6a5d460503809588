import type { Evidence } from './evidence.ts'
import type { StockSample } from './history.ts'
import {
  deadlinesOf,
  livesOf,
  peakUnits,
  possibleLivesOf,
  sweepGraceMs,
  unitsStillHeld,
  type Life,
} from './hold-times.ts'
import {
  allotmentOf,
  allReads,
  judged,
  staleReadMsMax,
  unknown,
  type Judgement,
} from './judgement.ts'

/** Judges that the units alive at one moment never exceed the allotment. */

export function aliveWithinAllotment(evidence: Evidence): Judgement {
  const peak = peakUnits(livesOf(evidence.history, evidence.clock))
  const measured = `peak ${peak} of ${allotmentOf(evidence)}`
  return judged(peak > allotmentOf(evidence) ? [measured] : [], measured)
}

/** Judges the same without the units that were sold before the run: no sale is ever undone. */
export function aliveWithinLeftOver(evidence: Evidence): Judgement {
  const leftOver = allotmentOf(evidence) - evidence.start.sold
  const peak = peakUnits(livesOf(evidence.history, evidence.clock))
  const measured = `peak ${peak} of ${leftOver} left over`
  return judged(peak > leftOver ? [measured] : [], measured)
}

export function stockCountsHolds(evidence: Evidence): Judgement {
  const lives = livesOf(evidence.history, evidence.clock)
  const reads = allReads(evidence)
  const short = reads.flatMap((sample) => {
    const ours = unitsThroughout(lives, sample)
    const counted = sample.held + sample.sold - evidence.start.sold
    return ours > counted ? [`bots had ${ours} units, API A counted ${counted}`] : []
  })
  return judged(short, `${short.length} of ${reads.length} reads too low`)
}

function unitsThroughout(lives: readonly Life[], { sentAt, answeredAt }: StockSample): number {
  return lives
    .filter((life) => life.from <= sentAt - staleReadMsMax && answeredAt <= life.until)
    .reduce((sum, life) => sum + life.quantity, 0)
}

/** Judges that API A counts no more units held than the bots know of: nobody could buy those. */
export function stockCountsNoMore(evidence: Evidence): Judgement {
  const reads = allReads(evidence)
  if (evidence.buyers === 'others too') return judged([], 'others buy as well')
  const lives = possibleLivesOf(evidence.history)
  const over = reads.flatMap((sample) => {
    const ours = unitsPerhaps(lives, sample)
    const counted = sample.held + sample.sold - evidence.start.sold
    return counted > ours ? [`API A counted ${counted}, bots had at most ${ours} units`] : []
  })
  return judged(over, `${over.length} of ${reads.length} reads too high`)
}

function unitsPerhaps(lives: readonly Life[], { sentAt, answeredAt }: StockSample): number {
  return lives
    .filter((life) => life.from <= answeredAt && sentAt - staleReadMsMax <= life.until)
    .reduce((sum, life) => sum + life.quantity, 0)
}

export function reservationsAreDistinct({ history }: Evidence): Judgement {
  const owners = new Map<string, number>()
  const shared: string[] = []
  for (const { reservationId, bot } of history.holds) {
    const owner = owners.get(reservationId) ?? bot
    if (owner !== bot) shared.push(`${reservationId} was told to bots ${owner} and ${bot}`)
    owners.set(reservationId, owner)
  }
  return judged(shared, `${owners.size} reservations`)
}

export function holdsLast({ history, clock }: Evidence): Judgement {
  const deadlines = deadlinesOf(history)
  const early = history.losses.flatMap(({ reservationId, code, answeredAt }) => {
    const deadline = deadlines(reservationId).earliest - clock.offsetMs
    const leftMs = deadline - clock.errorMs - answeredAt
    return leftMs > 0
      ? [`${reservationId} was gone (${code}) ${(leftMs / 1000).toFixed(1)} s too early`]
      : []
  })
  return judged(
    early,
    `${early.length} lost early, ${history.losses.length - early.length} in time`,
  )
}

/**
 * Judges that every hold ended in time. A hold that was not due at the end of the run does not
 * count.
 */
export function holdsEnd({ history, clock }: Evidence): Judgement {
  const deadlines = deadlinesOf(history)
  const overdue = history.overstays.filter(({ reservationId, askedAt }) => {
    const deadline = deadlines(reservationId).latest - clock.offsetMs
    return askedAt > deadline + clock.errorMs + sweepGraceMs
  })
  return judged(
    overdue.map(
      (hold) => `${hold.reservationId} outlived its deadline by ${sweepGraceMs / 1000} s`,
    ),
    `${history.endings.length} ended, ${overdue.length} overdue`,
  )
}

/** Judges that no units stay held without an owner: they could never be sold. */
export function nothingLeaks({ buyers, history, answers }: Evidence): Judgement {
  if (answers.stockAfter === null) return unknown('API A')
  const { held } = answers.stockAfter
  if (buyers === 'others too') return judged([], `${held} held, perhaps by others`)
  const measured = `${held} held, ${unitsStillHeld(history)} by bots`
  return judged(held > unitsStillHeld(history) ? [measured] : [], measured)
}
