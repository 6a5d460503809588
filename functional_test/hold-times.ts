import type { History, Hold } from './history.ts'

/** The sweep runs every second; a loaded machine gets some more. */
export const sweepGraceMs = 10_000

/** The offset of the server's clock from ours, and its possible error, ms. */
export interface ServerClock {
  readonly offsetMs: number
  readonly errorMs: number
}

/** The time in which a hold was alive as far as the bots know, by our clock. */
export interface Life {
  readonly reservationId: string
  readonly bot: number
  readonly quantity: number
  readonly from: number
  /** The end of the hold; Infinity once it is paid. */
  readonly until: number
}

/** The deadlines of a hold by the server's clock. */
export interface Deadlines {
  readonly earliest: number
  readonly latest: number
}

/**
 * Returns the earliest end of each hold: the cart's deadline, then that of its invoice; Infinity
 * when unknown.
 */
export function deadlinesOf(
  history: Pick<History, 'holds' | 'invoices'>,
): (reservationId: string) => Deadlines {
  const inCart = new Map<string, Deadlines>()
  const due = new Map<string, Deadlines>()
  for (const hold of history.holds) widen(inCart, hold.reservationId, hold.expiresAt)
  for (const invoice of history.invoices) {
    for (const reservationId of invoice.reservationIds) widen(due, reservationId, invoice.dueAt)
  }
  const never = { earliest: Infinity, latest: Infinity }
  return (reservationId) => due.get(reservationId) ?? inCart.get(reservationId) ?? never
}

function widen(deadlines: Map<string, Deadlines>, reservationId: string, at: number): void {
  const { earliest, latest } = deadlines.get(reservationId) ?? { earliest: at, latest: at }
  deadlines.set(reservationId, {
    earliest: Math.min(earliest, at),
    latest: Math.max(latest, at),
  })
}

/**
 * Lists each hold once with the time in which it was certainly alive. In uncertain cases (a release
 * on its way, clocks that differ, a deadline that moved) it counts as ended, so that no shop is
 * accused wrongly.
 */
export function livesOf(history: History, clock: ServerClock): Life[] {
  const index = indexOf(history)
  const lives = new Map<string, Life>()
  for (const hold of history.holds) {
    const known = lives.get(hold.reservationId)
    if (known !== undefined && known.from <= hold.toldAt) continue
    const { reservationId, bot, quantity, toldAt } = hold
    const until = aliveUntil(hold, index, clock)
    lives.set(reservationId, { reservationId, bot, quantity, from: toldAt, until })
  }
  return [...lives.values()]
}

interface Index {
  readonly paid: ReadonlySet<string>
  readonly dueAt: ReadonlyMap<string, number>
  readonly endedBy: ReadonlyMap<string, number>
}

function indexOf(history: History): Index {
  const paidInvoices = new Set(history.payments.map((payment) => payment.invoiceId))
  const paid = new Set<string>()
  const dueAt = new Map<string, number>()
  for (const invoice of history.invoices) {
    for (const id of invoice.reservationIds) {
      if (paidInvoices.has(invoice.invoiceId)) paid.add(id)
      dueAt.set(id, Math.min(dueAt.get(id) ?? Infinity, invoice.dueAt))
    }
  }
  const endedBy = new Map<string, number>()
  for (const { reservationId, sentAt } of [...history.releases, ...history.losses]) {
    endedBy.set(reservationId, Math.min(endedBy.get(reservationId) ?? Infinity, sentAt))
  }
  return { paid, dueAt, endedBy }
}

function aliveUntil(hold: Hold, index: Index, clock: ServerClock): number {
  if (index.paid.has(hold.reservationId)) return Infinity
  const deadline = index.dueAt.get(hold.reservationId) ?? hold.expiresAt
  const here = deadline - clock.offsetMs - clock.errorMs
  return Math.min(here, index.endedBy.get(hold.reservationId) ?? Infinity)
}

/**
 * Lists each hold with the longest time in which it can have been alive, and each request that was
 * never answered. In uncertain cases it counts as alive.
 */
export function possibleLivesOf(history: History): Life[] {
  const endsBy = latestEnds(history)
  const askedAt = new Map<number, number[]>()
  const unknown: Life[] = []
  for (const { bot, startedAt, quantity, outcome } of history.tries) {
    const starts = askedAt.get(bot)
    if (starts === undefined) askedAt.set(bot, [startedAt])
    else starts.push(startedAt)
    if (outcome === 'unanswered') {
      unknown.push({ reservationId: '?', bot, quantity, from: startedAt, until: Infinity })
    }
  }
  const lives = new Map<string, Life>()
  for (const { reservationId, bot, quantity, toldAt } of history.holds) {
    const started = (askedAt.get(bot) ?? []).filter((at) => at <= toldAt).at(-1) ?? toldAt
    const from = Math.min(started, lives.get(reservationId)?.from ?? Infinity)
    const until = endsBy.get(reservationId) ?? Infinity
    lives.set(reservationId, { reservationId, bot, quantity, from, until })
  }
  return [...lives.values(), ...unknown]
}

/**
 * Returns the latest end of each hold: a release when its owner is told, an expiry after the next
 * sweep.
 */
function latestEnds(history: History): ReadonlyMap<string, number> {
  const paid = indexOf(history).paid
  const ends = new Map<string, number>()
  for (const { reservationId, answeredAt } of history.releases) ends.set(reservationId, answeredAt)
  for (const { reservationId, answeredAt } of history.losses) {
    ends.set(reservationId, answeredAt + sweepGraceMs)
  }
  for (const { reservationId, seenAt } of history.endings) {
    ends.set(reservationId, seenAt + sweepGraceMs)
  }
  for (const reservationId of paid) ends.delete(reservationId)
  return ends
}

/** Counts the units of holds that no bot paid for or gave back and that were not seen to end. */
export function unitsStillHeld(history: History): number {
  const { paid } = indexOf(history)
  const over = new Set(
    [...history.releases, ...history.losses, ...history.endings].map((row) => row.reservationId),
  )
  const open = new Map(
    history.holds
      .filter(({ reservationId }) => !paid.has(reservationId) && !over.has(reservationId))
      .map((hold) => [hold.reservationId, hold.quantity]),
  )
  return [...open.values()].reduce((sum, quantity) => sum + quantity, 0)
}

/** Returns the largest number of units that were alive at one moment. */
export function peakUnits(lives: readonly Life[]): number {
  const changes = lives
    .filter((life) => life.until > life.from)
    .flatMap((life) => [
      { at: life.from, by: life.quantity },
      { at: life.until, by: -life.quantity },
    ])
    // At the same moment ends come before beginnings.
    .sort((a, b) => a.at - b.at || a.by - b.by)
  let alive = 0
  let peak = 0
  for (const change of changes) {
    alive += change.by
    peak = Math.max(peak, alive)
  }
  return peak
}
