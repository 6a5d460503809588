import { declineGraceMs } from '../../src/domain/invoice.ts'
import type { PaymentStatus, StrandedReason } from '../../src/domain/payment.ts'
import type { ModelAttempt, ModelInvoice, ModelPayment, ModelShop } from './shop-model-rows.ts'

const live: readonly PaymentStatus[] = ['authorizing', 'authorized', 'captured', 'late']

/** The money part of the model: attempts and late money. */
export class ModelMoney {
  readonly #shop: ModelShop
  #lateHolds = 0

  constructor(shop: ModelShop) {
    this.#shop = shop
  }

  begin(attempt: ModelAttempt): string {
    const { invoices, payments, now } = this.#shop
    const invoice = invoices.find(({ id }) => id === attempt.invoiceId)
    if (invoice?.userId !== attempt.userId) return 'not_found'
    const known = payments.find(
      ({ userId, key }) => userId === attempt.userId && key === attempt.key,
    )
    if (known !== undefined) {
      const same = known.invoiceId === invoice.id && known.method === attempt.method
      return same ? `repeated ${known.status}` : 'key_reused'
    }
    const isBusy = payments.some(
      ({ invoiceId, status }) => invoiceId === invoice.id && live.includes(status),
    )
    switch (invoice.status) {
      case 'paid':
        return 'already_paid'
      case 'paying':
        return 'payment_in_progress'
      case 'cancelled':
      case 'expired':
      case 'needs_attention':
        return invoice.status
      case 'unpaid': {
        if (isBusy) return 'payment_in_progress'
        if (invoice.dueAt <= now) return 'expired'
        const amountMinor = invoice.totalMinor
        if (amountMinor === 0) {
          payments.push({ ...attempt, amountMinor, status: 'captured', isGivenUp: false })
          this.#pay(invoice)
          return 'nothing_to_pay'
        }
        invoice.status = 'paying'
        payments.push({ ...attempt, amountMinor, status: 'authorizing', isGivenUp: false })
        return 'begun'
      }
    }
  }

  authorized(payment: ModelPayment): 'capture' | 'void' | 'leave' {
    const invoice = this.#invoiceOf(payment)
    switch (payment.status) {
      case 'authorizing':
        if (this.#waitingFor(invoice) !== undefined) payment.isGivenUp = true
        if (payment.isGivenUp) return 'void'
        payment.status = 'authorized'
        this.#pay(invoice)
        return 'capture'
      case 'authorized':
      case 'captured':
        return 'capture'
      case 'late':
      case 'stranded':
        return 'leave'
      case 'declined':
      case 'voided':
        return 'void'
    }
  }

  #pay(invoice: ModelInvoice): void {
    invoice.status = 'paid'
    for (const hold of this.#shop.holdsOf(invoice)) hold.status = 'sold'
  }

  giveUp(payment: ModelPayment): boolean {
    if (payment.status !== 'authorizing') return false
    payment.isGivenUp = true
    return true
  }

  captured(payment: ModelPayment): void {
    if (payment.status === 'authorized') payment.status = 'captured'
  }

  /** Ends an attempt. Returns `capture` when waiting money pays now. */
  end(payment: ModelPayment, status: 'declined' | 'voided'): string {
    if (payment.status !== 'authorizing') return 'over'
    payment.status = status
    const invoice = this.#invoiceOf(payment)
    invoice.status = 'unpaid'
    this.#extend(invoice)
    const waiting = this.#waitingFor(invoice)
    if (waiting === undefined) return 'over'
    waiting.status = 'authorized'
    this.#pay(invoice)
    return 'capture'
  }

  #extend(invoice: ModelInvoice): void {
    const { now } = this.#shop
    const graceEndsAt = now + Math.min(declineGraceMs, invoice.holdMs)
    if (invoice.isExtended || graceEndsAt <= invoice.dueAt) return
    invoice.dueAt = graceEndsAt
    invoice.isExtended = true
  }

  #waitingFor({ id }: ModelInvoice): ModelPayment | undefined {
    return this.#shop.payments.find(
      ({ invoiceId, status }) => invoiceId === id && status === 'late',
    )
  }

  moved(payment: ModelPayment): string {
    if (payment.status !== 'authorizing') return this.cameLate(payment)
    payment.status = 'authorized'
    this.#pay(this.#invoiceOf(payment))
    return 'capture'
  }

  cameLate(payment: ModelPayment): string {
    if (payment.status === 'declined' || payment.status === 'voided') payment.status = 'late'
    if (payment.status !== 'late') return payment.status === 'authorized' ? 'capture' : 'settled'
    const invoice = this.#invoiceOf(payment)
    const isWhole = payment.amountMinor === invoice.totalMinor
    if (invoice.status === 'paying' && isWhole) return 'waits'
    const reason = isWhole ? this.#placeLate(invoice) : this.#placeOther(invoice)
    payment.status = reason === undefined ? 'authorized' : 'stranded'
    if (reason === undefined) return 'capture'
    if (invoice.status === 'expired' || invoice.status === 'cancelled') {
      invoice.status = 'needs_attention'
    }
    return 'stranded'
  }

  /** The invoice has lost a line since the attempt began. */
  #placeOther(invoice: ModelInvoice): StrandedReason | undefined {
    const { status } = invoice
    const canBePaid = status === 'unpaid' || status === 'paying' || status === 'expired'
    return canBePaid ? 'amount_changed' : this.#placeLate(invoice)
  }

  #placeLate(invoice: ModelInvoice): StrandedReason | undefined {
    switch (invoice.status) {
      case 'unpaid':
        this.#pay(invoice)
        return undefined
      case 'expired':
        return this.#payExpired(invoice)
      case 'cancelled':
        return 'invoice_cancelled'
      case 'paid':
        return 'paid_already'
      case 'paying':
      case 'needs_attention':
        return 'more_than_once'
    }
  }

  /** Takes all units of the invoice again, or none. */
  #payExpired(invoice: ModelInvoice): StrandedReason | undefined {
    const shop = this.#shop
    const lines = [...shop.holdsOf(invoice)].sort(
      (a, b) => a.productId - b.productId || (a.id < b.id ? -1 : 1),
    )
    const isCalledOff = lines.some(
      (hold) => shop.product(hold.productId).sale.state === 'cancelled',
    )
    if (isCalledOff) return 'sale_cancelled'
    const wanted = new Map<number, number>()
    for (const { productId, quantity } of lines) {
      wanted.set(productId, (wanted.get(productId) ?? 0) + quantity)
    }
    for (const [productId, quantity] of wanted) {
      const { purchaseLimit = Infinity } = shop.product(productId)
      if (shop.taken(productId, invoice.userId) + quantity > purchaseLimit) {
        return 'purchase_limit_reached'
      }
    }
    for (const [productId, quantity] of wanted) {
      if (shop.available(productId) < quantity) return 'sold_out'
    }
    invoice.lines = lines.map((line) => {
      this.#lateHolds += 1
      const id = lateHoldId(this.#lateHolds)
      shop.holds.push({ ...line, id, key: id, status: 'sold', expiresAt: shop.now })
      return id
    })
    invoice.status = 'paid'
    return undefined
  }

  drop(payment: ModelPayment): void {
    if (payment.status === 'late') payment.status = 'voided'
  }

  #invoiceOf({ invoiceId }: ModelPayment): ModelInvoice {
    const found = this.#shop.invoices.find(({ id }) => id === invoiceId)
    if (found === undefined) throw new Error(`no invoice ${invoiceId}`)
    return found
  }
}

/** Makes the id of a reservation for late money; model and scripts number them in the same way. */
export const lateHoldId = (number: number): string =>
  `0197a1b2-0000-7000-9000-${String(number).padStart(12, '0')}`
