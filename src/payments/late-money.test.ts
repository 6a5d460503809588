import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createResolvePayments } from '../cron/resolve-payments.ts'
import { listAttention } from '../db/attention.ts'
import { expireInvoices } from '../db/expiry.ts'
import { changeFlashSaleState } from '../db/flash-sales.ts'
import { cancelInvoice, readInvoice, readInvoiceAtCheckout } from '../db/invoices.ts'
import { settleAuthorized } from '../db/payments/settle-authorized.ts'
import type { Invoice } from '../domain/invoice.ts'
import type { Payment } from '../domain/payment.ts'
import {
  loseAnswer,
  loseCall,
  openPaymentFixture,
  orderOf,
  silentLogger,
  type PaymentFixture,
} from '../../test/support/payment-fixture.ts'
import { ProviderUnavailableError } from './provider.ts'
import type { Offer } from '../../test/support/sale-fixture.ts'

/** Tests money that comes after its attempt has ended: it is never lost and never paid back. */
let fixture: PaymentFixture
let offer: Offer
let user: number
let invoice: Invoice

beforeEach(async () => {
  fixture = await openPaymentFixture()
  offer = await fixture.sale({ stock: 2, holdSeconds: 300, purchaseLimit: 2 })
  user = await fixture.user()
  invoice = await fixture.invoice(user, offer)
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  expect(await fixture.disagreements()).toEqual([])
  await fixture.close()
})

const now = () => fixture.clock.now()
const standing = (of = invoice) => fixture.status('invoices', of.id)
const learn = ({ id }: Payment) => fixture.settlement.learn(id)
const stranded = async () =>
  (await fixture.read(listAttention({ after: '', limit: 10 }))).map(
    ({ paymentId, reason }) => `${paymentId} ${reason}`,
  )

/** Begins a push payment, which is pending at the provider. */
async function push(of = invoice): Promise<Payment> {
  const payment = await fixture.pay(of, { method: 'pm_push' })
  await fixture.settlement.settle(orderOf(payment))
  return payment
}

async function resolveLater(): Promise<void> {
  fixture.clock.advance(15_000)
  const { database, settlement, clock } = fixture
  await createResolvePayments({ database, settlement, clock, logger: silentLogger })(() => true)
}

async function expire(): Promise<void> {
  fixture.clock.advance(60_000)
  await fixture.run(expireInvoices(now(), 10))
}

/** Makes a push payment that was given up at its due date, with an expired invoice. */
async function pushed(of = invoice): Promise<Payment> {
  const payment = await push(of)
  fixture.clock.advance(300_000)
  await resolveLater()
  await expire()
  expect(await standing(of)).toBe('expired')
  return payment
}

describe('a push payment', () => {
  it('leaves its invoice paying until the money arrives', async () => {
    const payment = await push()
    await resolveLater()
    expect(await standing()).toBe('paying')
    await fixture.provider.arrive(payment.id)
    await learn(payment)
    expect(await standing()).toBe('paid')
    expect(await fixture.status('payments', payment.id)).toBe('captured')
    expect(await fixture.stock(offer)).toBe('1/0/1')
  })

  it('is voided at the provider once its invoice is due, and only then ends', async () => {
    const payment = await push()
    fixture.clock.advance(300_000)
    fixture.overrides.void = () => loseAnswer(Promise.resolve())
    await resolveLater()
    expect(await standing()).toBe('paying')
    expect(await fixture.stock(offer)).toBe('1/1/0')
    delete fixture.overrides.void
    await resolveLater()
    expect(await standing()).toBe('unpaid')
    expect(await fixture.status('payments', payment.id)).toBe('voided')
  })

  it('that arrives while it is being given up pays with the hold it still has', async () => {
    await push()
    fixture.clock.advance(300_000)
    fixture.overrides.void = async (paymentId) => {
      await fixture.provider.arrive(paymentId)
      await fixture.provider.void(paymentId)
    }
    await resolveLater()
    expect(await standing()).toBe('paid')
    expect(await fixture.stock(offer)).toBe('1/0/1')
    expect((await fixture.provider.readLedger()).voidsOfCaptured).toBe(0)
  })

  it('that arrives after the void and before the end of the invoice pays it', async () => {
    const payment = await push()
    fixture.clock.advance(300_000)
    await resolveLater()
    expect(await standing()).toBe('unpaid')
    await fixture.provider.arrive(payment.id)
    await learn(payment)
    expect(await standing()).toBe('paid')
    expect(await fixture.stock(offer)).toBe('1/0/1')
  })
})

describe('money for an expired invoice', () => {
  it('takes the units again and pays, with lines that point at what was sold', async () => {
    const payment = await pushed()
    expect(await fixture.stock(offer)).toBe('2/0/0')
    await fixture.provider.arrive(payment.id)
    await learn(payment)
    expect(await fixture.stock(offer)).toBe('1/0/1')
    const paid = await fixture.read(readInvoice(user, invoice.id))
    expect(paid).toMatchObject({ status: 'paid', paidAt: now(), totalMinor: invoice.totalMinor })
    // A repeated checkout is answered as the first one was, with the reservations of then.
    const checkedOut = await fixture.read(readInvoiceAtCheckout(user, invoice.id))
    expect(checkedOut).toEqual(invoice)
    const reservationId = paid?.lines[0]?.reservationId ?? ''
    expect(reservationId).not.toBe(invoice.lines[0]?.reservationId)
    expect(await fixture.status('reservations', reservationId)).toBe('sold')
    expect(await fixture.status('payments', payment.id)).toBe('captured')
    expect(await stranded()).toEqual([])
  })

  it('told of many times, by several at once, pays once', async () => {
    const payment = await pushed()
    await fixture.provider.arrive(payment.id)
    await Promise.all(Array.from({ length: 10 }, () => learn(payment)))
    expect(await fixture.stock(offer)).toBe('1/0/1')
  })

  it('needs a person when the units are gone, and is never given back', async () => {
    const payment = await pushed()
    await fixture.paid(await fixture.user(), offer, 2)
    await fixture.provider.arrive(payment.id)
    await learn(payment)
    expect(await standing()).toBe('needs_attention')
    expect(await stranded()).toEqual([`${payment.id} sold_out`])
    expect(await fixture.run(settleAuthorized(payment.id, now()))).toBe('leave')
    await resolveLater()
    await learn(payment)
    expect(await standing()).toBe('needs_attention')
    const told = fixture.operations().filter((each) => each.startsWith(payment.id))
    expect(told.map((each) => each.slice(payment.id.length + 1))).toEqual([
      'authorize pending',
      'void voided',
      'arrive captured',
    ])
    await expect(fixture.pay(invoice)).rejects.toThrow('needs_attention')
  })

  it('takes all units of an invoice or none', async () => {
    const other = await fixture.product(offer.flashSaleId, { stock: 5 })
    await fixture.hold(user, offer)
    await fixture.hold(user, other, 2)
    const both = await fixture.checkOut(user)
    const payment = await pushed(both)
    const [a, b] = await fixture.users(2)
    await fixture.paid(a!, offer, 1)
    await fixture.paid(b!, offer, 1)
    await fixture.provider.arrive(payment.id)
    await learn(payment)
    expect(await standing(both)).toBe('needs_attention')
    expect(await fixture.stock(other)).toBe('5/0/0')
  })

  it('does not lift the purchase limit', async () => {
    const payment = await pushed()
    await fixture.paid(user, offer, 2)
    await fixture.run(changeStock(2))
    await fixture.provider.arrive(payment.id)
    await learn(payment)
    expect(await stranded()).toEqual([`${payment.id} purchase_limit_reached`])
  })

  it('of a sale that was called off needs a person', async () => {
    const payment = await pushed()
    await fixture.run(changeFlashSaleState(offer.flashSaleId, 'cancelled', now()))
    await fixture.provider.arrive(payment.id)
    await learn(payment)
    expect(await stranded()).toEqual([`${payment.id} sale_cancelled`])
    expect(await fixture.stock(offer)).toBe('2/0/0')
  })
})

function* changeStock(by: number) {
  yield {
    text: `update stock set allotment = allotment + ?, available = available + ? where product_id = ?`,
    values: [by, by, offer.productId],
  }
  yield {
    text: `insert into stock_movements (product_id, kind, quantity, created_at) values (?, 'allotted', ?, 0)`,
    values: [offer.productId, by],
  }
}

describe('money for an invoice that ended otherwise', () => {
  it('cancelled: needs a person', async () => {
    const payment = await push()
    fixture.clock.advance(300_000)
    await resolveLater()
    await fixture.run(cancelInvoice(user, invoice.id, now()))
    await fixture.provider.arrive(payment.id)
    await learn(payment)
    expect(await standing()).toBe('needs_attention')
    expect(await stranded()).toEqual([`${payment.id} invoice_cancelled`])
  })

  it('paid by another card: stays paid, and the second money needs a person', async () => {
    const payment = await push()
    fixture.clock.advance(300_000)
    await resolveLater()
    const second = await fixture.pay(invoice)
    await fixture.settlement.settle(orderOf(second))
    await fixture.provider.arrive(payment.id)
    await learn(payment)
    expect(await standing()).toBe('paid')
    expect(await fixture.status('payments', second.id)).toBe('captured')
    expect(await stranded()).toEqual([`${payment.id} paid_already`])
  })

  it('on the list already: the second money joins it', async () => {
    const first = await push()
    fixture.clock.advance(300_000)
    await resolveLater()
    const second = await push()
    fixture.clock.advance(60_000)
    await resolveLater()
    await expire()
    await fixture.paid(await fixture.user(), offer, 2)
    for (const payment of [first, second]) {
      await fixture.provider.arrive(payment.id)
      await learn(payment)
    }
    expect(await stranded()).toEqual([`${first.id} sold_out`, `${second.id} more_than_once`])
  })
})

describe('money that comes while another card is tried', () => {
  /** Makes two payments: the money of the first has arrived, and the second has begun. */
  async function waiting(method: string): Promise<readonly [Payment, Payment]> {
    const first = await push()
    fixture.clock.advance(300_000)
    await resolveLater()
    const second = await fixture.pay(invoice, { method })
    if (method === 'pm_push') await fixture.settlement.settle(orderOf(second))
    await fixture.provider.arrive(first.id)
    await learn(first)
    expect(await fixture.status('payments', first.id)).toBe('late')
    expect(await standing()).toBe('paying')
    return [first, second]
  }

  const statuses = (payments: readonly Payment[]) =>
    Promise.all(payments.map(({ id }) => fixture.status('payments', id)))

  it('waits, and pays in the moment in which that card is declined', async () => {
    const payments = await waiting('pm_declined')
    await fixture.settlement.settle(orderOf(payments[1]))
    expect(await standing()).toBe('paid')
    expect(await statuses(payments)).toEqual(['captured', 'declined'])
  })

  it('pays, and that card is given up, when it is authorised: one of them is captured', async () => {
    const payments = await waiting('pm_ok')
    expect(await fixture.settlement.settle(orderOf(payments[1]))).toMatchObject({
      invoice: { status: 'paid' },
      payment: { status: 'voided' },
    })
    expect(await statuses(payments)).toEqual(['captured', 'voided'])
    expect(await stranded()).toEqual([])
  })

  it('pays although that card is overdue and nobody answers for it: no unit goes back', async () => {
    const payments = await waiting('pm_ok')
    fixture.clock.advance(300_000)
    fixture.overrides.void = loseCall
    await resolveLater()
    expect(await standing()).toBe('paying')
    delete fixture.overrides.void
    await resolveLater()
    await fixture.run(expireInvoices(now(), 10))
    expect(await standing()).toBe('paid')
    expect(await statuses(payments)).toEqual(['captured', 'voided'])
    expect(await fixture.stock(offer)).toBe('1/0/1')
  })

  it('does not wait for money that may never come', async () => {
    const payments = await waiting('pm_push')
    await resolveLater()
    expect(await standing()).toBe('paid')
    expect(await statuses(payments)).toEqual(['captured', 'voided'])
  })

  it('lets no third card in where an older program had left the invoice unpaid', async () => {
    const payments = await waiting('pm_declined')
    await fixture.run(endVoided(payments[1].id))
    await expect(fixture.pay(invoice)).rejects.toThrow('payment_in_progress')
    await resolveLater()
    expect(await standing()).toBe('paid')
    expect(await statuses(payments)).toEqual(['captured', 'voided'])
  })

  it('needs a person when that money was faster', async () => {
    const payments = await waiting('pm_push')
    await fixture.provider.arrive(payments[1].id)
    await learn(payments[1])
    await resolveLater()
    expect(await standing()).toBe('paid')
    expect(await statuses(payments)).toEqual(['stranded', 'captured'])
    expect(await stranded()).toEqual([`${payments[0].id} paid_already`])
  })
})

describe('what the provider said before an attempt ended', () => {
  it('is no late money: an authorisation heard of and voided since pays nothing', async () => {
    const payment = await fixture.pay(invoice)
    await fixture.provider.authorize(orderOf(payment))
    fixture.overrides.find = async (paymentId) => {
      delete fixture.overrides.find
      const known = await fixture.provider.find(paymentId)
      await fixture.provider.void(paymentId)
      await fixture.run(endVoided(paymentId))
      return known
    }
    await learn(payment)
    expect(await standing()).toBe('unpaid')
    expect(await fixture.status('payments', payment.id)).toBe('voided')
    expect(await fixture.stock(offer)).toBe('1/1/0')
  })

  it('is not believed when it names another amount', async () => {
    const payment = await push()
    await fixture.provider.arrive(payment.id)
    fixture.overrides.find = async (paymentId) => ({
      ...(await fixture.provider.find(paymentId))!,
      amountMinor: 1,
    })
    await expect(learn(payment)).rejects.toThrow(ProviderUnavailableError)
    expect(await standing()).toBe('paying')
    delete fixture.overrides.find
    await learn(payment)
  })
})

describe('an authorisation for an attempt that had ended', () => {
  it('pays the invoice while that can be paid, and is not given back', async () => {
    const payment = await fixture.pay(invoice)
    await fixture.run(endVoided(payment.id))
    await fixture.provider.authorize(orderOf(payment))
    await learn(payment)
    expect(await standing()).toBe('paid')
    expect(await fixture.status('payments', payment.id)).toBe('captured')
  })
})

function* endVoided(paymentId: string) {
  yield { text: `update payments set status = 'voided' where id = ?`, values: [paymentId] }
  yield { text: `update invoices set status = 'unpaid' where id = ?`, values: [invoice.id] }
}
