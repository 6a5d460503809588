import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { InvoiceStatus } from '../domain/invoice.ts'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { expireInvoices } from './expiry.ts'
import {
  cancelInvoice,
  listInvoices,
  listInvoicesOfUser,
  readInvoice,
  type InvoiceFilter,
} from './invoices.ts'
import { endPayment } from './payments/decline.ts'
import { settleAuthorized } from './payments/settle-authorized.ts'

let fixture: SaleFixture
let offer: Offer
let user: number
let stranger: number

beforeEach(async () => {
  fixture = await openSaleFixture()
  offer = await fixture.sale({ stock: 10 })
  const [first = 0, second = 0] = await fixture.users(2)
  user = first
  stranger = second
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  await fixture.close()
})

const now = (): number => fixture.clock.now()
const cancel = (userId: number, id: string) => fixture.run(cancelInvoice(userId, id, now()))

describe('cancelling', () => {
  it('an unpaid invoice gives its units back and names the products', async () => {
    const { id } = await fixture.invoice(user, offer, 3)
    expect(await cancel(user, id)).toMatchObject({
      kind: 'cancelled',
      productIds: [offer.productId],
      invoice: { id, status: 'cancelled', lines: [{ quantity: 3 }] },
    })
    expect(await fixture.stock(offer)).toBe('10/0/0')
    const holds = await fixture.rows('select status from reservations')
    expect(holds).toEqual([{ status: 'released' }])
  })

  it('twice gives the units back once', async () => {
    const { id } = await fixture.invoice(user, offer)
    await cancel(user, id)
    expect(await cancel(user, id)).toMatchObject({
      kind: 'not_unpaid',
      invoice: { status: 'cancelled' },
    })
    expect(await fixture.stock(offer)).toBe('10/0/0')
  })

  it('somebody else’s finds nothing and changes nothing', async () => {
    const { id } = await fixture.invoice(user, offer)
    expect(await cancel(stranger, id)).toEqual({ kind: 'not_found' })
    expect(await fixture.status('invoices', id)).toBe('unpaid')
    expect(await fixture.stock(offer)).toBe('9/1/0')
  })

  it('one that is being paid is refused, and it can still be paid', async () => {
    const invoice = await fixture.invoice(user, offer)
    const payment = await fixture.pay(invoice)
    expect(await cancel(user, invoice.id)).toMatchObject({
      kind: 'not_unpaid',
      invoice: { status: 'paying' },
    })
    expect(await fixture.run(settleAuthorized(payment.id, now()))).toBe('capture')
    expect(await fixture.stock(offer)).toBe('9/0/1')
  })

  it('one that is paid is refused for ever', async () => {
    const { invoice } = await fixture.paid(user, offer)
    expect(await cancel(user, invoice.id)).toMatchObject({
      kind: 'not_unpaid',
      invoice: { status: 'paid' },
    })
    expect(await fixture.stock(offer)).toBe('9/0/1')
  })

  it('one that expired is refused, and its units are not given back again', async () => {
    const { id } = await fixture.invoice(user, offer)
    fixture.clock.advance(300_000)
    await fixture.run(expireInvoices(now(), 10))
    expect(await cancel(user, id)).toMatchObject({
      kind: 'not_unpaid',
      invoice: { status: 'expired' },
    })
    expect(await fixture.stock(offer)).toBe('10/0/0')
  })

  it('is possible again once the payment was declined', async () => {
    const invoice = await fixture.invoice(user, offer)
    const payment = await fixture.pay(invoice)
    await fixture.run(endPayment(payment.id, { status: 'declined', code: 'no' }, now()))
    expect(await cancel(user, invoice.id)).toMatchObject({ kind: 'cancelled' })
  })
})

describe('reading', () => {
  it('shows its owner the invoice and nobody else', async () => {
    const invoice = await fixture.invoice(user, offer)
    expect(await fixture.read(readInvoice(user, invoice.id))).toEqual(invoice)
    expect(await fixture.read(readInvoice(stranger, invoice.id))).toBeUndefined()
    expect(await fixture.read(readInvoice(user, 'unknown'))).toBeUndefined()
  })

  it('lists the user’s own, newest first, page by page', async () => {
    const made: string[] = []
    for (let count = 0; count < 3; count += 1) {
      made.unshift((await fixture.invoice(user, offer)).id)
      await fixture.invoice(stranger, offer)
    }
    const page = async (before: string) =>
      (await fixture.read(listInvoicesOfUser(user, { before, limit: 2 }))).map(({ id }) => id)
    const first = await page('g')
    expect([...first, ...(await page(first.at(-1) ?? ''))]).toEqual(made)
  })
})

describe('the list of all invoices', () => {
  async function list(filter: Partial<InvoiceFilter>): Promise<readonly string[]> {
    const all = { productId: undefined, status: undefined, after: '', limit: 100 }
    return (await fixture.read(listInvoices({ ...all, ...filter }))).map(({ id }) => id)
  }

  it('has everybody’s, oldest first, page by page', async () => {
    const made = [await fixture.invoice(user, offer), await fixture.invoice(stranger, offer)]
    const ids = made.map(({ id }) => id)
    expect(await list({})).toEqual(ids)
    const [first = ''] = await list({ limit: 1 })
    expect(await list({ after: first, limit: 1 })).toEqual(ids.slice(1))
  })

  it('can be asked for those with a product, whatever else is in them', async () => {
    const other = await fixture.product(offer.flashSaleId)
    await fixture.hold(user, offer)
    const both = await fixture.invoice(user, other)
    const one = await fixture.invoice(stranger, offer)
    expect(await list({ productId: offer.productId })).toEqual([both.id, one.id])
    expect(await list({ productId: other.productId })).toEqual([both.id])
    expect(await list({ productId: 999 })).toEqual([])
  })

  it('can be asked for a status, and for both at once', async () => {
    const { invoice: paid } = await fixture.paid(user, offer)
    const unpaid = await fixture.invoice(stranger, offer)
    const withStatus = (status: InvoiceStatus) => list({ status, productId: offer.productId })
    expect(await withStatus('paid')).toEqual([paid.id])
    expect(await withStatus('unpaid')).toEqual([unpaid.id])
    expect(await withStatus('expired')).toEqual([])
  })
})
