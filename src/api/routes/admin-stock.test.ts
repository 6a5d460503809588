import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addToCart } from '../../../test/support/buyers.ts'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { expectAuditClean, readStock } from '../../../test/support/expectations.ts'
import { createSale, createShopper } from '../../../test/support/sale.ts'
import { hold, invoiced, pay } from '../../../test/support/shopping.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'
import { until } from '../../../test/support/until.ts'
import * as schemas from './schemas.ts'

let app: TestApp

beforeAll(async () => {
  app = await startApp()
})
afterAll(async () => {
  await expectAuditClean(app.call)
  await app.stop()
})

const token = testAdminToken
const patch = (productId: number | string, body: unknown) =>
  app.call('PATCH', `/v1/admin/products/${productId}/stock`, { token, body })
const adjust = (productId: number, adjustBy: number) =>
  patch(productId, { adjustBy, reason: 'counted again' })

describe('adjusting the stock', () => {
  it('changes allotment and what is available', async () => {
    const { productId } = await createSale(app.call, { stock: 10 })
    const more = await adjust(productId, 5)
    expect(more.status).toBe(200)
    expect(more.body).toEqual({ productId, allotment: 15, available: 15, held: 0, sold: 0 })
    expect((await adjust(productId, -15)).body).toMatchObject({ allotment: 0, available: 0 })
  })

  it('never goes below what is held and sold', async () => {
    const sale = await createSale(app.call, { stock: 5 })
    const { shopper, invoiceId } = await invoiced(app.call, sale, 2)
    await pay(app.call, shopper, invoiceId)
    await hold(app.call, sale, shopper)
    const refused = await adjust(sale.productId, -3)
    expectProblem(refused, 409, 'stock_out_of_bounds')
    const left = { allotment: 5, available: 2, held: 1, sold: 2 }
    expect(await readStock(app.call, sale.productId)).toMatchObject(left)
    const taken = { allotment: 3, available: 0, held: 1, sold: 2 }
    expect((await adjust(sale.productId, -2)).body).toMatchObject(taken)
    expectProblem(await adjust(sale.productId, -1), 409, 'stock_out_of_bounds')
  })

  it('never goes below what is held while shoppers race for it', async () => {
    const sale = await createSale(app.call, { stock: 10 })
    const shopper = await createShopper(app.call)
    const steps = Array.from({ length: 20 }, (_, index) =>
      index % 2 === 0 ? adjust(sale.productId, -1) : addToCart(app.call, sale, shopper),
    )
    const statuses = (await Promise.all(steps)).map(({ status }) => status)
    const removed = statuses.filter((status) => status === 200).length
    const held = statuses.filter((status) => status === 201).length
    const stock = await readStock(app.call, sale.productId)
    expect(stock).toMatchObject({ allotment: 10 - removed, held, available: 10 - removed - held })
  })

  it('never goes above what the schema can count', async () => {
    const { productId } = await createSale(app.call, { stock: 1_000_000_000 })
    expectProblem(await adjust(productId, 1), 409, 'stock_out_of_bounds')
    expect((await adjust(productId, -1_000_000_000)).status).toBe(200)
    expect((await adjust(productId, 1_000_000_000)).status).toBe(200)
  })

  it('opens a sold-out sale again', async () => {
    const sale = await createSale(app.call, { stock: 0 })
    const shopper = await createShopper(app.call)
    expectProblem(await addToCart(app.call, sale, shopper), 409, 'sold_out')
    await adjust(sale.productId, 1)
    const held = async () => (await addToCart(app.call, sale, shopper)).status === 201
    await until(held, 1_500, 'the new unit')
  })

  it('requires a whole number that is not 0, and a reason', async () => {
    const { productId } = await createSale(app.call, { stock: 10 })
    const reason = 'why'
    const bodies: unknown[] = [
      ...[0, -0, 1.5, '1', 'NaN', null, true, [], 1e9 + 1, -1e9 - 1, 2 ** 53].map((adjustBy) => ({
        adjustBy,
        reason,
      })),
      ...['', '  ', 'x'.repeat(501), '\u0000', 1, null, undefined].map((text) => ({
        adjustBy: 1,
        reason: text,
      })),
      { adjustBy: 1, reason, sold: 0 },
      {},
      [],
      undefined,
    ]
    for (const body of bodies) expectProblem(await patch(productId, body), 400, 'validation_failed')
    expect(await readStock(app.call, productId)).toMatchObject({ allotment: 10 })
  })

  it('knows only products that are there', async () => {
    expectProblem(await adjust(999_999, 1), 404, 'not_found')
    const answer = await patch('one', { adjustBy: 1, reason: 'x' })
    expectProblem(answer, 400, 'validation_failed')
  })
})

describe('the audit', () => {
  it('says of every invariant whether it holds, and when it looked', async () => {
    const { status, body } = await app.call('GET', '/v1/admin/audit', { token })
    expect(status).toBe(200)
    const audit = schemas.audit.parse(body)
    expect(audit.holds).toBe(true)
    const ids = audit.invariants.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const id of ids) expect(id).toMatch(/^I\d+$/)
    for (const id of ['I2', 'I3', 'I4', 'I9', 'I11', 'I14', 'I16']) expect(ids).toContain(id)
    for (const { title, violations, examples } of audit.invariants) {
      expect(title).not.toBe('')
      expect([violations, examples]).toEqual([0, []])
    }
  })
})
