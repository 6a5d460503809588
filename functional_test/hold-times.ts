import type { History, Hold } from './history.ts'

/** The sweep runs every second; a loaded machine gets some more. */
export const sweepGraceMs = 10_000

/** How far the server's clock is ahead of ours, and how far that may be wrong. ms */
export interface ServerClock {
  readonly offsetMs: number
  readonly errorMs: number
}

/** A hold as far as the bots can know: alive from `from` until at least `until`. Our time. */
export interface Life {
  readonly hold: Hold
  readonly from: number
  /** Infinity once paid for. */
  readonly until: number
}

/** When a hold may end, by the server's clock: the cart's deadline, then that of its invoice. */
export function deadlines(
  history: Pick<History, 'holds' | 'invoices'>,
  reservationId: string,
): { readonly earliest: number; readonly latest: number } {
  const due = history.invoices
    .filter((invoice) => invoice.reservationIds.includes(reservationId))
    .map((invoice) => invoice.dueAt)
  const dates =
    due.length > 0
      ? due
      : history.holds
          .filter((hold) => hold.reservationId === reservationId)
          .map((hold) => hold.expiresAt)
  return { earliest: Math.min(...dates), latest: Math.max(...dates) }
}

/**
 * Each hold once, with the time it was surely alive. Whatever is uncertain (a release on its way,
 * clocks that differ, a deadline that moved) counts as ended, so that no shop is accused wrongly.
 */
export function livesOf(history: History, clock: ServerClock): Life[] {
  const index = indexOf(history)
  const lives = new Map<string, Life>()
  for (const hold of history.holds) {
    const known = lives.get(hold.reservationId)
    if (known !== undefined && known.from <= hold.toldAt) continue
    const until = aliveUntil(hold, index, clock)
    lives.set(hold.reservationId, { hold, from: hold.toldAt, until })
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

/** Units of holds that no bot paid for or gave back, and that were not seen to end. */
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

/** The most units that were alive at one moment. */
export function peakUnits(lives: readonly Life[]): number {
  const changes = lives
    .filter((life) => life.until > life.from)
    .flatMap((life) => [
      { at: life.from, by: life.hold.quantity },
      { at: life.until, by: -life.hold.quantity },
    ])
    // At the same moment, what ends ends first.
    .sort((a, b) => a.at - b.at || a.by - b.by)
  let alive = 0
  let peak = 0
  for (const change of changes) {
    alive += change.by
    peak = Math.max(peak, alive)
  }
  return peak
}
