import { cartSchema } from './contract.ts'
import type { Hold } from './history.ts'
import { deadlines, sweepGraceMs, unitsStillHeld } from './hold-times.ts'
import type { Bot, Run } from './run.ts'
import type { StockWatch } from './stock-watch.ts'
import { now, pause } from './time.ts'
import { readInvoice } from './winner.ts'

const lookEveryMs = 500
/** Each is some seconds of asking again: by then the server is gone. */
const silentLooksMax = 3

/**
 * Waits until the server has ended every hold that nobody paid for or released, and writes down
 * when it was seen. Gives up on a hold `sweepGraceMs` after its deadline, or at the end of the run.
 */
export async function waitForUnpaidHolds(
  run: Run,
  bots: readonly Bot[],
  clockOffsetMs: number,
): Promise<void> {
  const { history } = run
  const paidInvoices = new Set(history.payments.map((payment) => payment.invoiceId))
  const paid = new Set(
    history.invoices
      .filter((invoice) => paidInvoices.has(invoice.invoiceId))
      .flatMap((invoice) => invoice.reservationIds),
  )
  const released = new Set(history.releases.map((release) => release.reservationId))
  const unpaid = new Map(
    history.holds
      .filter((hold) => !paid.has(hold.reservationId) && !released.has(hold.reservationId))
      .map((hold) => [hold.reservationId, hold]),
  )
  await Promise.all(
    [...unpaid.values()].map((hold) => waitForEnd(run, bots[hold.bot]!, { hold, clockOffsetMs })),
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

async function waitForEnd(
  run: Run,
  bot: Bot,
  { hold, clockOffsetMs }: { readonly hold: Hold; readonly clockOffsetMs: number },
): Promise<void> {
  const { history, shoppers } = run
  const deadlineHere = (): number => deadlines(history, hold.reservationId).latest - clockOffsetMs
  await pause(Math.min(deadlineHere(), shoppers.deadlineAt) - now())
  let silentLooks = 0
  while (now() < shoppers.deadlineAt && silentLooks < silentLooksMax) {
    const askedAt = now()
    const state = await look(run, bot, hold)
    if (state === 'ended') {
      history.endings.push({ reservationId: hold.reservationId, seenAt: now() })
      return
    }
    if (state === 'held' && askedAt > deadlineHere() + sweepGraceMs) {
      history.overstays.push({ reservationId: hold.reservationId, askedAt })
      return
    }
    silentLooks = state === 'silent' ? silentLooks + 1 : 0
    await pause(lookEveryMs)
  }
}

type State = 'held' | 'ended' | 'paying' | 'silent'

async function look(run: Run, bot: Bot, hold: Hold): Promise<State> {
  const invoice = run.history.invoices.find((told) =>
    told.reservationIds.includes(hold.reservationId),
  )
  if (invoice !== undefined) {
    const seen = await readInvoice(run, bot, invoice.invoiceId)
    if (seen === null) return 'silent'
    if (seen.status === 'paying') return 'paying'
    return seen.status === 'unpaid' ? 'held' : 'ended'
  }
  const reply = await run.shoppers.persist({
    step: 'cart',
    method: 'GET',
    path: '/v1/cart',
    token: bot.token,
    lane: bot.index,
  })
  const cart = cartSchema.safeParse(reply?.body)
  if (!cart.success) return 'silent'
  const item = cart.data.items.find(({ id }) => id === hold.reservationId)
  return item?.status === 'held' ? 'held' : 'ended'
}
