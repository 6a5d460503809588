import { checkOut } from '../../src/db/checkout.ts'
import { createProduct, readStock } from '../../src/db/catalogue.ts'
import { createFlashSale } from '../../src/db/flash-sales.ts'
import { addProductToSale } from '../../src/db/products-in-sale.ts'
import { beginPayment } from '../../src/db/payments/begin-payment.ts'
import { settleAuthorized } from '../../src/db/payments/settle-authorized.ts'
import { reserveBatch } from '../../src/db/reserve/reserve-batch.ts'
import { createUser } from '../../src/db/users.ts'
import type { Invoice } from '../../src/domain/invoice.ts'
import type { Payment } from '../../src/domain/payment.ts'
import type { AddToCartOutcome, Reservation, ReserveRequest } from '../../src/domain/reservation.ts'
import { openDatabaseFixture, type DatabaseFixture } from './database-fixture.ts'
import type { TemporaryFolder } from './temporary-folder.ts'
import { nobodysUid } from './tokens.ts'

/** Makes shoppers, sales, holds, invoices and payments by the scripts of `src/db`. */
export interface SaleFixture extends DatabaseFixture {
  user(): Promise<number>
  users(count: number): Promise<readonly number[]>
  /** The uid of a user made here; one that nobody has for any other id. */
  uidOf(userId: number): string
  /** Makes a running sale with one product. */
  sale(options?: SaleOptions): Promise<Offer>
  /** Adds a product to the same sale. */
  product(flashSaleId: number, options?: ProductOptions): Promise<Offer>
  /** Makes a request as a first delivery with a key of its own. */
  wish(userId: number, offer: Offer, changes?: Partial<ReserveRequest>): ReserveRequest
  reserve(...requests: readonly ReserveRequest[]): Promise<readonly AddToCartOutcome[]>
  hold(userId: number, offer: Offer, quantity?: number): Promise<Reservation>
  /** Makes a hold and checks it out. */
  invoice(userId: number, offer: Offer, quantity?: number): Promise<Invoice>
  /** Checks out all that is in the cart. */
  checkOut(userId: number): Promise<Invoice>
  pay(invoice: Invoice, changes?: { idempotencyKey?: string; method?: string }): Promise<Payment>
  /** Makes a paid invoice whose payment is authorised and not captured yet. */
  paid(userId: number, offer: Offer, quantity?: number): Promise<Paid>
  /** Reads the stock as `available/held/sold`. */
  stock(offer: Offer): Promise<string>
  status(of: 'reservations' | 'invoices' | 'payments' | 'carts', id: string): Promise<string>
}

export interface Offer {
  readonly flashSaleId: number
  readonly productId: number
}

export interface Paid {
  readonly invoice: Invoice
  readonly payment: Payment
}

export interface ProductOptions {
  readonly stock?: number
  readonly priceMinor?: number
  readonly currency?: string
  readonly purchaseLimit?: number
}

export interface SaleOptions extends ProductOptions {
  readonly holdSeconds?: number
  /** The start of the sale from now, ms. */
  readonly startsIn?: number
  readonly endsIn?: number
}

const hourMs = 3_600_000

export async function openSaleFixture(folder?: TemporaryFolder): Promise<SaleFixture> {
  const base = await openDatabaseFixture(folder)
  const { clock, newId, run } = base
  let emails = 0
  const uids = new Map<number, string>()
  const uidOf = (userId: number): string => uids.get(userId) ?? nobodysUid

  async function users(count: number): Promise<readonly number[]> {
    return base.database.transaction(function* () {
      const ids: number[] = []
      for (let made = 0; made < count; made += 1) {
        const email = `shopper-${(emails += 1)}@example.com`
        const { id, uid } = present(yield* createUser({ name: 'Shopper', email }, clock.now()))
        uids.set(id, uid)
        ids.push(id)
      }
      return ids
    })
  }

  async function sale(options: SaleOptions = {}): Promise<Offer> {
    const { holdSeconds = 300, startsIn = -hourMs, endsIn = hourMs } = options
    const now = clock.now()
    const schedule = { name: '12.12', startsAt: now + startsIn, endsAt: now + endsIn }
    const { id } = await run(createFlashSale({ ...schedule, holdSeconds, now }))
    return product(id, options)
  }

  async function product(flashSaleId: number, options: ProductOptions = {}): Promise<Offer> {
    const { stock = 10, priceMinor = 4_999, currency = 'EUR', purchaseLimit } = options
    const now = clock.now()
    const details = { shopId: 1, name: 'Earbuds', priceMinor, currency, stock, now }
    const { id: productId } = present(await run(createProduct(details)))
    const offer = { flashSaleId, productId }
    const terms = { ...offer, salePriceMinor: undefined, purchaseLimit, now }
    const added = await run(addProductToSale(terms, 1_000))
    if (added.kind !== 'added') throw new Error(added.kind)
    return offer
  }

  function wish(userId: number, offer: Offer, changes: Partial<ReserveRequest> = {}) {
    const requestId = newId()
    const shopper = { userId, userUid: uidOf(userId), idempotencyKey: requestId }
    const request = { requestId, ...shopper, ...offer, quantity: 1 }
    return { ...request, refuseUnlessRecorded: undefined, ...changes }
  }

  async function reserve(...requests: readonly ReserveRequest[]) {
    return run(reserveBatch(requests, { now: clock.now(), newId }))
  }

  async function hold(userId: number, offer: Offer, quantity = 1): Promise<Reservation> {
    const [outcome] = await reserve(wish(userId, offer, { quantity }))
    if (outcome?.kind !== 'held') throw new Error(`not held: ${JSON.stringify(outcome)}`)
    return outcome.reservation
  }

  async function checkOutCart(userId: number): Promise<Invoice> {
    const order = { userId, idempotencyKey: newId(), invoiceId: newId(), now: clock.now() }
    const result = await run(checkOut(order))
    if (result.kind !== 'created') throw new Error(`not checked out: ${result.kind}`)
    return result.invoice
  }

  async function invoice(userId: number, offer: Offer, quantity = 1): Promise<Invoice> {
    await hold(userId, offer, quantity)
    return checkOutCart(userId)
  }

  async function pay(due: Invoice, changes: { idempotencyKey?: string; method?: string } = {}) {
    const { id: invoiceId, userId } = due
    const attempt = { paymentId: newId(), idempotencyKey: newId(), method: 'pm_ok', ...changes }
    const result = await run(beginPayment({ ...attempt, userId, invoiceId, now: clock.now() }))
    if (result.kind !== 'begun') throw new Error(`not begun: ${result.kind}`)
    return result.payment
  }

  return {
    ...base,
    users,
    uidOf,
    sale,
    product,
    wish,
    reserve,
    hold,
    invoice,
    pay,
    checkOut: checkOutCart,
    user: async () => present((await users(1))[0]),
    async paid(userId, offer, quantity) {
      const due = await invoice(userId, offer, quantity)
      const payment = await pay(due)
      await run(settleAuthorized(payment.id, clock.now()))
      return { invoice: due, payment }
    },
    async stock({ productId }) {
      const { available, held, sold } = present(await base.read(readStock(productId)))
      return `${available}/${held}/${sold}`
    },
    async status(of, id) {
      const [row] = await base.rows<{ status: string }>(`select status from ${of} where id = ?`, id)
      return present(row).status
    },
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the fixture could not be made')
  return value
}
