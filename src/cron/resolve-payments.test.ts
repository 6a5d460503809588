import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { beginPayment } from '../db/payments/begin-payment.ts'
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
import type { Offer } from '../../test/support/sale-fixture.ts'
import { createResolvePayments } from './resolve-payments.ts'

let fixture: PaymentFixture
let offer: Offer
let invoice: Invoice
let resolveNow: (mayContinue?: () => boolean) => Promise<void>

beforeEach(async () => {
  fixture = await openPaymentFixture()
  offer = await fixture.sale({ stock: 100, holdSeconds: 300 })
  invoice = await fixture.invoice(await fixture.user(), offer)
  const { database, settlement, clock } = fixture
  const resolveWhile = createResolvePayments({ database, settlement, clock, logger: silentLogger })
  resolveNow = (mayContinue = () => true) => resolveWhile(mayContinue)
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  expect(await fixture.disagreements()).toEqual([])
  await fixture.close()
})

const untouchedMs = 15_000
const settle = (payment: Payment) => fixture.settlement.settle(orderOf(payment))
const operationsOf = ({ id }: Payment) =>
  fixture.operations().flatMap((each) => (each.startsWith(id) ? [each.slice(id.length + 1)] : []))

/** Reads both statuses as `invoice/payment`. */
async function standing(payment: Payment): Promise<string> {
  const paid = await fixture.status('invoices', payment.invoiceId)
  return `${paid}/${await fixture.status('payments', payment.id)}`
}

async function resolveLater(): Promise<void> {
  fixture.clock.advance(untouchedMs)
  await resolveNow()
}

/** Runs `meanwhile` once, after the provider was asked and before the resolver gets the answer. */
function afterFind(meanwhile: () => Promise<unknown>): void {
  fixture.overrides.find = async (paymentId) => {
    delete fixture.overrides.find
    const known = await fixture.provider.find(paymentId)
    await meanwhile()
    return known
  }
}

describe('an attempt whose answer was lost', () => {
  it('is paid and captured when the provider had authorised it', async () => {
    const payment = await fixture.pay(invoice)
    fixture.overrides.authorize = (order) => loseAnswer(fixture.provider.authorize(order))
    await expect(settle(payment)).rejects.toThrow('lost')
    await resolveLater()
    expect(await standing(payment)).toBe('paid/captured')
    expect(operationsOf(payment)).toEqual(['authorize authorized', 'capture captured'])
    expect(await fixture.stock(offer)).toBe('99/0/1')
  })

  it('is declined when the provider had declined it', async () => {
    const payment = await fixture.pay(invoice, { method: 'pm_declined' })
    fixture.overrides.authorize = (order) => loseAnswer(fixture.provider.authorize(order))
    await expect(settle(payment)).rejects.toThrow('lost')
    await resolveLater()
    expect(await standing(payment)).toBe('unpaid/declined')
    expect(await fixture.stock(offer)).toBe('99/1/0')
  })

  it('is paid without a second capture when only its last steps were lost', async () => {
    const payment = await fixture.pay(invoice)
    fixture.overrides.capture = (paymentId) => loseAnswer(fixture.provider.capture(paymentId))
    await settle(payment)
    delete fixture.overrides.capture
    expect(await standing(payment)).toBe('paid/authorized')
    await resolveLater()
    expect(await standing(payment)).toBe('paid/captured')
    expect(operationsOf(payment)).toEqual([
      'authorize authorized',
      'capture captured',
      'capture unchanged',
    ])
  })

  it('is left alone while its own process may still be at it', async () => {
    const payment = await fixture.pay(invoice)
    await fixture.provider.authorize(orderOf(payment))
    fixture.clock.advance(untouchedMs - 1)
    await resolveNow()
    expect(await standing(payment)).toBe('paying/authorizing')
    fixture.clock.advance(1)
    await resolveNow()
    expect(await standing(payment)).toBe('paid/captured')
  })
})

describe('an attempt the provider never heard of', () => {
  it('is given up: voided there, unpaid here, another card may pay', async () => {
    const payment = await fixture.pay(invoice)
    await resolveLater()
    expect(await standing(payment)).toBe('unpaid/voided')
    expect(operationsOf(payment)).toEqual(['void voided'])
    const second = await fixture.pay(invoice)
    await settle(second)
    expect(await standing(second)).toBe('paid/captured')
  })

  it('never pays, though its authorisation arrives afterwards', async () => {
    const payment = await fixture.pay(invoice)
    await resolveLater()
    await settle(payment)
    expect(await standing(payment)).toBe('unpaid/voided')
    expect(operationsOf(payment)).toEqual(['void voided', 'authorize unchanged'])
    expect(await fixture.stock(offer)).toBe('99/1/0')
  })

  it('is given up once more when the void was lost', async () => {
    const payment = await fixture.pay(invoice)
    fixture.overrides.void = loseCall
    await resolveLater()
    expect(await standing(payment)).toBe('paying/authorizing')
    delete fixture.overrides.void
    await resolveLater()
    expect(await standing(payment)).toBe('unpaid/voided')
  })
})

describe('the resolver and the handler at once', () => {
  it('paid after the provider was asked and before its answer: nothing is voided', async () => {
    const payment = await fixture.pay(invoice)
    afterFind(() => settle(payment))
    await resolveLater()
    expect(await standing(payment)).toBe('paid/captured')
    expect(operationsOf(payment)).toEqual(['authorize authorized', 'capture captured'])
  })

  it('paid but not yet captured in between: nothing is voided, and it is captured later', async () => {
    const payment = await fixture.pay(invoice)
    fixture.overrides.capture = loseCall
    afterFind(() => settle(payment))
    await resolveLater()
    expect(await standing(payment)).toBe('paid/authorized')
    expect(operationsOf(payment)).toEqual(['authorize authorized'])
    delete fixture.overrides.capture
    await resolveLater()
    expect(await standing(payment)).toBe('paid/captured')
  })

  it('given up before the authorisation arrives: it is voided and never captured', async () => {
    const payment = await fixture.pay(invoice)
    fixture.overrides.void = async (paymentId) => {
      delete fixture.overrides.void
      await settle(payment)
      await fixture.provider.void(paymentId)
    }
    await resolveLater()
    expect(await standing(payment)).toBe('unpaid/voided')
    expect(operationsOf(payment)).toEqual(['authorize authorized', 'void voided', 'void unchanged'])
  })

  it('declined in between: the attempt stays declined and the next one is not touched', async () => {
    const payment = await fixture.pay(invoice, { method: 'pm_declined' })
    let second: Payment | undefined
    afterFind(async () => {
      await settle(payment)
      second = await fixture.pay(invoice)
    })
    await resolveLater()
    expect(await fixture.status('payments', payment.id)).toBe('declined')
    expect(await standing(second!)).toBe('paying/authorizing')
    await settle(second!)
    expect(await standing(second!)).toBe('paid/captured')
  })

  it('two resolvers at once capture once', async () => {
    const payment = await fixture.pay(invoice)
    await fixture.provider.authorize(orderOf(payment))
    fixture.clock.advance(untouchedMs)
    await Promise.all([resolveNow(), resolveNow()])
    expect(await standing(payment)).toBe('paid/captured')
    const captured = operationsOf(payment).filter((each) => each === 'capture captured')
    expect(captured).toHaveLength(1)
  })
})

describe('a capture that fails', () => {
  it('is tried until it is confirmed, and moves the money once; the invoice stays paid', async () => {
    const payment = await fixture.pay(invoice)
    fixture.overrides.capture = loseCall
    await settle(payment)
    for (let round = 0; round < 3; round += 1) await resolveLater()
    expect(await standing(payment)).toBe('paid/authorized')
    delete fixture.overrides.capture
    await resolveLater()
    await resolveLater()
    expect(await standing(payment)).toBe('paid/captured')
    expect(operationsOf(payment)).toEqual(['authorize authorized', 'capture captured'])
  })
})

describe('more attempts than one batch takes', () => {
  const batchSizeMax = 50

  /** Begins `count` payments in one transaction and returns them in the order of their ids. */
  async function begin(count: number): Promise<Payment[]> {
    const users = await fixture.users(count)
    await fixture.reserve(...users.map((user) => fixture.wish(user, offer)))
    const payments: Payment[] = []
    for (const user of users) payments.push(await fixture.pay(await fixture.checkOut(user)))
    return payments
  }

  it('are all resolved in one round', async () => {
    const payments = await begin(2 * batchSizeMax - 1)
    payments.push(await fixture.pay(invoice))
    await resolveLater()
    const left = await fixture.rows(`select id from payments where status = 'authorizing'`)
    expect([payments.length, left]).toEqual([2 * batchSizeMax, []])
  })

  it('are left where they are, ten at most later, when the process is about to stop', async () => {
    await begin(batchSizeMax)
    fixture.clock.advance(untouchedMs)
    let asked = 0
    await resolveNow(() => (asked += 1) <= 2)
    const left = await fixture.rows(`select id from payments where status = 'authorizing'`)
    expect(left).toHaveLength(batchSizeMax - 20)
  })

  it('that the provider does not answer for do not starve one that it does', async () => {
    const silent = await begin(batchSizeMax)
    fixture.clock.advance(1)
    const payment = await fixture.pay(invoice)
    const silentIds = new Set(silent.map(({ id }) => id))
    fixture.overrides.find = (paymentId) =>
      silentIds.has(paymentId) ? loseCall() : fixture.provider.find(paymentId)
    await resolveLater()
    expect(await standing(payment)).toBe('paying/authorizing')
    await resolveNow()
    expect(await standing(payment)).toBe('unpaid/voided')
    expect(await standing(silent[0]!)).toBe('paying/authorizing')
  })

  it('whose captures fail do not starve one that works', async () => {
    const stuck = await begin(batchSizeMax)
    fixture.overrides.capture = loseCall
    for (const each of stuck) await settle(each)
    fixture.clock.advance(1)
    const payment = await fixture.pay(invoice)
    await resolveLater()
    await resolveNow()
    expect(await standing(payment)).toBe('unpaid/voided')
    expect(await standing(stuck[0]!)).toBe('paid/authorized')
  })
})

it('an attempt begun twice with one key is one attempt for the resolver, too', async () => {
  const attempt = { userId: invoice.userId, invoiceId: invoice.id, method: 'pm_ok' }
  const now = fixture.clock.now()
  const begin = (paymentId: string) =>
    fixture.run(beginPayment({ ...attempt, paymentId, idempotencyKey: 'k', now }))
  await begin('first')
  await begin('second')
  await resolveLater()
  expect(fixture.operations()).toEqual(['first void voided'])
})
