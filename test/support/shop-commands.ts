import fc from 'fast-check'
import { clearCart, removeFromCart } from '../../src/db/carts.ts'
import { checkOut } from '../../src/db/checkout.ts'
import { adjustStock } from '../../src/db/catalogue.ts'
import {
  cancelInvoicesOfCancelled,
  releaseCancelledCartHolds,
  releaseCancelledLines,
} from '../../src/db/called-off-sales.ts'
import { expireCartHolds, expireInvoices } from '../../src/db/expiry.ts'
import { changeFlashSaleState } from '../../src/db/flash-sales.ts'
import { cancelInvoice } from '../../src/db/invoices.ts'
import { reserveBatch } from '../../src/db/reserve/reserve-batch.ts'
import type { FlashSaleState } from '../../src/domain/flash-sale.ts'
import { limits } from '../../src/domain/limits.ts'
import type { AddToCartOutcome } from '../../src/domain/reservation.ts'
import { moneyCommands } from './shop-commands-money.ts'
import { chosen, command, index, isOwner, key, rarely, type ComparedShop } from './shop-command.ts'
import type { ModelWish } from './shop-model-rows.ts'

/** A request drawn by fast-check. This file has the commands without money. */
const wish = fc.record({
  user: index,
  product: index,
  key,
  quantity: fc.integer({ min: 1, max: 3 }),
  refuseUnlessRecorded: rarely(fc.constantFrom('too_late' as const, 'sold_out' as const)),
  /** The position of an earlier request whose message is delivered again. */
  again: rarely(index),
})
type DrawnWish = typeof wish extends fc.Arbitrary<infer T> ? T : never

function modelWish(drawn: DrawnWish, { users, model, wishes, newId }: ComparedShop): ModelWish {
  const { user, product, quantity, refuseUnlessRecorded, again } = drawn
  const earlier = again === undefined ? undefined : chosen(wishes, again)
  if (earlier !== undefined) return { ...earlier, refuseUnlessRecorded }
  return {
    requestId: newId(),
    userId: chosen(users, user) ?? 0,
    key: drawn.key,
    quantity,
    productId: chosen(model.products, product)?.id ?? 0,
    refuseUnlessRecorded,
  }
}

const outcomeOf = (outcome: AddToCartOutcome): string =>
  outcome.kind === 'refused'
    ? outcome.refusal
    : `${outcome.replayed ? 'replayed' : 'held'} ${outcome.reservation.id}`

export const reserve = fc
  .record({ wishes: fc.array(wish, { minLength: 1, maxLength: 4 }) })
  .map(({ wishes }) =>
    command('reserve', { wishes }, async (shop) => {
      const { fixture, model, newId } = shop
      const all = wishes.map((drawn) => modelWish(drawn, shop))
      shop.wishes.push(...all)
      const requests = all.map(({ key: idempotencyKey, ...rest }) => {
        const flashSaleId = model.product(rest.productId).sale.id
        return { ...rest, userUid: fixture.uidOf(rest.userId), idempotencyKey, flashSaleId }
      })
      const real = await fixture.run(reserveBatch(requests, { now: model.now, newId }))
      // The model decides product by product, as a batch does, and in the order of arrival within a
      // product.
      const sorted = [...all].sort((a, b) => a.productId - b.productId)
      const modelled = new Map(sorted.map((each) => [each, model.reserve(each)]))
      return [real.map(outcomeOf), all.map((each) => modelled.get(each))]
    }),
  )

const remove = fc.record({ user: index, hold: index, isOwner }).map((drawn) =>
  command('remove', drawn, async ({ fixture, model, users }) => {
    const hold = chosen(model.holds, drawn.hold)
    const stranger = chosen(users, drawn.user) ?? 0
    const userId = drawn.isOwner ? (hold?.userId ?? stranger) : stranger
    const holdId = hold?.id ?? 'none'
    const removed = await fixture.run(removeFromCart(userId, holdId, model.now))
    return [removed === undefined ? 'not_found' : 'removed', model.remove(userId, holdId)]
  }),
)

const clear = fc.record({ user: index }).map((drawn) =>
  command('clear', drawn, async ({ fixture, model, users }) => {
    const userId = chosen(users, drawn.user) ?? 0
    await fixture.run(clearCart(userId, model.now))
    model.clear(userId)
    return ['cleared', 'cleared']
  }),
)

export const checkout = fc.record({ user: index, hold: index, isOwner, key }).map((drawn) =>
  command('check out', drawn, async ({ fixture, model, users, newId }) => {
    const stranger = chosen(users, drawn.user) ?? 0
    const userId = drawn.isOwner ? (chosen(model.holds, drawn.hold)?.userId ?? stranger) : stranger
    const invoiceId = newId()
    const order = { userId, idempotencyKey: drawn.key, invoiceId, now: model.now }
    const result = await fixture.run(checkOut(order))
    const real = 'invoice' in result ? `${result.kind} ${result.invoice.id}` : result.kind
    return [real, model.checkOut(userId, drawn.key, invoiceId)]
  }),
)

const cancel = fc.record({ user: index, invoice: index, isOwner }).map((drawn) =>
  command('cancel', drawn, async ({ fixture, model, users }) => {
    const invoice = chosen(model.invoices, drawn.invoice)
    const stranger = chosen(users, drawn.user) ?? 0
    const userId = drawn.isOwner ? (invoice?.userId ?? stranger) : stranger
    const invoiceId = invoice?.id ?? 'none'
    const { kind } = await fixture.run(cancelInvoice(userId, invoiceId, model.now))
    return [kind, model.cancelInvoice(userId, invoiceId)]
  }),
)

export const wait = fc
  .record({ ms: fc.constantFrom(1_000, 20_000, 61_000, 130_000) })
  .map((drawn) =>
    command('wait', drawn, ({ model }) => {
      model.now += drawn.ms
      return Promise.resolve(['waited', 'waited'])
    }),
  )

const batchSizeMax = 100

export const expire = fc.constant(
  command('expire', {}, async ({ fixture, model }) => {
    const holds = await fixture.run(expireCartHolds(model.now, batchSizeMax))
    const invoices = await fixture.run(expireInvoices(model.now, batchSizeMax))
    return [[holds.ended, invoices.ended], model.expire()]
  }),
)

export const sweepCancelled = fc.constant(
  command('sweep cancelled', {}, async ({ fixture, model }) => {
    const holds = await fixture.run(releaseCancelledCartHolds(model.now, batchSizeMax))
    const invoices = await fixture.run(cancelInvoicesOfCancelled(model.now, batchSizeMax))
    const reduced = await fixture.run(releaseCancelledLines(model.now, batchSizeMax))
    return [[holds.ended, invoices.ended, reduced.ended], model.sweepCancelled()]
  }),
)

const adjust = fc.record({ product: index, by: fc.integer({ min: -4, max: 4 }) }).map((drawn) =>
  command('adjust', drawn, async ({ fixture, model }) => {
    const productId = chosen(model.products, drawn.product)?.id ?? 0
    const wanted = { productId, adjustBy: drawn.by, reason: 'model', now: model.now }
    const { kind } = await fixture.run(adjustStock({ ...wanted, allotmentMax: limits.stockMax }))
    return [kind, model.adjust(productId, drawn.by)]
  }),
)

const changeState = (states: fc.Arbitrary<FlashSaleState>) =>
  fc.record({ sale: index, to: states }).map((drawn) =>
    command('change state', drawn, async ({ fixture, model }) => {
      const sale = chosen(model.sales, drawn.sale)
      if (sale === undefined) return ['no sale', 'no sale']
      const { kind } = await fixture.run(changeFlashSaleState(sale.id, drawn.to, model.now))
      return [kind, model.changeState(sale, drawn.to)]
    }),
  )
export const pauseOrResume = changeState(fc.constantFrom('paused', 'open', 'open'))
export const cancelSale = changeState(fc.constant('cancelled'))

/** Draws a command. With these weights something is under way most of the time. */
export const shopCommand = fc.oneof(
  { weight: 14, arbitrary: reserve },
  { weight: 2, arbitrary: remove },
  { weight: 1, arbitrary: clear },
  { weight: 8, arbitrary: checkout },
  { weight: 5, arbitrary: cancel },
  { weight: 4, arbitrary: wait },
  { weight: 5, arbitrary: expire },
  { weight: 2, arbitrary: sweepCancelled },
  { weight: 2, arbitrary: adjust },
  { weight: 1, arbitrary: pauseOrResume },
  ...moneyCommands,
)
