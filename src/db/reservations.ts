import { flashSaleStatus, type FlashSaleState } from '../domain/flash-sale.ts'
import { limits } from '../domain/limits.ts'
import type { Refusal } from '../domain/refusal.ts'
import type { AddToCartOutcome, Reservation } from '../domain/reservation.ts'
import { all, first, padded, placeholders, run, type Script } from './database.ts'
import { NewHolds } from './new-holds.ts'

/**
 * Add-to-cart against the database: the one place where stock is taken.
 * Receives a batch of requests, gives one outcome each, in the same order. It tells nobody anything:
 * outcomes are true only after the transaction around this script has committed.
 */
export interface ReserveRequest {
  /** Becomes the id of the reservation. */
  readonly requestId: string
  readonly userId: number
  readonly idempotencyKey: string
  readonly flashSaleId: number
  readonly productId: number
  readonly quantity: number
  /**
   * Set when this request may repeat a recorded outcome but never take stock: it was redelivered, is
   * too old, or came while the gate was closed. This is its refusal when nothing is recorded.
   */
  readonly refuseUnlessRecorded: Refusal | undefined
}

export interface ReserveContext {
  /** Epoch ms. */
  readonly now: number
  readonly newId: () => string
}

/** The number of statements grows with the winners, not with the losers. */
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
    // One after the other: both deliveries of one message may be in the same batch.
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
    // The next product's shoppers may be the same: they must find the carts of this one.
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
 * Indexes by sale and product, in the order of arrival, the groups sorted by product: two batches
 * that take the same rows in different orders would deadlock where rows are locked one by one.
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

// ---- what was decided before -------------------------------------------------------------------

interface RecordedHold {
  readonly reservation: Reservation
  readonly userId: number
  readonly idempotencyKey: string
  readonly flashSaleId: number
}

interface Recorded {
  readonly holds: Map<string, RecordedHold>
  readonly refusals: Map<string, Refusal>
}

const keyOf = (shopper: { readonly userId: number; readonly idempotencyKey: string }): string =>
  `${shopper.userId}/${shopper.idempotencyKey}`

function* readRecorded(requests: readonly ReserveRequest[]): Script<Recorded> {
  const holds = yield* findHolds(requests)
  const refusals = yield* all<{ requestId: string; refusal: Refusal }>(
    selectRefusals(requests.length),
    ...padded(requests.map(({ requestId }) => requestId)),
  )
  return {
    holds: new Map(holds.map((hold) => [keyOf(hold), hold])),
    refusals: new Map(refusals.map(({ requestId, refusal }) => [requestId, refusal])),
  }
}

const selectRefusals = (count: number) => `
  select request_id as "requestId", refusal
  from add_to_cart_requests
  where refusal is not null and request_id in (${placeholders(count)})`

const reservationColumns = `
  id, user_id as "userId", idempotency_key as "idempotencyKey", flash_sale_id as "flashSaleId",
  product_id as "productId", quantity, unit_price_minor as "unitPriceMinor", currency,
  expires_at as "expiresAt"`

const selectHolds = (count: number) => `
  select ${reservationColumns}
  from reservations
  where (user_id, idempotency_key) in (values ${placeholders(count, '(?, ?)')})`

type HoldRow = Omit<Reservation, 'status'> & Omit<RecordedHold, 'reservation'>

function* findHolds(
  keys: readonly { readonly userId: number; readonly idempotencyKey: string }[],
): Script<readonly RecordedHold[]> {
  const values = keys.flatMap(({ userId, idempotencyKey }) => [userId, idempotencyKey])
  const rows = yield* all<HoldRow>(selectHolds(keys.length), ...padded(values, 2))
  return rows.map(({ userId, idempotencyKey, flashSaleId, ...reservation }) => ({
    userId,
    idempotencyKey,
    flashSaleId,
    // As it was first told: the same key gets the same answer, whatever became of the hold since.
    reservation: { ...reservation, status: 'held' },
  }))
}

/** The recorded outcome, or the refusal of a request that may not take stock. */
function* settledBefore(
  request: ReserveRequest,
  recorded: Recorded,
  now: number,
): Script<AddToCartOutcome | undefined> {
  const hold = recallHold(request, recorded)
  if (hold !== undefined) return hold
  const refusal = recorded.refusals.get(request.requestId) ?? request.refuseUnlessRecorded
  if (refusal === undefined) return undefined
  if (refusal === 'too_late') {
    yield* recordRefusal(request, refusal, now)
    recorded.refusals.set(request.requestId, refusal)
  }
  return refused(refusal)
}

function recallHold(request: ReserveRequest, recorded: Recorded): AddToCartOutcome | undefined {
  const hold = recorded.holds.get(keyOf(request))
  return hold === undefined ? undefined : repeatHold(hold, request)
}

function repeatHold(hold: RecordedHold, request: Wish): AddToCartOutcome {
  const same =
    hold.flashSaleId === request.flashSaleId &&
    hold.reservation.productId === request.productId &&
    hold.reservation.quantity === request.quantity
  if (!same) return refused('idempotency_key_reused')
  return { kind: 'held', reservation: hold.reservation, replayed: true }
}

function remember(request: ReserveRequest, reservation: Reservation, recorded: Recorded): void {
  const { userId, idempotencyKey, flashSaleId } = request
  recorded.holds.set(keyOf(request), { reservation, userId, idempotencyKey, flashSaleId })
}

const upsertRefusal = `
  insert into add_to_cart_requests (request_id, user_id, idempotency_key, refusal, created_at)
  values (?, ?, ?, ?, ?)
  on conflict (request_id) do update
  set refusal = coalesce(add_to_cart_requests.refusal, excluded.refusal)`

/**
 * Makes a refusal final. Another consumer may still have the first delivery of a redelivered message
 * in its hands (stopped, then continued); it must not give what was refused here.
 */
function* recordRefusal(request: ReserveRequest, refusal: Refusal, now: number): Script<void> {
  const { requestId, userId, idempotencyKey } = request
  yield* run(upsertRefusal, requestId, userId, idempotencyKey, refusal, now)
}

// ---- taking stock ------------------------------------------------------------------------------

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
  /** Units of this product held or bought. */
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
  select u.id as "userId",
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

const takeStock = `
  update stock set available = available - ?, held = held + ?
  where product_id = ? and available >= ?
  returning product_id`
const giveBack = `
  update stock set available = available + ?, held = held - ?
  where product_id = ? and held >= ?
  returning product_id`

/**
 * The units a batch takes of one product: all it may want with one guarded update; what its requests
 * do not use goes back before the transaction ends. When there is not enough for all, request by request.
 */
class Lot {
  readonly #productId: number
  #wanted: number
  #inHand = 0
  /** The smallest quantity found to be more than what is left. */
  #soldOutFrom = Infinity

  constructor(productId: number, wanted: number) {
    this.#productId = productId
    this.#wanted = wanted
  }

  /** False: not so many are left. */
  *take(quantity: number): Script<boolean> {
    if (this.#wanted > 0) {
      if (yield* this.#takeFromStock(this.#wanted)) this.#inHand = this.#wanted
      this.#wanted = 0
    }
    if (quantity <= this.#inHand) {
      this.#inHand -= quantity
      return true
    }
    return quantity < this.#soldOutFrom && (yield* this.#takeFromStock(quantity))
  }

  *giveBackRest(): Script<void> {
    const rest = this.#inHand
    if (rest === 0) return
    this.#inHand = 0
    const given = yield* first(giveBack, rest, rest, this.#productId, rest)
    if (given === undefined) throw new Error(`product ${this.#productId} holds less than was taken`)
  }

  *#takeFromStock(quantity: number): Script<boolean> {
    const taken = yield* first(takeStock, quantity, quantity, this.#productId, quantity)
    if (taken === undefined) this.#soldOutFrom = quantity
    return taken !== undefined
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
  if (shopper === undefined) return refused('unknown_user')
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

function refused(refusal: Refusal): AddToCartOutcome {
  return { kind: 'refused', refusal }
}

// ---- reading -----------------------------------------------------------------------------------

export interface Wish {
  readonly flashSaleId: number
  readonly productId: number
  readonly quantity: number
}

export interface KeyedWish extends Wish {
  readonly userId: number
  readonly idempotencyKey: string
}

/** What each was told for the same key before; undefined where nothing is recorded. */
export function* findRecordedHolds(
  wishes: readonly KeyedWish[],
): Script<readonly (AddToCartOutcome | undefined)[]> {
  const holds = new Map((yield* findHolds(wishes)).map((hold) => [keyOf(hold), hold]))
  return wishes.map((wish) => {
    const hold = holds.get(keyOf(wish))
    return hold && repeatHold(hold, wish)
  })
}

const selectAvailable = (count: number) => `
  select product_id as "productId", available
  from stock
  where product_id in (${placeholders(count)})`

/** Units that may be taken now, by product. */
export function* readAvailable(
  productIds: readonly number[],
): Script<readonly { readonly productId: number; readonly available: number }[]> {
  return yield* all(selectAvailable(productIds.length), ...padded(productIds))
}
