import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { markCaptured } from './payments/settle-authorized.ts'
import { run, type SqlValue } from './database.ts'

/** Tests the rules that the schema enforces by itself, whatever the program does. */
let fixture: SaleFixture
let offer: Offer
let userId: number

beforeEach(async () => {
  fixture = await openSaleFixture()
  offer = await fixture.sale({ stock: 5 })
  userId = await fixture.user()
})

afterEach(() => fixture.close())

function attempt(text: string, ...values: readonly SqlValue[]): Promise<void> {
  return fixture.run(run(text, ...values))
}

describe('stock', () => {
  it.each(['available = -1, held = 6', 'held = -1, available = 6', 'sold = -1, available = 6'])(
    'is never negative: %s',
    async (assignments) => {
      const update = attempt(`update stock set ${assignments} where product_id = ?`, 1)
      await expect(update).rejects.toThrow(/CHECK constraint failed/)
      expect(await fixture.stock(offer)).toBe('5/0/0')
    },
  )

  it.each(['available = 4', 'held = 1', 'sold = 1', 'allotment = 6', 'allotment = 4'])(
    'is never lost or made: %s',
    async (assignment) => {
      const update = attempt(`update stock set ${assignment}`)
      await expect(update).rejects.toThrow(/available \+ held \+ sold = allotment/)
    },
  )
})

describe('carts', () => {
  it('are active once per user', async () => {
    const insert = `insert into carts (id, user_id, status, created_at) values (?, ?, ?, 0)`
    await attempt(insert, 'c1', userId, 'active')
    await expect(attempt(insert, 'c2', userId, 'active')).rejects.toThrow(/UNIQUE/)
    await attempt(insert, 'c2', userId, 'checked_out')
    await attempt(insert, 'c3', await fixture.user(), 'active')
  })
})

describe('lines', () => {
  it.each(['cart_details', 'invoice_details'])('are one per hold in %s', async (table) => {
    if (table === 'cart_details') await fixture.hold(userId, offer)
    else await fixture.invoice(userId, offer)
    await expect(attempt(`insert into ${table} select * from ${table}`)).rejects.toThrow(/UNIQUE/)
  })
})

describe('reservations', () => {
  it('have one key per user', async () => {
    await fixture.hold(userId, offer)
    await fixture.hold(userId, offer)
    const reuse = attempt(`update reservations set idempotency_key = 'same'`)
    await expect(reuse).rejects.toThrow(/UNIQUE/)
  })

  it.each(['held', 'sold', 'expired'])('that are released never become %s', async (status) => {
    const { id } = await fixture.hold(userId, offer)
    await attempt(`update reservations set status = 'released', ended_at = 1 where id = ?`, id)
    const ended = status === 'held' ? null : 2
    const again = `update reservations set status = ?, ended_at = ? where id = ?`
    await expect(attempt(again, status, ended, id)).rejects.toThrow(/ends once/)
    expect(await fixture.status('reservations', id)).toBe('released')
  })

  it('are not sold without an invoice', async () => {
    const { id } = await fixture.hold(userId, offer)
    const sale = attempt(`update reservations set status = 'sold', ended_at = 1 where id = ?`, id)
    await expect(sale).rejects.toThrow(/CHECK/)
  })

  it('have an end exactly when they are no longer held', async () => {
    await fixture.hold(userId, offer)
    await expect(attempt(`update reservations set ended_at = 1`)).rejects.toThrow(/CHECK/)
    await expect(attempt(`update reservations set status = 'expired'`)).rejects.toThrow(/CHECK/)
  })

  it.each([0, -1, 1_001])('are never of quantity %d', async (quantity) => {
    await fixture.hold(userId, offer)
    const update = attempt(`update reservations set quantity = ?`, quantity)
    await expect(update).rejects.toThrow(/CHECK/)
  })
})

describe('the ledger', () => {
  it('is never updated', async () => {
    await fixture.hold(userId, offer)
    const update = attempt(`update stock_movements set quantity = 2`)
    await expect(update).rejects.toThrow(/append-only/)
  })

  it('is never deleted from', async () => {
    await expect(attempt(`delete from stock_movements`)).rejects.toThrow(/append-only/)
  })

  const insert = `
    insert into stock_movements (product_id, reservation_id, kind, quantity, created_at)
    values (?, ?, ?, 1, 0)`

  it.each([
    ['sold', 'sold'],
    ['sold', 'expired'],
    ['expired', 'released'],
    ['released', 'released'],
  ])('has one ending per hold: %s, then %s', async (first, second) => {
    const { id } = await fixture.hold(userId, offer)
    await attempt(insert, offer.productId, id, first)
    await expect(attempt(insert, offer.productId, id, second)).rejects.toThrow(/UNIQUE/)
  })

  it('has one beginning per hold', async () => {
    const { id } = await fixture.hold(userId, offer)
    await expect(attempt(insert, offer.productId, id, 'held')).rejects.toThrow(/UNIQUE/)
  })

  it.each([0, -1])('moves no quantity of %d but an allotment', async (quantity) => {
    const { id } = await fixture.hold(userId, offer)
    const move = insert.replace('1, 0)', `${quantity}, 0)`)
    await expect(attempt(move, offer.productId, id, 'released')).rejects.toThrow(/CHECK/)
    await attempt(move, offer.productId, null, 'allotted')
  })

  it('names the hold in every movement but an allotment', async () => {
    const { id } = await fixture.hold(userId, offer)
    await expect(attempt(insert, offer.productId, null, 'sold')).rejects.toThrow(/CHECK/)
    await expect(attempt(insert, offer.productId, id, 'allotted')).rejects.toThrow(/CHECK/)
  })
})

describe('invoices', () => {
  it.each(['unpaid', 'paying', 'cancelled', 'expired'])(
    'that are paid never become %s',
    async (status) => {
      const { invoice } = await fixture.paid(userId, offer)
      const ended = status === 'cancelled' || status === 'expired' ? 1 : null
      const leave = `update invoices set status = ?, paid_at = null, ended_at = ? where id = ?`
      await expect(attempt(leave, status, ended, invoice.id)).rejects.toThrow(/stays paid/)
      expect(await fixture.status('invoices', invoice.id)).toBe('paid')
    },
  )

  it('that are paid keep their total and are never deleted', async () => {
    const { invoice } = await fixture.paid(userId, offer)
    await expect(attempt(`update invoices set total_minor = 1`)).rejects.toThrow(/stays paid/)
    const raw = fixture.openRaw()
    raw.pragma('foreign_keys = off')
    const remove = (): unknown => raw.prepare('delete from invoices where id = ?').run(invoice.id)
    expect(remove).toThrow(/stays paid/)
  })

  it.each(['paying', 'cancelled', 'expired'])('that are %s keep their total', async (status) => {
    await fixture.invoice(userId, offer)
    const endedAt = status === 'paying' ? null : 1
    const both = `update invoices set total_minor = 1, status = ?, ended_at = ?`
    await expect(attempt(both, status, endedAt)).rejects.toThrow(/only an unpaid/)
    await attempt(`update invoices set status = ?, ended_at = ?`, status, endedAt)
    await expect(attempt(`update invoices set total_minor = 1`)).rejects.toThrow(/only an unpaid/)
  })

  it('are never due before their checkout said, which never changes', async () => {
    await fixture.invoice(userId, offer)
    await expect(attempt(`update invoices set due_at = due_at - 1`)).rejects.toThrow(/CHECK/)
    await attempt(`update invoices set due_at = due_at + 1`)
    const earlier = `update invoices set checkout_due_at = checkout_due_at - 1`
    await expect(attempt(earlier)).rejects.toThrow(/never changes/)
    const confirmed = `update invoices set confirmed = ?`
    await expect(attempt(confirmed, 'f'.repeat(64))).rejects.toThrow(/never changes/)
  })

  it('have a total that JSON can carry', async () => {
    await fixture.invoice(userId, offer)
    const total = `update invoices set total_minor = 9007199254740992`
    await expect(attempt(total)).rejects.toThrow(/CHECK/)
  })

  it('keep a line that was called off so, with the reservation it had', async () => {
    await fixture.invoice(userId, offer)
    await attempt(`update invoice_details set cancelled_at = 5`)
    const again = attempt(`update invoice_details set cancelled_at = 6`)
    await expect(again).rejects.toThrow(/stays called off/)
    const back = attempt(`update invoice_details set cancelled_at = null`)
    await expect(back).rejects.toThrow(/stays called off/)
    const other = await fixture.hold(userId, offer)
    const point = attempt(`update invoice_details set reservation_id = ?`, other.id)
    await expect(point).rejects.toThrow(/CHECK/)
  })

  it('say when they were paid, and only then', async () => {
    await fixture.invoice(userId, offer)
    await expect(attempt(`update invoices set status = 'paid'`)).rejects.toThrow(/CHECK/)
    await expect(attempt(`update invoices set paid_at = 1`)).rejects.toThrow(/CHECK/)
    await expect(attempt(`update invoices set status = 'expired'`)).rejects.toThrow(/CHECK/)
  })

  it('are made once per cart and once per key', async () => {
    const invoice = await fixture.invoice(userId, offer)
    const copy = (columns: string): Promise<void> =>
      attempt(
        `insert into invoices select ?, user_id, ${columns}, confirmed, status, total_minor,
           currency, hold_seconds, checkout_due_at, due_at, extended_at, created_at, paid_at, ended_at from invoices where id = ?`,
        'copy',
        invoice.id,
      )
    await expect(copy(`cart_id, 'another key'`)).rejects.toThrow(/UNIQUE.*cart_id/)
    await attempt(
      `insert into carts (id, user_id, status, created_at) values ('c', ?, 'checked_out', 0)`,
      userId,
    )
    await expect(copy(`'c', idempotency_key`)).rejects.toThrow(/UNIQUE.*idempotency_key/)
  })

  it.each([
    ['expired', 'unpaid'],
    ['expired', 'cancelled'],
    ['cancelled', 'paid'],
    ['cancelled', 'unpaid'],
    ['unpaid', 'needs_attention'],
    ['needs_attention', 'paid'],
    ['needs_attention', 'expired'],
  ])('never go from %s to %s', async (from, to) => {
    const { id } = await fixture.invoice(userId, offer)
    const ended = (status: string) =>
      ['cancelled', 'expired', 'needs_attention'].includes(status) ? 1 : null
    const move = (status: string): Promise<void> =>
      attempt(
        `update invoices set status = ?, ended_at = ?, paid_at = ? where id = ?`,
        status,
        ended(status),
        status === 'paid' ? 1 : null,
        id,
      )
    if (from === 'needs_attention') await move('expired')
    if (from !== 'unpaid') await move(from)
    await expect(move(to)).rejects.toThrow('does not go this way')
  })

  it('have lines that add up', async () => {
    await fixture.invoice(userId, offer)
    const update = attempt(`update invoice_details set line_total_minor = line_total_minor + 1`)
    await expect(update).rejects.toThrow(/CHECK/)
  })
})

describe('payments', () => {
  const insert = `
    insert into payments (id, invoice_id, user_id, idempotency_key, method, amount_minor,
      currency, status, created_at, updated_at)
    values (?, ?, ?, ?, 'pm_ok', 1, 'EUR', ?, 0, 0)`

  it.each(['authorizing', 'authorized', 'captured'])(
    'are live once per invoice, also when %s',
    async (status) => {
      const { id } = await fixture.invoice(userId, offer)
      await attempt(insert, 'p1', id, userId, 'k1', status)
      await expect(attempt(insert, 'p2', id, userId, 'k2', 'authorizing')).rejects.toThrow(/UNIQUE/)
      await attempt(insert, 'p2', id, userId, 'k2', 'declined')
    },
  )

  it('have one key per user', async () => {
    const { id } = await fixture.invoice(userId, offer)
    await attempt(insert, 'p1', id, userId, 'k1', 'declined')
    await expect(attempt(insert, 'p2', id, userId, 'k1', 'declined')).rejects.toThrow(/UNIQUE/)
  })

  it('that ended come back as late money only, and stranded ones never', async () => {
    const payment = await fixture.pay(await fixture.invoice(userId, offer))
    const move = (assignments: string): Promise<void> =>
      attempt(`update payments set ${assignments} where id = ?`, payment.id)
    await move(`status = 'voided'`)
    await expect(move(`status = 'authorized'`)).rejects.toThrow('stays settled')
    const closed = `closed_at = 1, closed_note = 'paid back by hand'`
    await expect(move(closed)).rejects.toThrow(/CHECK/)
    await move(`status = 'late'`)
    await expect(move(`status = 'stranded'`)).rejects.toThrow(/CHECK/)
    await move(`status = 'stranded', stranded_at = 1, stranded_reason = 'sold_out'`)
    await expect(move(`status = 'captured'`)).rejects.toThrow('stays settled')
    await expect(move(`closed_at = 1`)).rejects.toThrow(/CHECK/)
    await move(closed)
  })

  it('that are captured stay captured', async () => {
    const { payment } = await fixture.paid(userId, offer)
    await fixture.run(markCaptured(payment.id, fixture.clock.now()))
    const update = attempt(`update payments set status = 'voided'`)
    await expect(update).rejects.toThrow(/stays settled/)
  })
})

describe('sales', () => {
  it('end after they start', async () => {
    await expect(attempt(`update flash_sales set ends_at = starts_at`)).rejects.toThrow(/CHECK/)
  })

  it('hold every product once', async () => {
    const insert = attempt(`insert into flash_sale_details select * from flash_sale_details`)
    await expect(insert).rejects.toThrow(/UNIQUE/)
  })
})

describe('what was heard and decided', () => {
  it('is one outcome per request', async () => {
    const insert = `
      insert into add_to_cart_requests (request_id, user_id, idempotency_key, refusal, created_at)
      values ('r', 1, 'k', ?, 0)`
    await attempt(insert, 'sold_out')
    await expect(attempt(insert, 'too_late')).rejects.toThrow(/UNIQUE/)
  })

  it('is one webhook per event', async () => {
    const insert = `insert into webhook_events (id, received_at) values ('e', 0)`
    await attempt(insert)
    await expect(attempt(insert)).rejects.toThrow(/UNIQUE/)
  })
})

describe('subjects of an external issuer', () => {
  const insert = `
    insert into user_identities (issuer, subject, user_id, created_at) values ('i', ?, ?, 0)`

  it('are one user each', async () => {
    await attempt(insert, 'a', userId)
    await expect(attempt(insert, 'a', await fixture.user())).rejects.toThrow(/UNIQUE/)
  })

  it('share no user', async () => {
    await attempt(insert, 'a', userId)
    await expect(attempt(insert, 'b', userId)).rejects.toThrow(/UNIQUE/)
  })
})
