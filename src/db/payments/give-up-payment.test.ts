import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  openSaleFixture,
  type Offer,
  type SaleFixture,
} from '../../../test/support/sale-fixture.ts'
import type { Invoice } from '../../domain/invoice.ts'
import { expireInvoices } from '../expiry.ts'
import { beginPayment, type BeginPayment } from './begin-payment.ts'
import { endPayment } from './decline.ts'
import { giveUpPayment } from './give-up-payment.ts'
import { markCaptured, settleAuthorized } from './settle-authorized.ts'

let fixture: SaleFixture
let offer: Offer
let user: number
let invoice: Invoice

beforeEach(async () => {
  fixture = await openSaleFixture()
  offer = await fixture.sale({ stock: 10, holdSeconds: 300 })
  user = await fixture.user()
  invoice = await fixture.invoice(user, offer, 2)
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  await fixture.close()
})

const now = (): number => fixture.clock.now()
const declined = { status: 'declined', code: 'card_declined' } as const
const voided = { status: 'voided', code: null } as const

function begin(changes: Partial<BeginPayment> = {}) {
  const attempt = { paymentId: fixture.newId(), idempotencyKey: fixture.newId(), method: 'pm_ok' }
  const order = { ...attempt, userId: user, invoiceId: invoice.id, now: now(), ...changes }
  return fixture.run(beginPayment(order))
}

describe('an attempt that is given up', () => {
  it('never pays: an authorisation that comes later is to be voided', async () => {
    const { id } = await fixture.pay(invoice)
    expect(await fixture.run(giveUpPayment(id, now()))).toBe(true)
    expect(await fixture.run(settleAuthorized(id, now()))).toBe('void')
    expect(await fixture.status('invoices', invoice.id)).toBe('paying')
    expect(await begin()).toEqual({ kind: 'payment_in_progress' })
  })

  it('keeps its invoice from the sweep until the void is confirmed', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(giveUpPayment(id, now()))
    fixture.clock.advance(3_600_000)
    expect(await fixture.run(expireInvoices(now(), 10))).toMatchObject({ ended: 0 })
    expect(await fixture.run(endPayment(id, voided, now()))).toBe(true)
    expect(await fixture.status('invoices', invoice.id)).toBe('unpaid')
  })

  it('may be given up again, by another process', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(giveUpPayment(id, now()))
    expect(await fixture.run(giveUpPayment(id, now()))).toBe(true)
  })

  it('is not given up once it paid, was captured or has ended', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(settleAuthorized(id, now()))
    expect(await fixture.run(giveUpPayment(id, now()))).toBe(false)
    await fixture.run(markCaptured(id, now()))
    expect(await fixture.run(giveUpPayment(id, now()))).toBe(false)
    const ended = await fixture.pay(await fixture.invoice(user, offer))
    await fixture.run(endPayment(ended.id, declined, now()))
    expect(await fixture.run(giveUpPayment(ended.id, now()))).toBe(false)
  })
})
