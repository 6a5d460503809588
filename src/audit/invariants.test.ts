import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { auditInvariants, countUnits } from './invariants.ts'
import { expireCartHolds } from '../db/expiry.ts'
import { markCaptured } from '../db/payments/settle-authorized.ts'

let fixture: SaleFixture
let offer: Offer

/** Fills a sale with a hold in every state: held, unpaid, paying, paid, expired. */
beforeEach(async () => {
  fixture = await openSaleFixture()
  offer = await fixture.sale({ stock: 10, priceMinor: 250, purchaseLimit: 2 })
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = await fixture.users(5)
  await fixture.hold(e, offer, 2)
  fixture.clock.advance(300_000)
  await fixture.run(expireCartHolds(fixture.clock.now(), 10))
  await fixture.hold(a, offer, 2)
  await fixture.invoice(b, offer)
  await fixture.pay(await fixture.invoice(c, offer))
  const { payment } = await fixture.paid(d, offer, 2)
  await fixture.run(markCaptured(payment.id, fixture.clock.now()))
})

afterEach(() => fixture.close())

/** Runs statements that the schema forbids, as a bug in SQLite or another program might. */
function corrupt(...statements: readonly string[]): void {
  const raw = fixture.openRaw()
  raw.pragma('foreign_keys = off')
  raw.pragma('ignore_check_constraints = on')
  const guards = raw
    .prepare(
      `select type, name from sqlite_schema where type = 'trigger' or (type = 'index' and sql like '%unique%')`,
    )
    .all() as readonly { readonly type: string; readonly name: string }[]
  for (const { type, name } of guards) raw.exec(`drop ${type} ${name}`)
  for (const statement of statements)
    expect(raw.prepare(statement).run().changes).toBeGreaterThan(0)
  raw.close()
}

const held = `(select id from reservations where status = 'held' and invoice_id is null)`
const sold = `(select id from reservations where status = 'sold')`
const expired = `(select id from reservations where status = 'expired')`
const unpaid = `(select id from invoices where status = 'unpaid')`
const paid = `(select id from invoices where status = 'paid')`
const copyMovement = (kind: string): string =>
  `insert into stock_movements (product_id, reservation_id, kind, quantity, created_at)
   select product_id, reservation_id, kind, quantity, created_at from stock_movements
   where kind = '${kind}' limit 1`
const endUnpaid = `update invoices set status = 'cancelled', ended_at = 1 where id = ${unpaid}`

const payUnpaid = (status: string): string =>
  `insert into payments (id, invoice_id, user_id, idempotency_key, method, amount_minor, currency,
     status, created_at, updated_at)
   select 'x', id, user_id, 'x', 'pm_ok', total_minor, currency, '${status}', 0, 0
   from invoices where id = ${unpaid}`

describe('the audit', () => {
  it('finds nothing in a healthy database, and answers for every invariant it knows', async () => {
    const results = await auditInvariants(fixture.database)
    expect(results.filter(({ violations }) => violations > 0)).toEqual([])
    expect(results.map(({ id }) => id)).toEqual([
      'I1',
      'I2',
      'I3',
      'I4',
      'I5',
      'I9',
      'I10',
      'I11',
      'I12',
      'I13',
      'I14',
      'I15',
      'I16',
      'I21',
      'I24',
    ])
    for (const { examples } of results) expect(examples).toEqual([])
  })

  it('finds nothing in an empty database', async () => {
    const empty = await openSaleFixture()
    expect(await empty.violated()).toEqual([])
    await empty.close()
  })

  it.each<[string, string, ...string[]]>([
    ['I1', 'stock is negative', `update stock set available = -1, sold = sold + 5`],
    ['I2', 'a unit is lost', `update stock set available = available - 1`],
    ['I2', 'a unit is made', `update stock set allotment = allotment + 1`],
    ['I3', 'held is more than is held', `update stock set held = held + 1, sold = sold - 1`],
    ['I3', 'sold without a sale', `update stock set sold = sold + 1, available = available - 1`],
    [
      'I3',
      'a hold ends and stock does not move',
      `update reservations set status = 'released', ended_at = 1 where id = ${held}`,
    ],
    ['I3', 'a product that was sold has no stock', `delete from stock`],
    ['I4', 'a product with a ledger has no stock', `delete from stock`],
    ['I4', 'a ledger row is gone', `delete from stock_movements where kind = 'sold'`],
    [
      'I4',
      'a ledger row is changed',
      `update stock_movements set quantity = 9 where kind = 'allotted'`,
    ],
    ['I4', 'the ledger is gone', `delete from stock_movements`],
    [
      'I5',
      'a request was held and refused',
      `insert into add_to_cart_requests (request_id, user_id, idempotency_key, refusal, created_at)
       select id, user_id, idempotency_key, 'too_late', 0 from reservations limit 1`,
    ],
    [
      'I9',
      'a paid invoice lost its hold',
      `update reservations set status = 'released' where id = ${sold}`,
    ],
    [
      'I9',
      'a unit is sold on an unpaid invoice',
      `update reservations set status = 'sold' where invoice_id = ${unpaid}`,
    ],
    ['I9', 'a cancelled invoice still holds units', endUnpaid],
    [
      'I9',
      'an unpaid invoice lost its hold',
      `update reservations set status = 'expired', ended_at = 1 where invoice_id = ${unpaid}`,
    ],
    ['I10', 'a hold began twice', copyMovement('held')],
    ['I10', 'a hold ended twice in the same way', copyMovement('sold')],
    [
      'I10',
      'a hold ended in two ways',
      `insert into stock_movements (product_id, reservation_id, kind, quantity, created_at)
       select product_id, id, 'released', quantity, 1 from reservations where id = ${sold}`,
    ],
    [
      'I10',
      'a live hold ended',
      `insert into stock_movements (product_id, reservation_id, kind, quantity, created_at)
       select product_id, id, 'expired', quantity, 1 from reservations where id = ${held}`,
    ],
    [
      'I10',
      'an ended hold has no end',
      `delete from stock_movements where kind = 'expired' and reservation_id = ${expired}`,
    ],
    [
      'I10',
      'a hold ended with another quantity',
      `update stock_movements set quantity = 1 where kind = 'expired' and reservation_id = ${expired}`,
    ],
    [
      'I10',
      'a hold has no beginning',
      `delete from stock_movements where kind = 'held' and reservation_id = ${held}`,
    ],
    [
      'I11',
      'a cart line says another quantity',
      `update cart_details set quantity = 9 where reservation_id = ${held}`,
    ],
    [
      'I11',
      'a cart line says another product',
      `update cart_details set product_id = 99 where reservation_id = ${held}`,
    ],
    [
      'I11',
      'a cart line is in another cart',
      `update cart_details set cart_id = 'x' where reservation_id = ${held}`,
    ],
    ['I11', 'a hold is in no cart', `delete from cart_details where reservation_id = ${held}`],
    [
      'I11',
      'an invoice line says another quantity',
      `update invoice_details set quantity = 9 where reservation_id = ${sold}`,
    ],
    [
      'I11',
      'an invoice line is on another invoice',
      `update invoice_details set invoice_id = ${unpaid} where reservation_id = ${sold}`,
    ],
    [
      'I11',
      'an invoice line has another price than its hold',
      `update invoice_details set unit_price_minor = 1, line_total_minor = quantity
       where invoice_id = ${unpaid}`,
      `update invoices set total_minor = 1 where id = ${unpaid}`,
    ],
    [
      'I11',
      'a cart line has no hold',
      `update cart_details set reservation_id = 'x' where reservation_id = ${sold}`,
    ],
    [
      'I11',
      'an invoice line has no hold',
      `update invoice_details set reservation_id = 'x' where reservation_id = ${sold}`,
    ],
    [
      'I11',
      'a hold follows an invoice without a line',
      `delete from invoice_details where reservation_id = ${sold}`,
    ],
    ['I12', 'a paid invoice has no payment', `delete from payments where invoice_id = ${paid}`],
    [
      'I12',
      'a paid invoice was paid too little',
      `update payments set amount_minor = 1 where invoice_id = ${paid}`,
    ],
    [
      'I12',
      'a paid invoice was paid in another currency',
      `update payments set currency = 'USD' where invoice_id = ${paid}`,
    ],
    [
      'I12',
      'money was captured for an invoice that is not paid',
      `update payments set invoice_id = ${unpaid} where invoice_id = ${paid}`,
    ],
    [
      'I12',
      'a paid invoice was paid twice',
      `insert into payments (id, invoice_id, user_id, idempotency_key, method, amount_minor,
         currency, status, created_at, updated_at)
       select 'twice', invoice_id, user_id, 'twice', method, amount_minor, currency, status, 0, 0
       from payments where status = 'captured'`,
    ],
    ['I12', 'money is set aside for an invoice that is not paid', payUnpaid('authorized')],
    ['I12', 'an attempt is open on an invoice nobody pays', payUnpaid('authorizing')],
    ['I12', 'money is stranded on an invoice that can be paid', payUnpaid('stranded')],
    [
      'I12',
      'an invoice is being paid without an attempt',
      `update invoices set status = 'paying' where id = ${unpaid}`,
    ],
    [
      'I14',
      'somebody holds more than the limit',
      `update reservations set quantity = 3 where id = ${held}`,
    ],
    [
      'I14',
      'somebody bought more than the limit',
      `update flash_sale_details set purchase_limit = 1`,
    ],
    [
      'I15',
      'somebody has two carts',
      `insert into carts select 'second', user_id, status, created_at from carts where status = 'active' limit 1`,
    ],
    [
      'I24',
      'an invoice is due before a deadline that was promised in the cart',
      `update reservations set expires_at = (select due_at + 1 from invoices where id = ${unpaid})
       where invoice_id = ${unpaid}`,
    ],
    ['I24', 'a hold expired early', `update reservations set ended_at = 1 where id = ${expired}`],
    [
      'I24',
      'a line was called off and its sale was not',
      `update invoice_details set cancelled_at = 1 where invoice_id = ${unpaid}`,
    ],
    [
      'I9',
      'a line was called off and its hold is not released',
      `update invoice_details set cancelled_at = 1 where invoice_id = ${paid}`,
    ],
    ['I16', 'a total is not the sum', `update invoices set total_minor = total_minor + 1`],
    ['I16', 'a line is gone', `delete from invoice_details where invoice_id = ${unpaid}`],
    [
      'I21',
      'a hold is in somebody else’s cart',
      `update carts set user_id = 1 where status = 'active'`,
    ],
    ['I21', 'a cart is gone', `delete from carts where status = 'active'`],
    [
      'I21',
      'an invoice is somebody else’s',
      `update invoices set user_id = 1 where id = ${unpaid}`,
    ],
    [
      'I21',
      'an invoice is of another cart',
      `update invoices set cart_id = 'x' where id = ${unpaid}`,
    ],
    ['I21', 'an invoice with holds is gone', `delete from invoices where id = ${unpaid}`],
    ['I21', 'a payment is somebody else’s', `update payments set user_id = 1`],
    ['I21', 'a payment has no invoice', `update payments set invoice_id = 'x'`],
  ])('reports %s when %s', async (id, _, ...statements) => {
    corrupt(...statements)
    expect(await fixture.violated()).toContain(id)
  })

  it('shows what an engineer needs to look further, and not more than ten rows', async () => {
    corrupt(`update stock set available = available - 1`)
    const one = await auditInvariants(fixture.database)
    expect(one.find(({ id }) => id === 'I2')).toMatchObject({
      violations: 1,
      examples: [{ product_id: offer.productId, allotment: 10, available: 3, held: 4, sold: 2 }],
    })
    for (let count = 0; count < 15; count += 1) await fixture.sale()
    corrupt(`update stock set allotment = 999`)
    const many = (await auditInvariants(fixture.database)).find(({ id }) => id === 'I2')
    expect(many?.violations).toBe(16)
    expect(many?.examples).toHaveLength(10)
  })

  it('counts the units over all products', async () => {
    await fixture.sale({ stock: 100 })
    expect(await fixture.read(countUnits())).toEqual({ available: 104, held: 4, sold: 2 })
  })

  it('counts nothing where nothing is sold', async () => {
    const empty = await openSaleFixture()
    expect(await empty.read(countUnits())).toEqual({ available: 0, held: 0, sold: 0 })
    await empty.close()
  })
})

describe('the purchase limit over several sales of a product', () => {
  const violated = async () => fixture.violated()

  /** Puts the same product into one more sale with another purchase limit. */
  async function nextSale(purchaseLimit: number | null): Promise<Offer> {
    const raw = fixture.openRaw()
    const next = await fixture.sale({ stock: 1 })
    raw
      .prepare(
        'update flash_sale_details set product_id = ?, purchase_limit = ? where flash_sale_id = ?',
      )
      .run(offer.productId, purchaseLimit, next.flashSaleId)
    raw.close()
    fixture.clock.advance(1)
    return { ...next, productId: offer.productId }
  }

  it('is that of the sale a shopper last took it in', async () => {
    const user = await fixture.user()
    await fixture.hold(user, offer, 2)
    await fixture.hold(user, await nextSale(3), 1)
    expect(await violated()).toEqual([])
    corrupt(`update flash_sale_details set purchase_limit = 2 where purchase_limit = 3`)
    expect(await violated()).toEqual(['I14'])
  })

  it('is none after a sale without one, and is not broken by what was bought before a lower one', async () => {
    const user = await fixture.user()
    await fixture.hold(user, offer, 2)
    await fixture.hold(user, await nextSale(null), 2)
    const lower = await nextSale(1)
    const [refused] = await fixture.reserve(fixture.wish(user, lower))
    expect(refused).toMatchObject({ kind: 'refused', refusal: 'purchase_limit_reached' })
    expect(await violated()).toEqual([])
  })
})
