import { checkCart, lookIntoCart } from './cart-look.ts'
import type { History, Hold } from './history.ts'
import { deadlinesOf, sweepGraceMs, unitsStillHeld } from './hold-times.ts'
import { inTurns } from './in-turns.ts'
import type { Bot, Run } from './run.ts'
import type { StockWatch } from './stock-watch.ts'
import { now, pause } from './time.ts'
import { readInvoice } from './winner.ts'

const lookEveryMs = 500
/**
 * After so many reads without an answer, each with seconds of retries, the server counts as gone.
 */
const silentLooksMax = 3
const lastLooksAtOnceMax = 100

/** The latest moment at which an unpaid hold may still be there, by our clock; undefined without one. */
export function lastHoldEndsAt(history: History, clockOffsetMs: number): number | undefined {
  const deadlines = deadlinesOf(history)
  const ends = history.holds
    .map(({ reservationId }) => deadlines(reservationId).latest)
    .filter((at) => Number.isFinite(at))
  if (ends.length === 0) return undefined
  return ends.reduce((last, at) => Math.max(last, at)) - clockOffsetMs + sweepGraceMs
}

/**
 * Waits until the server has ended every hold that nobody paid for or released, and writes down
 * when it was seen. Gives up on a hold `sweepGraceMs` after its deadline and the last time it may
 * have been paid for, or at the end of the run.
 */
export async function waitForUnpaidHolds(
  run: Run,
  bots: readonly Bot[],
  clockOffsetMs: number,
): Promise<void> {
  const { history } = run
  const paidInvoices = new Set(history.payments.map((payment) => payment.invoiceId))
  const invoiceOf = new Map<string, string>()
  for (const { reservationIds, invoiceId } of history.invoices) {
    for (const id of reservationIds) invoiceOf.set(id, invoiceId)
  }
  const released = new Set(history.releases.map((release) => release.reservationId))
  const deadlines = deadlinesOf(history)
  const unpaid = new Map<string, Waiting>()
  for (const hold of history.holds) {
    const { reservationId } = hold
    const invoiceId = invoiceOf.get(reservationId) ?? null
    const paid = invoiceId !== null && paidInvoices.has(invoiceId)
    if (paid || released.has(reservationId)) continue
    const deadlineAt = deadlines(reservationId).latest - clockOffsetMs
    unpaid.set(reservationId, { hold, invoiceId, deadlineAt })
  }
  await Promise.all(
    [...unpaid.values()].map((waiting) =>
      waitForEnd(run, bots[waiting.hold.bot]!, { ...waiting, clockOffsetMs }),
    ),
  )
}

/**
 * A hold past its deadline is gone for its owner before the sweep has put the units back. Waits for
 * API A to say so as well; for shops where nobody but the bots buys.
 */
export async function waitForStock(run: Run, watch: StockWatch): Promise<void> {
  const until = Math.min(now() + sweepGraceMs, run.shoppers.deadlineAt)
  while (now() < until) {
    const sample = watch.latest()
    if (sample !== undefined && sample.held <= unitsStillHeld(run.history)) return
    await pause(lookEveryMs)
  }
}

/** Lets all bots read their carts at the end: a refused bot must hold nothing. */
export function lookAgain(run: Run, bots: readonly Bot[]): Promise<void> {
  return inTurns(bots, lastLooksAtOnceMax, (bot) => checkCart(run, bot))
}

interface Waiting {
  readonly hold: Hold
  /** The id of the invoice; null when the hold stayed in the cart. */
  readonly invoiceId: string | null
  /** The deadline by our clock. */
  readonly deadlineAt: number
}

async function waitForEnd(
  run: Run,
  bot: Bot,
  waiting: Waiting & { readonly clockOffsetMs: number },
): Promise<void> {
  const { history, shoppers } = run
  const { reservationId } = waiting.hold
  let deadlineAt = waiting.deadlineAt
  await pause(Math.min(deadlineAt, shoppers.deadlineAt) - now())
  // After a late decline an invoice beyond its deadline ends with the next sweep, not earlier.
  let payingUntil = now()
  let silentLooks = 0
  while (now() < shoppers.deadlineAt && silentLooks < silentLooksMax) {
    const askedAt = now()
    const seen = await look(run, bot, waiting)
    if (seen.state === 'ended') {
      history.endings.push({ reservationId, seenAt: now() })
      return
    }
    if (seen.dueAt !== null) deadlineAt = Math.max(deadlineAt, seen.dueAt - waiting.clockOffsetMs)
    if (seen.state === 'paying') payingUntil = now()
    if (seen.state === 'held' && askedAt > Math.max(deadlineAt, payingUntil) + sweepGraceMs) {
      history.overstays.push({ reservationId, askedAt })
      return
    }
    silentLooks = seen.state === 'silent' ? silentLooks + 1 : 0
    await pause(lookEveryMs)
  }
}

interface Seen {
  readonly state: 'held' | 'ended' | 'paying' | 'silent'
  /** The due date of the invoice by the server's clock. */
  readonly dueAt: number | null
}

async function look(run: Run, bot: Bot, { hold, invoiceId }: Waiting): Promise<Seen> {
  if (invoiceId === null) return lookForItem(run, bot, hold)
  const invoice = await readInvoice(run, bot, invoiceId)
  if (invoice === null) return { state: 'silent', dueAt: null }
  const { status, dueAt } = invoice
  if (status === 'paying') return { state: 'paying', dueAt }
  return { state: status === 'unpaid' ? 'held' : 'ended', dueAt }
}

async function lookForItem(run: Run, bot: Bot, hold: Hold): Promise<Seen> {
  const items = await lookIntoCart(run, bot)
  if (items === null) return { state: 'silent', dueAt: null }
  const there = items.some(({ id }) => id === hold.reservationId)
  return { state: there ? 'held' : 'ended', dueAt: null }
}
