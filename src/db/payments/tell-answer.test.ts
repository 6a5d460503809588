import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  openSaleFixture,
  type Offer,
  type SaleFixture,
} from '../../../test/support/sale-fixture.ts'
import type { Invoice } from '../../domain/invoice.ts'
import { run } from '../database.ts'
import { expireInvoices } from '../expiry.ts'
import { cancelInvoice } from '../invoices.ts'
import { endPayment } from './decline.ts'
import { placeEnded } from './late-money.ts'
import { settleAuthorized } from './settle-authorized.ts'
import { tellAnswer } from './tell-answer.ts'

let fixture: SaleFixture
let offer: Offer
let user: number
let invoice: Invoice

beforeEach(async () => {
  fixture = await openSaleFixture()
  offer = await fixture.sale({ stock: 3 })
  user = await fixture.user()
  invoice = await fixture.invoice(user, offer)
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  await fixture.close()
})

const now = (): number => fixture.clock.now()
const declined = { status: 'declined', code: 'card_declined' } as const
const voided = { status: 'voided', code: null } as const
const answer = async (id: string) => (await fixture.run(tellAnswer(id))).answer
const place = (id: string) =>
  fixture.run(placeEnded(id, { now: now(), newId: () => fixture.newId() }))

describe('the answer to the key of an attempt', () => {
  it.each([
    [declined, 'declined'],
    [voided, 'given_up'],
  ])('that was $status stays so when its money comes late and pays', async (end, told) => {
    const { id } = await fixture.pay(invoice)
    expect(await answer(id)).toBe('pending')
    await fixture.run(endPayment(id, end, now()))
    expect(await answer(id)).toBe(told)
    expect(await place(id)).toBe('capture')
    expect(await fixture.status('invoices', invoice.id)).toBe('paid')
    expect(await answer(id)).toBe(told)
  })

  it('is paid when nobody was told that it was declined before the money came', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(endPayment(id, declined, now()))
    await place(id)
    expect(await answer(id)).toBe('paid')
  })

  it('stays given up when the invoice is paid with another card afterwards', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(endPayment(id, voided, now()))
    expect(await answer(id)).toBe('given_up')
    const other = await fixture.pay(invoice)
    await fixture.run(settleAuthorized(other.id, now()))
    expect([await answer(id), await answer(other.id)]).toEqual(['given_up', 'paid'])
  })

  it('stays paid otherwise when its own money comes, too, and waits for a person', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(endPayment(id, voided, now()))
    const other = await fixture.pay(invoice)
    await fixture.run(settleAuthorized(other.id, now()))
    expect(await answer(id)).toBe('paid_otherwise')
    expect(await place(id)).toBe('stranded')
    expect(await answer(id)).toBe('paid_otherwise')
  })

  it('is that a person decides for money that nobody was told the end of', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(endPayment(id, voided, now()))
    await fixture.run(cancelInvoice(user, invoice.id, now()))
    await place(id)
    expect([await answer(id), await answer(id)]).toEqual(['needs_attention', 'needs_attention'])
  })

  it('that was given once is never another', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(endPayment(id, declined, now()))
    await answer(id)
    for (const text of [
      `update payments set told_answer = null`,
      `update payments set told_answer = 'given_up'`,
    ]) {
      await expect(fixture.run(run(text))).rejects.toThrow(/stays the answer/)
    }
    fixture.clock.advance(600_000)
    await fixture.run(expireInvoices(now(), 10))
    expect(await answer(id)).toBe('declined')
  })
})
