import { flashSaleStatus, type FlashSaleState } from '../../src/domain/flash-sale.ts'
import { ModelMoney } from './shop-model-money.ts'
import type {
  ModelHold,
  ModelInvoice,
  ModelPayment,
  ModelProduct,
  ModelSale,
  ModelShop,
  ModelWish,
} from './shop-model-rows.ts'

/**
 * A model of the scripts of `src/db` without a database: plain objects, no batch, no SQL. The model
 * tests compare the two step by step.
 */
export class ShopModel implements ModelShop {
  now: number
  readonly sales: readonly ModelSale[]
  readonly products: readonly ModelProduct[]
  readonly holds: ModelHold[] = []
  readonly invoices: ModelInvoice[] = []
  readonly payments: ModelPayment[] = []
  readonly money: ModelMoney
  /** Requests with a recorded refusal. */
  readonly #refused = new Map<string, string>()
  /** The number of carts each shopper has checked out. */
  readonly #carts = new Map<number, number>()

  constructor(now: number, products: readonly ModelProduct[]) {
    this.now = now
    this.sales = [...new Set(products.map(({ sale }) => sale))]
    this.products = products
    this.money = new ModelMoney(this)
  }

  available(productId: number): number {
    return this.product(productId).allotment - this.taken(productId)
  }

  /** Counts units held or sold, of one shopper or of all. */
  taken(productId: number, userId?: number): number {
    return this.holds
      .filter((hold) => hold.productId === productId && (userId ?? hold.userId) === hold.userId)
      .filter(({ status }) => status === 'held' || status === 'sold')
      .reduce((sum, { quantity }) => sum + quantity, 0)
  }

  product(productId: number): ModelProduct {
    const found = this.products.find(({ id }) => id === productId)
    if (found === undefined) throw new Error(`no product ${productId}`)
    return found
  }

  /** Decides a request. Returns `held <id>`, `replayed <id>`, or the refusal. */
  reserve(wish: ModelWish): string {
    const { requestId, userId, key, productId, quantity } = wish
    const recorded = this.holds.find((hold) => hold.userId === userId && hold.key === key)
    if (recorded !== undefined) {
      const same = recorded.productId === productId && recorded.quantity === quantity
      return same ? `replayed ${recorded.id}` : 'idempotency_key_reused'
    }
    const refusal = this.#refused.get(requestId) ?? wish.refuseUnlessRecorded
    if (refusal === 'too_late') this.#refused.set(requestId, refusal)
    if (refusal !== undefined) return refusal
    const { sale, purchaseLimit = Infinity } = this.product(productId)
    if (flashSaleStatus(sale, this.now) !== 'active') return 'sale_not_open'
    if (this.taken(productId, userId) + quantity > purchaseLimit) return 'purchase_limit_reached'
    if (this.available(productId) < quantity) return 'sold_out'
    this.holds.push({
      id: requestId,
      userId,
      key,
      productId,
      quantity,
      status: 'held',
      invoiceId: undefined,
      expiresAt: this.now + sale.holdMs,
      cart: this.#carts.get(userId) ?? 0,
    })
    return `held ${requestId}`
  }

  #inCart(userId: number): ModelHold[] {
    const cart = this.#carts.get(userId) ?? 0
    return this.holds.filter(
      (hold) => hold.userId === userId && hold.cart === cart && isInACart(hold),
    )
  }

  remove(userId: number, holdId: string): 'removed' | 'not_found' {
    const hold = this.holds.find(({ id }) => id === holdId)
    if (hold?.userId !== userId || !isInACart(hold)) return 'not_found'
    hold.status = 'released'
    return 'removed'
  }

  clear(userId: number): void {
    for (const hold of this.#inCart(userId)) hold.status = 'released'
  }

  /** Checks out. Returns `created <id>`, `replayed <id>` or `cart_empty`. */
  checkOut(userId: number, key: string, invoiceId: string): string {
    const known = this.invoices.find((each) => each.userId === userId && each.key === key)
    if (known !== undefined) return `replayed ${known.id}`
    const live = this.#inCart(userId).filter(({ expiresAt }) => expiresAt > this.now)
    if (live.length === 0) return 'cart_empty'
    for (const hold of live) hold.invoiceId = invoiceId
    const holdMs = Math.max(...live.map(({ productId }) => this.product(productId).sale.holdMs))
    this.invoices.push({
      id: invoiceId,
      userId,
      key,
      totalMinor: this.#totalOf(live),
      holdMs,
      lines: live.map(({ id }) => id),
      status: 'unpaid',
      dueAt: Math.max(this.now + holdMs, ...live.map(({ expiresAt }) => expiresAt)),
      isExtended: false,
    })
    this.#carts.set(userId, (this.#carts.get(userId) ?? 0) + 1)
    return `created ${invoiceId}`
  }

  #totalOf(holds: readonly ModelHold[]): number {
    return holds.reduce(
      (sum, { productId, quantity }) => sum + quantity * this.product(productId).priceMinor,
      0,
    )
  }

  cancelInvoice(userId: number, invoiceId: string): 'cancelled' | 'not_unpaid' | 'not_found' {
    const invoice = this.invoices.find(({ id }) => id === invoiceId)
    if (invoice?.userId !== userId) return 'not_found'
    if (invoice.status !== 'unpaid') return 'not_unpaid'
    this.#end(invoice, 'cancelled', 'released')
    return 'cancelled'
  }

  #end(
    invoice: ModelInvoice,
    status: 'cancelled' | 'expired',
    holdStatus: 'released' | 'expired',
  ): void {
    invoice.status = status
    for (const hold of this.holdsOf(invoice)) hold.status = holdStatus
  }

  /** Returns the holds of the invoice's lines. */
  holdsOf({ lines }: ModelInvoice): readonly ModelHold[] {
    return this.holds.filter(({ id }) => lines.includes(id))
  }

  /** Ends what is over. Returns the numbers of ended holds in carts and of ended invoices. */
  expire(): readonly [number, number] {
    const holds = this.holds.filter((hold) => isInACart(hold) && hold.expiresAt <= this.now)
    for (const hold of holds) hold.status = 'expired'
    const invoices = this.invoices.filter(
      ({ status, dueAt }) => status === 'unpaid' && dueAt <= this.now,
    )
    for (const invoice of invoices) this.#end(invoice, 'expired', 'expired')
    return [holds.length, invoices.length]
  }

  /** After a sale was called off: holds in carts, invoices that are cancelled, invoices that lose lines. */
  sweepCancelled(): readonly [number, number, number] {
    const isCalledOff = ({ productId }: ModelHold): boolean =>
      this.product(productId).sale.state === 'cancelled'
    const holds = this.holds.filter((hold) => isInACart(hold) && isCalledOff(hold))
    for (const hold of holds) hold.status = 'released'
    const concerned = this.invoices.filter(
      (invoice) => invoice.status === 'unpaid' && this.holdsOf(invoice).some(isCalledOff),
    )
    const whole = concerned.filter((invoice) => this.holdsOf(invoice).every(isCalledOff))
    for (const invoice of whole) this.#end(invoice, 'cancelled', 'released')
    const mixed = concerned.filter((invoice) => !whole.includes(invoice))
    for (const invoice of mixed) {
      const lost = this.holdsOf(invoice).filter(isCalledOff)
      for (const hold of lost) hold.status = 'released'
      invoice.lines = invoice.lines.filter((id) => !lost.some((hold) => hold.id === id))
      invoice.totalMinor = this.#totalOf(this.holdsOf(invoice))
    }
    return [holds.length, whole.length, mixed.length]
  }

  adjust(productId: number, adjustBy: number): 'adjusted' | 'out_of_bounds' {
    if (this.available(productId) + adjustBy < 0) return 'out_of_bounds'
    this.product(productId).allotment += adjustBy
    return 'adjusted'
  }

  changeState(sale: ModelSale, state: FlashSaleState): 'changed' | 'over' {
    if (this.now >= sale.endsAt) return 'over'
    if (sale.state === 'cancelled' && state !== 'cancelled') return 'over'
    sale.state = state
    return 'changed'
  }
}

const isInACart = ({ status, invoiceId }: ModelHold): boolean =>
  status === 'held' && invoiceId === undefined
