import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  openSaleFixture,
  type Offer,
  type SaleFixture,
} from '../../../test/support/sale-fixture.ts'
import type { Invoice } from '../../domain/invoice.ts'
import { endPayment } from './decline.ts'
import { readPayment } from './read-payment.ts'
import { readUnsettled, touchPayment } from './unsettled-payments.ts'

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

describe('looking at attempts', () => {
  it('shows one with its invoice', async () => {
    const { id } = await fixture.pay(invoice)
    expect(await fixture.read(readPayment(id))).toMatchObject({
      payment: { id, status: 'authorizing' },
      invoice: { id: invoice.id, status: 'paying' },
    })
    expect(await fixture.read(readPayment('unknown'))).toBeUndefined()
  })

  it('finds those untouched for long, oldest first, and no settled one', async () => {
    const first = await fixture.pay(invoice)
    fixture.clock.advance(1_000)
    const second = await fixture.pay(await fixture.invoice(user, offer))
    const ended = await fixture.pay(await fixture.invoice(user, offer))
    await fixture.run(endPayment(ended.id, declined, now()))
    const unsettled = async (since: number, limit = 10) =>
      (await fixture.read(readUnsettled(since, limit))).map(({ id }) => id)
    expect(await unsettled(now())).toEqual([first.id, second.id])
    expect(await unsettled(now() - 1)).toEqual([first.id])
    expect(await unsettled(now(), 1)).toEqual([first.id])
  })

  it('puts one that was looked at behind the others, and leaves settled ones alone', async () => {
    const first = await fixture.pay(invoice)
    fixture.clock.advance(1)
    const second = await fixture.pay(await fixture.invoice(user, offer))
    fixture.clock.advance(1)
    await fixture.run(touchPayment(first.id, now()))
    await fixture.run(endPayment(second.id, declined, now() - 1))
    await fixture.run(touchPayment(second.id, now()))
    const touched = await fixture.rows('select updated_at as at from payments order by id')
    expect(touched).toEqual([{ at: now() }, { at: now() - 1 }])
    expect(await fixture.read(readUnsettled(now() - 1, 10))).toEqual([])
  })
})
