import { flashSaleStatus, type FlashSaleState } from '../../domain/flash-sale.ts'
import { limits } from '../../domain/limits.ts'
import type { Refusal } from '../../domain/refusal.ts'
import {
  refused,
  type AddToCartOutcome,
  type Reservation,
  type ReserveRequest,
} from '../../domain/reservation.ts'
import { all, first, padded, placeholders, type Script } from '../database.ts'
import { Lot } from './take-stock.ts'
import { NewHolds } from './new-holds.ts'
import { readRecorded, remember, settledBefore } from './recorded-outcomes.ts'

export interface ReserveContext {
  /** Epoch ms. */
  readonly now: number
  readonly newId: () => string
}

/**
 * Decides a batch of add-to-cart requests; only this script takes stock. It returns one outcome per
 * request, in the same order. It tells nobody: outcomes are true only after the transaction around
 * this script has committed. The number of statements grows with the winners, not with the losers.
 */
export function* reserveBatch(
  requests: readonly ReserveRequest[],
  context: ReserveContext,
): Script<readonly AddToCartOutcome[]> {
  const recorded = yield* readRecorded(requests)
  const outcomes = new Map<number, AddToCartOutcome>()
  for (const group of groupByProduct(requests)) {
    const mayTake = group.filter((index) => at(requests, index).refuseUnlessRecorded === undefined)
    let product: OpenProduct | undefined
    const holds = new NewHolds()
    // Requests are decided one after the other: a batch may have both deliveries of one message.
    for (const index of group) {
      const request = at(requests, index)
      let outcome = yield* settledBefore(request, recorded, context.now)
      if (outcome === undefined) {
        product ??= yield* openProduct(
          mayTake.map((each) => at(requests, each)),
          context,
        )
        outcome = yield* reserve(request, product, { ...context, holds })
      }
      if (outcome.kind === 'held') remember(request, outcome.reservation, recorded)
      outcomes.set(index, outcome)
    }
    // The rows are inserted here because the next product may have the same shoppers, who need
    // their carts.
    yield* holds.insert()
    if (product !== undefined) yield* product.lot.giveBackRest()
  }
  return requests.map((_, index) => {
    const outcome = outcomes.get(index)
    if (outcome === undefined) throw new Error('a request has no outcome')
    return outcome
  })
}

function at(requests: readonly ReserveRequest[], index: number): ReserveRequest {
  const request = requests[index]
  if (request === undefined) throw new RangeError(`no request ${index}`)
  return request
}

/**
 * Groups indexes by sale and product, in the order of arrival. The groups are sorted by product: in
 * a database with row locks two batches in different orders would deadlock.
 */
function groupByProduct(requests: readonly ReserveRequest[]): number[][] {
  const groups = new Map<string, number[]>()
  for (const [index, { flashSaleId, productId }] of requests.entries()) {
    const key = `${productId}/${flashSaleId}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [index])
    else group.push(index)
  }
  const productOf = (group: readonly number[]): number => at(requests, group[0] ?? 0).productId
  return [...groups.values()].sort((a, b) => productOf(a) - productOf(b))
}

interface Terms {
  readonly state: FlashSaleState
  readonly startsAt: number
  readonly endsAt: number
  readonly holdSeconds: number
  readonly priceMinor: number
  readonly currency: string
  readonly purchaseLimit: number | null
}

interface Shopper {
  readonly userId: number
  readonly userUid: string
  /** The units of this product that the shopper holds or has bought. */
  taken: number
  cartId: string | null
  cartLines: number
  cartCurrency: string | null
}

interface OpenProduct {
  readonly terms: Terms | undefined
  readonly shoppers: ReadonlyMap<number, Shopper>
  readonly lot: Lot
}

const selectTerms = `
  select s.state, s.starts_at as "startsAt", s.ends_at as "endsAt", s.hold_seconds as "holdSeconds",
    d.price_minor as "priceMinor", p.currency, d.purchase_limit as "purchaseLimit"
  from flash_sale_details d
  join flash_sales s on s.id = d.flash_sale_id
  join products p on p.id = d.product_id
  where d.flash_sale_id = ? and d.product_id = ?`

const selectShoppers = (count: number) => `
  select u.id as "userId", u.uid as "userUid",
    (select coalesce(sum(r.quantity), 0) from reservations r
     where r.user_id = u.id and r.product_id = ? and r.status in ('held', 'sold')) as taken,
    c.id as "cartId",
    (select count(*) from cart_details l where l.cart_id = c.id) as "cartLines",
    (select r.currency from cart_details l join reservations r on r.id = l.reservation_id
     where l.cart_id = c.id limit 1) as "cartCurrency"
  from users u
  left join carts c on c.user_id = u.id and c.status = 'active'
  where u.id in (${placeholders(count)})`

function* openProduct(
  requests: readonly ReserveRequest[],
  context: ReserveContext,
): Script<OpenProduct> {
  const { flashSaleId, productId } = at(requests, 0)
  const terms = yield* first<Terms>(selectTerms, flashSaleId, productId)
  const open = terms !== undefined && flashSaleStatus(terms, context.now) === 'active'
  const userIds = open ? [...new Set(requests.map(({ userId }) => userId))] : []
  const shoppers =
    userIds.length === 0
      ? []
      : yield* all<Shopper>(selectShoppers(userIds.length), productId, ...padded(userIds))
  const wanted = requests.reduce((sum, { quantity }) => sum + quantity, 0)
  return {
    terms,
    shoppers: new Map(shoppers.map((shopper) => [shopper.userId, { ...shopper }])),
    lot: new Lot(productId, open ? wanted : 0),
  }
}

function* reserve(
  request: ReserveRequest,
  product: OpenProduct,
  context: HoldContext,
): Script<AddToCartOutcome> {
  const { terms, shoppers, lot } = product
  const { quantity } = request
  if (terms === undefined) return refused('product_not_in_sale')
  if (flashSaleStatus(terms, context.now) !== 'active') return refused('sale_not_open')
  const shopper = shoppers.get(request.userId)
  // After a restore the number of a shopper may be another's.
  if (shopper?.userUid !== request.userUid) return refused('unknown_user')
  const refusal = refuseShopper(shopper, terms, quantity)
  if (refusal !== undefined) return refused(refusal)
  if (!(yield* lot.take(quantity))) return refused('sold_out')
  const reservation = recordHold({ request, terms, shopper }, context)
  return { kind: 'held', reservation, replayed: false }
}

function refuseShopper(shopper: Shopper, terms: Terms, quantity: number): Refusal | undefined {
  if (terms.purchaseLimit !== null && shopper.taken + quantity > terms.purchaseLimit) {
    return 'purchase_limit_reached'
  }
  if (shopper.cartCurrency !== null && shopper.cartCurrency !== terms.currency) {
    return 'currency_mismatch'
  }
  // Otherwise the total of a full cart might not be an exact number.
  if (quantity * terms.priceMinor > limits.lineTotalMinorMax) return 'cart_full'
  return shopper.cartLines >= limits.cartLinesMax ? 'cart_full' : undefined
}

interface Winner {
  readonly request: ReserveRequest
  readonly terms: Terms
  readonly shopper: Shopper
}

interface HoldContext extends ReserveContext {
  readonly holds: NewHolds
}

function recordHold(winner: Winner, { now, newId, holds }: HoldContext): Reservation {
  const { request, terms, shopper } = winner
  const { requestId: id, productId, quantity } = request
  const { priceMinor, currency } = terms
  const expiresAt = now + terms.holdSeconds * 1000
  if (shopper.cartId === null) {
    shopper.cartId = newId()
    holds.addCart(shopper.cartId, shopper.userId, now)
  }
  const price = { unitPriceMinor: priceMinor, currency }
  const reservation: Reservation = { id, productId, quantity, ...price, status: 'held', expiresAt }
  holds.add(request, reservation, { cartId: shopper.cartId, now })
  shopper.taken += quantity
  shopper.cartLines += 1
  shopper.cartCurrency = currency
  return reservation
}

const selectAvailable = (count: number) => `
  select product_id as "productId", available
  from stock
  where product_id in (${placeholders(count)})`

/** Reads the available units by product. */
export function* readAvailable(
  productIds: readonly number[],
): Script<readonly { readonly productId: number; readonly available: number }[]> {
  return yield* all(selectAvailable(productIds.length), ...padded(productIds))
}
