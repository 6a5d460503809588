import type Sqlite from 'better-sqlite3'
import { newUuid } from '../../src/ids.ts'

/**
 * The easy solution of the original document: one transaction per request, straight from the
 * request, around a guarded update. The same checks and the same rows as Holdfast's, on the same
 * schema; statements are prepared once.
 */
export interface Purchase {
  readonly userId: number
  /** The shopper's Idempotency-Key; undefined when none was sent. */
  readonly idempotencyKey: string | undefined
  readonly flashSaleId: number
  readonly productId: number
  readonly quantity: number
}

export type PurchaseOutcome =
  | { readonly kind: 'held'; readonly reservation: HeldReservation; readonly replayed: boolean }
  | { readonly kind: 'refused'; readonly refusal: EasyRefusal }

export type EasyRefusal =
  | 'product_not_in_sale'
  | 'sale_not_open'
  | 'purchase_limit_reached'
  | 'sold_out'
  | 'idempotency_key_reused'

export interface HeldReservation {
  readonly id: string
  readonly productId: number
  readonly quantity: number
  readonly unitPriceMinor: number
  readonly currency: string
  /** Epoch ms. */
  readonly expiresAt: number
}

interface Terms {
  readonly state: string
  readonly startsAt: number
  readonly endsAt: number
  readonly holdSeconds: number
  readonly priceMinor: number
  readonly currency: string
  readonly purchaseLimit: number | null
}

const selectRecorded = `
  select id, flash_sale_id as "flashSaleId", product_id as "productId", quantity,
    unit_price_minor as "unitPriceMinor", currency, expires_at as "expiresAt"
  from reservations where user_id = ? and idempotency_key = ?`
const selectTerms = `
  select s.state, s.starts_at as "startsAt", s.ends_at as "endsAt", s.hold_seconds as "holdSeconds",
    d.price_minor as "priceMinor", p.currency, d.purchase_limit as "purchaseLimit"
  from flash_sale_details d
  join flash_sales s on s.id = d.flash_sale_id
  join products p on p.id = d.product_id
  where d.flash_sale_id = ? and d.product_id = ?`
const selectTaken = `
  select coalesce(sum(quantity), 0) as taken from reservations
  where user_id = ? and product_id = ? and status in ('held', 'sold')`
const takeStock = `
  update stock set available = available - ?, held = held + ?
  where product_id = ? and available >= ?`
const selectStock = `
  select product_id as "productId", allotment, available, held, sold from stock
  where product_id = ?`
const selectCart = `select id from carts where user_id = ? and status = 'active'`
const insertCart = `
  insert into carts (id, user_id, status, created_at) values (?, ?, 'active', ?)`
const insertReservation = `
  insert into reservations (id, user_id, idempotency_key, flash_sale_id, product_id, cart_id,
    quantity, unit_price_minor, currency, status, created_at, expires_at)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, 'held', ?, ?)`
const insertCartDetail = `
  insert into cart_details (reservation_id, cart_id, product_id, quantity, created_at)
  values (?, ?, ?, ?, ?)`
const insertHeldMovement = `
  insert into stock_movements (product_id, reservation_id, kind, quantity, created_at)
  values (?, ?, 'held', ?, ?)`

type Values = (string | number | null)[]
type Recorded = HeldReservation & { readonly flashSaleId: number }

export class Purchases {
  private readonly recorded: Sqlite.Statement<Values, Recorded>
  private readonly terms: Sqlite.Statement<Values, Terms>
  private readonly taken: Sqlite.Statement<Values, { readonly taken: number }>
  private readonly take: Sqlite.Statement<Values>
  private readonly stockOf: Sqlite.Statement<Values>
  private readonly cart: Sqlite.Statement<Values, { readonly id: string }>
  private readonly addCart: Sqlite.Statement<Values>
  private readonly addReservation: Sqlite.Statement<Values>
  private readonly addCartDetail: Sqlite.Statement<Values>
  private readonly addMovement: Sqlite.Statement<Values>
  private readonly inTransaction: Sqlite.Transaction<(purchase: Purchase) => PurchaseOutcome>

  constructor(connection: Sqlite.Database) {
    this.recorded = connection.prepare(selectRecorded)
    this.terms = connection.prepare(selectTerms)
    this.taken = connection.prepare(selectTaken)
    this.take = connection.prepare(takeStock)
    this.stockOf = connection.prepare(selectStock)
    this.cart = connection.prepare(selectCart)
    this.addCart = connection.prepare(insertCart)
    this.addReservation = connection.prepare(insertReservation)
    this.addCartDetail = connection.prepare(insertCartDetail)
    this.addMovement = connection.prepare(insertHeldMovement)
    this.inTransaction = connection.transaction((purchase: Purchase) => this.decide(purchase))
  }

  /** Decides a purchase; the hold is durable when it returns. */
  buy(purchase: Purchase): PurchaseOutcome {
    return this.inTransaction.immediate(purchase)
  }

  stock(productId: number): unknown {
    return this.stockOf.get(productId)
  }

  private decide(purchase: Purchase): PurchaseOutcome {
    const { userId, flashSaleId, productId, quantity } = purchase
    const recorded = this.recall(purchase)
    if (recorded !== undefined) return recorded
    const now = Date.now()
    const terms = this.terms.get(flashSaleId, productId)
    if (terms === undefined) return refused('product_not_in_sale')
    const open = terms.state === 'open' && terms.startsAt <= now && now < terms.endsAt
    if (!open) return refused('sale_not_open')
    if (terms.purchaseLimit !== null) {
      const taken = this.taken.get(userId, productId)?.taken ?? 0
      if (taken + quantity > terms.purchaseLimit) return refused('purchase_limit_reached')
    }
    const { changes } = this.take.run(quantity, quantity, productId, quantity)
    if (changes === 0) return refused('sold_out')
    return { kind: 'held', reservation: this.record(purchase, terms, now), replayed: false }
  }

  private recall(purchase: Purchase): PurchaseOutcome | undefined {
    const { userId, idempotencyKey, flashSaleId, productId, quantity } = purchase
    if (idempotencyKey === undefined) return undefined
    const hold = this.recorded.get(userId, idempotencyKey)
    if (hold === undefined) return undefined
    const same =
      hold.flashSaleId === flashSaleId && hold.productId === productId && hold.quantity === quantity
    if (!same) return refused('idempotency_key_reused')
    return { kind: 'held', reservation: hold, replayed: true }
  }

  private record(purchase: Purchase, terms: Terms, now: number): HeldReservation {
    const { userId, flashSaleId, productId, quantity } = purchase
    const id = newUuid()
    const key = purchase.idempotencyKey ?? id
    const expiresAt = now + terms.holdSeconds * 1000
    const cartId = this.cart.get(userId)?.id ?? this.openCart(userId, now)
    this.addReservation.run(
      id,
      userId,
      key,
      flashSaleId,
      productId,
      cartId,
      quantity,
      terms.priceMinor,
      terms.currency,
      now,
      expiresAt,
    )
    this.addCartDetail.run(id, cartId, productId, quantity, now)
    this.addMovement.run(productId, id, quantity, now)
    const price = { unitPriceMinor: terms.priceMinor, currency: terms.currency }
    return { id, productId, quantity, ...price, expiresAt }
  }

  private openCart(userId: number, now: number): string {
    const id = newUuid()
    this.addCart.run(id, userId, now)
    return id
  }
}

function refused(refusal: EasyRefusal): PurchaseOutcome {
  return { kind: 'refused', refusal }
}
